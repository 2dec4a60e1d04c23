"""`breakers`, `pools` and `cache`: what the replica leans on, from memory."""

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from core.commands.shared import table
from core.console.desk import Desk

if TYPE_CHECKING:
    from core.app import App


def breakers_command(desk: Desk) -> click.Command:
    """`breakers`."""

    @click.command("breakers", epilog="Example: breakers")
    def breakers() -> None:
        """Breakers of what this replica depends on. An open one lets nothing through."""
        titles = ("BREAKER", "STATE", "CALLS 10 s", "FAILED", "SLOW", "OPENED SO FAR", "TRIED AGAIN IN")
        click.echo(table(titles, desk.see(lambda app: list(_breakers(app)))))

    return breakers


def _breakers(app: "App") -> Iterator[tuple[object, ...]]:
    for one in app.kernel.breakers:
        again = f"{one.retry_in:.1f} s" if one.retry_in else None
        yield one.name, one.state.value, *one.counts, one.trips, again


def pools_command(desk: Desk) -> click.Command:
    """`pools`."""

    @click.command("pools", epilog="Example: pools")
    def pools() -> None:
        """Pools of connections. Whoever waits for one is late."""
        click.echo(table(("POOL", "MOST", "BUSY", "IDLE", "WAITING"), desk.see(lambda app: list(_pools(app)))))

    return pools


def _pools(app: "App") -> Iterator[tuple[object, ...]]:
    connections, waiting = pivot(app, "pool_connections"), pivot(app, "pool_waiting")
    for name, most in pivot(app, "pool_size").items():
        yield name, most[""], connections[name]["busy"], connections[name]["idle"], waiting[name][""]


def cache_command(desk: Desk) -> click.Command:
    """`cache`."""

    @click.command("cache", epilog="Example: cache")
    def cache() -> None:
        """Caches. Where what was read came from, since the start."""
        reads = desk.see(lambda app: pivot(app, "cache_reads_total"))
        for name, outcomes in reads.items():
            whole = sum(outcomes.values())
            rows = [(one, times, f"{times / whole:.1%}" if whole else None) for one, times in outcomes.items()]
            click.echo(table((name.upper(), "READS", "SHARE"), rows) + "\n")

    return cache


def pivot(app: "App", metric: str) -> defaultdict[str, dict[str, int]]:
    """A metric's whole numbers by its first label, and below that by its second; by the empty text without one."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for labels, value in app.figures.of(metric):
        found["".join(labels[:1])]["".join(labels[1:2])] = int(value)
    return found
