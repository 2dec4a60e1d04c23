"""Tables, row versions and row locks as PostgreSQL has them under READ COMMITTED. No time passes in here.

A statement is a generator: it yields a row whose lock it must wait for, and is resumed when that lock may be free. What
it read before the wait it knows as it was then; the row it waited for it reads again (PostgreSQL's EvalPlanQual).
"""

from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from typing import Any

import attrs

Values = dict[str, Any]
Statement = Generator["Record | None", None, "Outcome"]
"""A statement under way. Yielding None, it lets others go first: between its snapshot and its locks much may happen."""


class Row:
    """One row of an answer: by name, by place, or all values in order, like asyncpg's."""

    __slots__ = ("_values",)

    def __init__(self, values: Values) -> None:
        self._values = values

    def __getitem__(self, key: str | int) -> Any:
        return self._values[key] if isinstance(key, str) else list(self._values.values())[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values.values())

    def __repr__(self) -> str:
        return f"Row({self._values})"


@attrs.frozen
class Outcome:
    """What a statement answers: its rows, and how many it touched."""

    rows: list[Row] = attrs.Factory(list)
    count: int = 0


class Record:
    """One row of a table: its committed version, the one being written, who locks it and who waits."""

    __slots__ = ("committed", "holder", "key", "pending", "sharers", "table", "waiting", "written")

    def __init__(self, table: "Table", key: Any) -> None:
        self.table, self.key = table, key
        self.committed: Values | None = None
        self.pending: Values | None = None
        self.holder: Txn | None = None
        self.sharers: list[Txn] = []
        self.written = False
        """The holder made a new version of it."""
        self.waiting: list[Callable[[], None]] = []

    def free_for(self, txn: "Txn", *, share: bool = False) -> bool:
        """Whether this transaction could lock it now."""
        if self.holder is not None:
            return self.holder is txn
        return share or all(sharer is txn for sharer in self.sharers)

    def release(self, txn: "Txn") -> None:
        """It holds this no more."""
        if self.holder is txn:
            self.holder = None
        if txn in self.sharers:
            self.sharers.remove(txn)

    def wake(self) -> None:
        """Whoever waits may try again, in the order in which they came."""
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each()


class Table:
    """Rows by their primary key. `live` holds those that a partial index would: what is settled is not walked again."""

    def __init__(self, name: str, live: Callable[[Values], bool] = lambda _: True) -> None:
        self.name, self._is_live = name, live
        self.records: dict[Any, Record] = {}
        self.live: dict[Any, Record] = {}
        self.sequence = 0

    def next(self) -> int:
        """The next number of its identity column: a rollback leaves a gap."""
        self.sequence += 1
        return self.sequence

    def settle(self, record: Record) -> None:
        """After a commit or a rollback."""
        if record.committed is None:
            self.records.pop(record.key, None)
            self.live.pop(record.key, None)
        elif self._is_live(record.committed):
            self.live[record.key] = record
        else:
            self.live.pop(record.key, None)

    def rows(self) -> list[Values]:
        """What is committed, for the checks."""
        return [record.committed for record in self.records.values() if record.committed is not None]


class Txn:
    """One open transaction."""

    __slots__ = ("_clock", "_locked", "_written", "began", "failed", "number", "over", "slow")

    def __init__(self, number: int, clock: Callable[[], datetime], slow: Callable[[], bool]) -> None:
        self.number, self._clock, self.slow = number, clock, slow
        self.began = clock()
        """now(): the same throughout."""
        self.failed = self.over = False
        self._locked: list[Record] = []
        self._written: list[Record] = []

    def clock_timestamp(self) -> datetime:
        """The server's clock, as it goes on."""
        return self._clock()

    def see(self, record: Record) -> Values | None:
        """The version that this transaction sees; None when there is none."""
        return record.pending if record.written and record.holder is self else record.committed

    def find(self, table: Table, key: Any) -> Record | None:
        """The row of a key, if this transaction sees it."""
        record = table.records.get(key)
        return record if record is not None and self.see(record) is not None else None

    def try_lock(self, record: Record, *, share: bool = False) -> bool:
        """Lock it if nobody is in the way."""
        if not record.free_for(self, share=share):
            return False
        if share and record.holder is not self:
            if self not in record.sharers:
                record.sharers.append(self)
                self._locked.append(record)
        elif record.holder is None:
            record.holder = self
            self._locked.append(record)
        return True

    def lock(self, record: Record, *, share: bool = False) -> Generator[Record, None, None]:
        """Lock it, waiting as long as needed."""
        while not self.try_lock(record, share=share):
            yield record

    def hesitate(self) -> Generator[None, None, None]:
        """Now and then, others come between a statement's snapshot and its locks."""
        while self.slow():
            yield None

    def write(self, record: Record, **changes: Any) -> None:
        """A new version of a row that this transaction has locked."""
        before = self.see(record)
        assert before is not None
        self._note(record, {**before, **changes})

    def delete(self, record: Record) -> None:
        """No more of a row that this transaction has locked."""
        self._note(record, None)

    def insert(self, table: Table, key: Any, values: Values) -> Generator[Record, None, bool]:
        """A new row; False when the key is taken. Who is just writing that row is waited for, a mere lock is not."""
        while (record := table.records.get(key)) is not None and record.written and record.holder is not self:
            yield record
        if record is not None and self.see(record) is not None:
            return False
        record = table.records[key] = table.live[key] = record or Record(table, key)
        self.try_lock(record)
        self._note(record, values)
        return True

    def _note(self, record: Record, values: Values | None) -> None:
        record.pending, record.written = values, True
        if record not in self._written:
            self._written.append(record)

    def end(self, *, commit: bool) -> None:
        """Make all of it visible at once, or none; whoever waits for a lock is told."""
        if self.over:
            return
        self.over = True
        for record in self._written:
            record.committed = record.pending if commit else record.committed
            record.pending, record.written = None, False
        for record in self._locked:
            record.release(self)
        for record in self._written:
            record.table.settle(record)
        for record in self._locked:
            record.wake()
