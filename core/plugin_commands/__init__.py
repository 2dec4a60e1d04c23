"""`vurksha plugins list|graph|doctor|disable|enable|uninstall`: what is loaded, what is wrong, and taking one out."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import click

from core.commands.shared import OnApp
from core.errors import Problem
from core.isolation.model import PluginState, cascaded
from core.isolation.states import listed
from core.plugin_commands.doctor import examined
from core.plugin_commands.graph import drawn
from core.plugin_commands.listing import shown
from core.plugin_commands.switching import Switch
from core.plugins import PluginError, Plugins
from core.store.embedded_process import EmbeddedError
from core.store.migrate import UNREACHABLE

if TYPE_CHECKING:
    from core.app import App
    from core.kernel import Kernel

Offline = Callable[[], "App"]
Run = Callable[["Kernel", Callable[[], Awaitable[None]]], None]
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
OFFLINE = click.option("--offline", is_flag=True, help="Do not ask the database what is put aside or migrated.")
YES = click.option("--yes", is_flag=True, help="Do it. Without this the command only says what it would do.")


def plugins_command(offline: Offline, run: Run, on_app: OnApp) -> click.Group:
    """The group, with `list` as what it does by itself."""

    @click.group("plugins", invoke_without_command=True, epilog="Example: vurksha plugins list")
    @click.pass_context
    def plugins(context: click.Context) -> None:
        """Plugins: which are loaded, what each declares, what is wrong, and taking one out."""
        if context.invoked_subcommand is None:
            context.invoke(list_)

    @plugins.command("list", epilog="Example: vurksha plugins list --json")
    @JSON
    @OFFLINE
    def list_(*, as_json: bool = False, offline: bool = False) -> None:
        """List plugins with version, owner, state and why."""
        click.echo(shown(*_seen(make, run, ask=not offline), as_json=as_json))

    @plugins.command("graph", epilog="Example: vurksha plugins graph")
    def graph() -> None:
        """Draw who requires whom, ports, points, and who tells whom of which event."""
        click.echo(drawn(make()))

    @plugins.command("doctor", epilog="Example: vurksha plugins doctor --offline")
    @JSON
    @OFFLINE
    def doctor(*, as_json: bool, offline: bool) -> None:
        """Show what each plugin declares, and all that is wrong. Exits with 1 when there is an error."""
        report = examined(*_seen(make, run, ask=not offline))
        click.echo(report.as_json() if as_json else report.as_text())
        sys.exit(1 if report.errors else 0)

    make = offline
    switches(plugins, on_app)
    return plugins


def switches(plugins: click.Group, on_app: OnApp) -> None:
    """Add what takes a plugin out and lets it in again."""

    @plugins.command("disable", epilog="Example: vurksha plugins disable payment --yes")
    @click.argument("name")
    @click.option("--reason", default="", help="Why, for the audit log and for `vurksha plugins list`.")
    @YES
    def disable(name: str, reason: str, *, yes: bool) -> None:
        """Take an optional plugin out on every replica, until it is enabled. Its data stays, its events wait."""
        on_app(lambda app: Switch(app, name).disable(reason, yes=yes))

    @plugins.command("enable", epilog="Example: vurksha plugins enable payment --yes")
    @click.argument("name")
    @YES
    def enable(name: str, *, yes: bool) -> None:
        """Use a disabled or quarantined plugin again, on every replica."""
        on_app(lambda app: Switch(app, name).enable(yes=yes))

    @plugins.command("uninstall", epilog="Example: vurksha plugins uninstall payment --yes")
    @click.argument("name")
    @YES
    def uninstall(name: str, *, yes: bool) -> None:
        """Let go of a disabled plugin: no event waits for it any more, and its package may go. Its data stays."""
        on_app(lambda app: Switch(app, name).uninstall(yes=yes))


def _seen(offline: Offline, run: Run, *, ask: bool) -> tuple["App", Mapping[str, PluginState] | None, list[str]]:
    """The app, who is put aside, and which migrations lack; None and nothing where the database does not say."""
    from core.store import migrate  # noqa: PLC0415  only where the database is asked

    app, states, lacking = offline(), None, []

    async def look() -> None:
        nonlocal states, lacking
        lacking = await migrate.behind(app.db.pool.dsn, app.migrations)
        states = cascaded(await listed(app.db), app.kernel.guards.requires)

    if ask:
        try:
            run(app.kernel, look)
        except (*UNREACHABLE, EmbeddedError, Problem):
            click.echo("what is put aside is not known: the database does not answer, or is not migrated", err=True)
    return app, states, lacking


def add_commands(program: click.Group, plugins: Plugins) -> None:
    """Plugins' own commands. None replaces one that is there."""
    for manifest, commands in plugins.ask("commands"):
        for command in commands:
            if (why := _unfit(program, command)) is None:
                program.add_command(command)
            elif manifest.required:
                raise PluginError(f"{manifest.name}: {why}")
            else:
                click.echo(f"plugin {manifest.name}: {why}", err=True)


def _unfit(program: click.Group, command: object) -> str | None:
    if not isinstance(command, click.Command) or not command.name:
        return f"its hook `commands` answers {type(command).__name__} where a click.Command with a name belongs"
    return f"there is a command {command.name} already" if command.name in program.commands else None
