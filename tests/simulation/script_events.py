"""Scripts of the statements of outbox and inbox."""

from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from core.events import inbox, outbox
from core.events.record import INSERT_EVENTS
from core.isolation.consumers import REMEMBER
from tests.simulation.script import Step, mixed

CONSUMERS = ("a.one", "a.two")
TYPES = ("t.moved", "t.arrived")
PAIRS = [(consumer, event_type) for consumer in CONSUMERS for event_type in TYPES]
NAMES = [" ".join(pair) for pair in PAIRS]
EVENTS = 12
HOUR = 3600.0


class Writer:
    """Draws statements. Events have known ids; their places in the outbox are counted from one on both servers."""

    def __init__(self, rng: Random) -> None:
        self._rng, self._next = rng, 0

    def statement(self, hand: int) -> Step:
        """One of them, with the events and consumers of this script."""
        rng = self._rng
        makes = (self._emit, self._emit, self._remember, self._hand_over, self._claim, self._taken, self._unreached,
                 self._refused, self._due, self._attempt, self._attempt, self._done, self._failed, self._busy,
                 self._oldest, self._receive)  # fmt: skip
        make = rng.choice(makes)
        sql, *args = make()
        return Step(hand, sql, tuple(args), make.__name__)

    def _emit(self) -> tuple[Any, ...]:
        rng, number = self._rng, self._rng.choice((1, 2))
        ids = [_event(self._next + n) for n in range(number)]
        self._next += number
        types = [rng.choice((*TYPES, "t.unknown")) for _ in ids]
        aggregates = [f"p{rng.randrange(3)}" for _ in ids]
        return INSERT_EVENTS, ids, types, [1] * number, ["p"] * number, aggregates, ['{"a":1}'] * number, '{"b":"c"}'

    def _hand_over(self) -> tuple[Any, ...]:
        pairs = self._rng.choice((PAIRS, PAIRS, PAIRS[:1]))
        return outbox.HAND_OVER, self._rng.choice((1, 2, 100)), [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def _remember(self) -> tuple[Any, ...]:
        pairs = self._rng.sample(PAIRS, self._rng.choice((1, 2)))
        return REMEMBER, [pair[0] for pair in pairs], [pair[1] for pair in pairs], ["shop"] * len(pairs)

    def _claim(self) -> tuple[Any, ...]:
        return outbox.CLAIM, self._rng.choice((1, 2, 100)), self._rng.choice((0.0, HOUR))

    def _seqs(self) -> list[int]:
        return sorted(self._rng.sample(range(1, EVENTS + 1), self._rng.choice((1, 2, 4))))

    def _taken(self) -> tuple[Any, ...]:
        return outbox.TAKEN, self._seqs()

    def _unreached(self) -> tuple[Any, ...]:
        return outbox.UNREACHED, self._seqs(), self._rng.choice((0.0, HOUR))

    def _refused(self) -> tuple[Any, ...]:
        seqs = self._seqs()
        return outbox.REFUSED, seqs, ["Nack"] * len(seqs), 2

    def _key(self) -> tuple[str, UUID]:
        return self._rng.choice(CONSUMERS), _event(self._rng.randrange(EVENTS))

    def _due(self) -> tuple[Any, ...]:
        names = self._rng.choice((NAMES, NAMES[:1]))
        return inbox.DUE, names, self._rng.choice((1, 100)), self._rng.choice((NAMES, names))

    def _attempt(self) -> tuple[Any, ...]:
        return inbox.CLAIM, *self._key()

    def _done(self) -> tuple[Any, ...]:
        return inbox.DONE, *self._key()

    def _failed(self) -> tuple[Any, ...]:
        return inbox.FAILED, *self._key(), self._rng.choice((0, 0, 1)), "Bad", self._rng.choice((None, 0.0, HOUR))

    def _receive(self) -> tuple[Any, ...]:
        consumer, ids = self._rng.choice(CONSUMERS), [_event(self._rng.randrange(EVENTS)) for _ in range(2)]
        if ids[0] == ids[1]:
            del ids[1]
        n, now = len(ids), datetime(2026, 1, 1, tzinfo=UTC)
        seqs = [self._rng.choice((None, 100 + self._rng.randrange(9))) for _ in ids]
        return (inbox.RECEIVE, consumer, ids, seqs, [TYPES[0]] * n, [1] * n, ["p"] * n, ["p1"] * n,
                ['{"a":1}'] * n, ['{"b":"c"}'] * n, [now] * n)  # fmt: skip

    def _busy(self) -> tuple[Any, ...]:
        return inbox.BUSY, NAMES

    def _oldest(self) -> tuple[Any, ...]:
        return (outbox.OLDEST,)


def _event(number: int) -> UUID:
    return UUID(int=0x01890000_0000_7000_8000_000000000000 + number)


def script(seed: int) -> list[Step]:
    """Of this seed."""
    rng = Random(f"events {seed}")
    return mixed(rng, Writer(rng).statement, 80)
