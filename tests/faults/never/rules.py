"""What must never happen (RELIABILITY 2), each as a question to the database or to what customers were told.

A rule answers with the violations that it found, in words; a rule that finds nothing answers with nothing.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString, Protocol

import attrs
import orjson


class Reads(Protocol):
    """The one thing that rules do with a connection."""

    async def fetch(self, sql: LiteralString, *args: object) -> Sequence[Any]:
        """All rows."""
        ...


@attrs.frozen(kw_only=True)
class Evidence:
    """What there is to judge by. Without records only the database is asked."""

    db: Reads
    records: Sequence[Mapping[str, Any]] = ()
    """Lines of the load: `kind` says which."""
    blind: bool = False
    """PostgreSQL was out of sight for a while: replicas may have learnt late that a session had ended."""
    texts: Sequence[Mapping[str, Any]] = ()
    """What reached the phones: when, to whom."""
    logs: Sequence[Path] = ()
    pairs: Sequence[tuple[str, str]] = ()
    """Every consumer with each event type that it subscribes to."""

    def of(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """The records of a kind."""
        return (record for record in self.records if record["kind"] == kind)

    def wrong(self, *rules: str) -> list[str]:
        """What the load itself saw to be wrong."""
        return [str(record["what"]) for record in self.of("wrong") if record["rule"] in rules]


Check = Callable[[Evidence], Awaitable[list[str]]]


@attrs.frozen
class Rule:
    """One promise and its check."""

    name: str
    promise: str
    check: Check


RULES: dict[str, Rule] = {}


def rule(name: str, promise: str) -> Callable[[Check], Check]:
    """Add a check to the list."""

    def add(check: Check) -> Check:
        if name in RULES:
            raise ValueError(f"two rules are called {name}")
        RULES[name] = Rule(name, promise, check)
        return check

    return add


def query(name: str, promise: str, sql: LiteralString) -> None:
    """Add a check that is one query: each row that it finds is a violation, told by its only column."""

    @rule(name, promise)
    async def check(evidence: Evidence) -> list[str]:
        return [str(row[0]) for row in await evidence.db.fetch(sql)]


async def judge(evidence: Evidence) -> dict[str, list[str]]:
    """The violations of every rule that has any."""
    found = {rule.name: await rule.check(evidence) for rule in RULES.values()}
    return {name: wrong for name, wrong in found.items() if wrong}


def read_records(path: Path) -> list[dict[str, Any]]:
    """A file of the load's; a last line that was cut short is left out."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [orjson.loads(line) for line in whole.splitlines()]


def grouped(records: Iterable[Mapping[str, Any]], *keys: str) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    """Records by the values of some fields."""
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        found[tuple(record[key] for key in keys)].append(record)
    return found
