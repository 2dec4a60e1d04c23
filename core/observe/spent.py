"""What work costs the database: added up for the request, delivery or task that asked, and by plugin and work.

A statement counts from its sending to its answer; waiting for a connection is the pool's matter and does not.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import NamedTuple

import attrs

KERNEL = "kernel"
"""Whose work it is when it is no plugin's."""
MOST, OTHER = 1_000, "other"
"""Kinds of work that are told apart: a plugin may name its tasks as it likes, even by an id."""


class Cost(NamedTuple):
    """Seconds in the database, and round trips to it."""

    seconds: float = 0.0
    statements: int = 0


@attrs.define(eq=False)
class Spent:
    """What one request, delivery or task has spent so far."""

    plugin: str
    what: str
    """A route's name, such as "GET /api/v1/products", or a task's."""
    seconds: float = 0.0
    statements: int = 0


current: ContextVar[Spent | None] = ContextVar("spent", default=None)


def begin(plugin: str, what: str) -> Spent:
    """From here on, in this context, statements are counted for this work."""
    spent = Spent(plugin, what)
    current.set(spent)
    return spent


class Spending:
    """What a process spent in its database, by plugin and work."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], Spent] = {}
        self._owner = ""

    def of(self, plugin: str) -> "Spending":
        """The same sums, for statements that are a plugin's own whoever called it."""
        own = Spending()
        own._sums, own._owner = self._sums, plugin
        return own

    def add(self, sent: float) -> None:
        """A statement that was sent at this moment, on the clock of time.monotonic(), has come to its end."""
        seconds, spent = time.monotonic() - sent, current.get()
        plugin, what = KERNEL, ""
        if spent is not None:
            plugin, what = spent.plugin, spent.what
            spent.seconds += seconds
            spent.statements += 1
        total = self._sums.get((self._owner or plugin, what)) or self._new(self._owner or plugin, what)
        total.seconds += seconds
        total.statements += 1

    def _new(self, plugin: str, what: str) -> Spent:
        if len(self._sums) >= MOST:
            what = OTHER
        return self._sums.setdefault((plugin, what), Spent(plugin, what))

    def by_work(self) -> Mapping[tuple[str, str], Cost]:
        """Since the start, by plugin and what it did."""
        return {key: Cost(sums.seconds, sums.statements) for key, sums in self._sums.items()}
