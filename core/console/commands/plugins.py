"""`plugins` and `quarantine`: who is loaded, what each costs, and putting one aside."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from core.commands.shared import table
from core.console.commands.acting import YES
from core.console.commands.rows import at_prompt, by_itself
from core.console.desk import Desk
from core.isolation.model import KERNEL
from core.plugin_commands import doctor, switches
from core.plugin_commands.facts import Facts, several
from core.plugin_commands.switching import Switch

if TYPE_CHECKING:
    from core.app import App

TITLES = ("NAME", "VERSION", "KIND", "STATE", "LOOP s", "DB s", "TASKS", "FAILED", "WHY")


def plugins_command(desk: Desk) -> click.Command:
    """`plugins`, which by itself lists."""

    @click.group("plugins", epilog="Example: plugins show cart")
    def plugins() -> None:
        """Plugins, their state, and what each used since the start.

        Seconds of the loop and of the database, tasks that run now, and calls that failed: of this replica.
        """

    @plugins.command("show", epilog="Example: plugins show cart")
    @click.argument("name")
    def show(name: str) -> None:
        """Show what one plugin declares."""
        facts = desk.see(_facts)
        if name not in facts.names:
            raise click.ClickException(f"there is no plugin {name}: {several(facts.names)}")
        click.echo("\n".join(desk.see(lambda _: list(doctor.block(facts, name)))))

    switches(plugins, desk.on_app)
    del plugins.commands["uninstall"]  # it is about what is installed, and not about who serves
    at_prompt(plugins)
    return by_itself(plugins, lambda: click.echo(table(TITLES, desk.see(_rows))))


def _facts(app: "App") -> Facts:
    return Facts(app, app.kernel.guards.aside)


def _rows(app: "App") -> list[Sequence[object]]:
    facts, usage = _facts(app), app.usage
    loop, spent, tasks, failures = usage.loop_seconds(), usage.db_seconds(), usage.tasks(), usage.failures()
    rows: list[Sequence[object]] = []
    for name in [*facts.names, KERNEL]:
        manifest, (state, why) = facts.manifest(name), facts.state(name)
        kind = None if manifest is None else "required" if manifest.required else "optional"
        used = (f"{loop.get(name, 0):.1f}", f"{spent.get(name, 0):.1f}", tasks.get(name, 0), failures.get(name, 0))
        if name == KERNEL:
            rows.append((name, None, None, None, *used, None))
        else:
            rows.append((name, manifest.version if manifest else None, kind, state, *used, why or None))
    return rows


def quarantine_command(desk: Desk) -> click.Command:
    """`quarantine`."""

    @click.command("quarantine", epilog="Example: quarantine payment --yes")
    @click.argument("name", required=False)
    @click.option("--end", is_flag=True, help="Use it again.")
    @click.option("--reason", help="Why; by default what this console was opened for.")
    @YES
    def quarantine(name: str | None, reason: str | None, *, end: bool, yes: bool) -> None:
        """Put a plugin aside, or use it again. Alone: who is put aside.

        On every replica: its routes answer 503, its events wait, the rest sells on. Audited.
        """
        if name is None:
            aside = desk.see(lambda app: [*app.kernel.guards.aside.values()])
            rows = [(one.plugin, one.state, one.since, one.by, one.reason) for one in aside]
            click.echo(table(("PLUGIN", "STATE", "SINCE", "BY", "WHY"), rows) if rows else "nobody is put aside")
        elif end:
            desk.do(lambda app: Switch(app, name).enable(yes=yes))
        else:
            desk.do(lambda app: Switch(app, name).quarantine(reason or desk.visit.by.reason, yes=yes))

    return quarantine
