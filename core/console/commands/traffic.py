"""`routes` and `events`: what comes in and what goes round, from memory."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from core.app import PREFIX
from core.commands.routes import in_order, who
from core.commands.shared import table
from core.console.commands.stores import pivot
from core.console.desk import Desk
from core.plugin_commands.facts import Facts, several

if TYPE_CHECKING:
    from core.app import App


def routes_command(desk: Desk) -> click.Command:
    """`routes`."""

    @click.command("routes", epilog="Example: routes orders")
    @click.argument("word", default="")
    @click.option("--used", is_flag=True, help="Only those that were asked for, the busiest first.")
    def routes(word: str, *, used: bool) -> None:
        """Routes, who may call them, and what was answered.

        WORD is a part of the path, or a plugin's name. What was answered is this replica's, since its start.
        """
        rows = [row for row in desk.see(lambda app: list(_routes(app))) if word in row[1] or word == row[3]]
        if used:
            rows = sorted((row for row in rows if row[4]), key=lambda row: -row[4])
        titles = ("METHOD", "PATH", "WHO", "PLUGIN", "REQUESTS", "5xx", "MEAN ms")
        click.echo(table(titles, rows, whole=2) if rows else f"no route has {word}")

    return routes


def _routes(app: "App") -> Iterator[tuple[str, str, str, str, int, int, str | None]]:
    tallies = {tally.route: tally for tally in app.meter.tallies}
    for route in in_order(app.routes):
        tally = tallies[f"{route.method} {PREFIX}{route.path}"]
        mean = f"{1000 * tally.seconds / tally.requests:.1f}" if tally.requests else None
        yield route.method, route.path, who(route), tally.plugin, tally.requests, tally.statuses[5], mean


def events_command(desk: Desk) -> click.Command:
    """`events`."""

    @click.command("events", epilog="Example: events order")
    @click.argument("word", default="")
    def events(word: str) -> None:
        """Events, who emits and hears them, and what became of them.

        WORD is a part of the type. What became of them is this replica's, since its start.
        """
        rows = [row for row in desk.see(lambda app: list(_events(app))) if word in row[0]]
        click.echo(table(("EVENT", "FROM", "HEARD BY", "EMITTED"), rows) if rows else f"no event has {word}")
        click.echo(f"\n{_handled(desk.see(lambda app: pivot(app, 'events_handled_total')))}")

    return events


def _handled(consumers: Mapping[str, Mapping[str, int]]) -> str:
    outcomes = list(dict.fromkeys(one for found in consumers.values() for one in found))
    rows = [(name, *(found.get(one) for one in outcomes)) for name, found in sorted(consumers.items())]
    return table(("CONSUMER", *(one.upper() for one in outcomes)), rows)


def _events(app: "App") -> Iterator[tuple[str, str, str, int]]:
    facts, emitted = Facts(app, app.kernel.guards.aside), pivot(app, "events_emitted_total")
    for name in facts.names:
        if facts.manifest(name) is not None:
            for event in facts.events(name):
                yield event, name, several(facts.listeners(event)), emitted[event].get("", 0)
