"""All that can be typed. What is not in this list does not exist: no command runs code, nor ends a task.

Those of `vurksha` that look or act on rows are the same here, by the same code.
"""

import click

from core.console.commands.acting import drain_command, loglevel_command
from core.console.commands.plugins import plugins_command, quarantine_command
from core.console.commands.rows import dlq_command, outbox_command, sessions_command
from core.console.commands.stores import breakers_command, cache_command, pools_command
from core.console.commands.traffic import events_command, routes_command
from core.console.commands.wiring import flags_command
from core.console.commands.work import slow_command, stack_command, tasks_command, where_command
from core.console.desk import Desk

MAKERS = (
    plugins_command,
    routes_command,
    events_command,
    outbox_command,
    dlq_command,
    breakers_command,
    pools_command,
    cache_command,
    sessions_command,
    slow_command,
    tasks_command,
    where_command,
    stack_command,
    flags_command,
    quarantine_command,
    loglevel_command,
    drain_command,
)


class InOrder(click.Group):
    """Lists its commands as they were added: what is looked at most comes first."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The order of `MAKERS`."""
        return list(self.commands)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Nothing but a command can be typed."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """What a word means: exactly a command, with no alias and no abbreviation. Raises ClickException."""
        if args and args[0] not in self.commands:
            raise click.ClickException(f"there is no command {args[0]}: `help` lists what can be asked")
        return super().resolve_command(ctx, args)


def program(desk: Desk) -> click.Group:
    """The commands of one visit."""
    group = InOrder(
        name="",
        options_metavar="",
        subcommand_metavar="COMMAND",
        add_help_option=False,
        help="What this replica knows. Each command has --help with an example. Changing something is audited.",
    )
    for make in MAKERS:
        group.add_command(make(desk))

    @group.command("help", epilog="Example: help")
    @click.pass_context
    def help_(context: click.Context) -> None:
        """List the commands."""
        click.echo(group.get_help(context.parent or context))

    @group.command("exit", epilog="Example: exit")
    def exit_() -> None:
        """Leave, and close the console."""

    return group
