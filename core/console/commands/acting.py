"""`loglevel` and `drain`: what changes this process and no row, audited all the same."""

import logging

import click

from core.commands.shared import table
from core.console.desk import Desk

OURS = ("core", "plugins")
"""Loggers whose levels may be changed: what libraries say at DEBUG may hold what was sent and received."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
YES = click.option("--yes", is_flag=True, help="Do it. Without this the command only says what it would do.")
DRAIN = """\
This replica would become unready, so that no balancer sends it requests, and begin no event or job.
It goes on serving what still comes. Nothing undoes this: end it then, and another takes its place."""


def loglevel_command(desk: Desk) -> click.Command:
    """`loglevel`."""

    @click.command("loglevel", epilog="Example: loglevel DEBUG core.redis")
    @click.argument("level", required=False, type=click.Choice(LEVELS, case_sensitive=False))
    @click.argument("logger", required=False)
    def loglevel(level: str | None, logger: str | None) -> None:
        """How much is logged; change it until this console closes.

        Of all our loggers, or of LOGGER and those below it. LOG_LEVEL changes it for good. Audited.
        """
        if level is None:
            own = [name for name in _known() if name in OURS or logging.getLogger(name).level]
            click.echo(table(("LOGGER", "LEVEL", "SET"), [_line(name) for name in own]))
            return
        names = _chosen(logger)
        desk.note("log.level", desk.console.subject, level=level, loggers=names)
        for one in map(logging.getLogger, names):
            desk.visit.undo.append((one, one.level))
            one.setLevel(level)
        click.echo(f"{', '.join(names)}: {level} until this console closes")

    return loglevel


def _known() -> list[str]:
    names = logging.root.manager.loggerDict
    return sorted(name for name in {*names, *OURS} if name.partition(".")[0] in OURS)


def _chosen(logger: str | None) -> list[str]:
    if logger is None:
        return list(OURS)
    if logger not in _known():
        raise click.ClickException(f"there is no logger {logger} of ours, such as {', '.join(_known()[:4])}")
    return [logger]


def _line(name: str) -> tuple[object, ...]:
    one = logging.getLogger(name)
    return name, logging.getLevelName(one.getEffectiveLevel()), "yes" if one.level else None


def drain_command(desk: Desk) -> click.Command:
    """`drain`."""

    @click.command("drain", epilog="Example: drain --yes")
    @YES
    def drain(*, yes: bool) -> None:
        """Take this replica out of service before it is ended. Audited."""
        if desk.see(lambda app: app.entry.draining):
            click.echo("it is draining already")
        elif not yes:
            click.echo(f"{DRAIN}\nNothing was changed: add --yes")
        else:
            desk.note("replica.drain", desk.console.subject)
            desk.see(lambda app: app.drain())
            click.echo("draining: unready from now on, no event or job is begun. End the replica with SIGTERM.")

    return drain
