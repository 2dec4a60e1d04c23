"""Scripts of statements on several connections at once, played alike against the memory server and a real one.

The simulation proves as much as its database resembles PostgreSQL: so the same statements, in the same order, must wait
in the same places and give the same answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import attrs
import orjson

from core.store.connection import Connection

AGE = "time passes"
LEFT = "some wait for each other"
"""At the end: what becomes of them is chance."""
HANDS = 3
POLL = 0.002

Blocked = Callable[[Connection], Awaitable[bool]]
Ageing = Callable[[timedelta], Awaitable[None]]


@attrs.frozen
class Step:
    """One statement of one connection; BEGIN, COMMIT, ROLLBACK; or time that passes."""

    hand: int
    sql: str
    args: tuple[Any, ...] = ()
    name: str = ""


class Hand:
    """One connection, and the statement that it waits for."""

    def __init__(self, number: int, connection: Connection) -> None:
        self.number, self.connection = number, connection
        self._step: Step | None = None
        self._task: asyncio.Task[str] | None = None

    @property
    def busy(self) -> bool:
        """Whether it waits."""
        return self._task is not None

    @property
    def idle(self) -> bool:
        """Whether it has no transaction open."""
        return not self.busy and not self.connection.is_in_transaction()

    def start(self, step: Step) -> None:
        """Send it."""
        self._step, self._task = step, asyncio.ensure_future(self._run(step))

    async def _run(self, step: Step) -> str:
        try:
            if step.sql in ("BEGIN", "COMMIT", "ROLLBACK"):
                await self.connection.execute(step.sql)
                return "ok"
            statement = await self.connection.statement(step.sql)
            rows = await statement.fetch(*step.args)
            words = (statement.get_statusmsg() or "").split()
        except asyncpg.PostgresError as error:
            return f"refused {error.sqlstate}"
        return f"{words[-1]} {sorted(map(plain, rows)) if 'ORDER BY' not in step.sql else [*map(plain, rows)]}"

    async def settled(self, blocked: Blocked) -> bool:
        """Whether it came to its end, or waits for a lock."""
        return self._task is None or self._task.done() or await blocked(self.connection)

    def heard(self) -> str | None:
        """What it was answered, if it was."""
        if self._task is None or not self._task.done():
            return None
        step, result, self._task = self._step, self._task.result(), None
        assert step is not None
        return f"{self.number} {step.name}: {result}"

    async def leave(self) -> None:
        """Give up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.connection.terminate()


def plain(row: Any) -> str:
    """A row without what differs between two servers: moments, and how JSON is spaced."""
    return str([told for value in row if (told := _plain(value)) is not None])


def _plain(value: Any) -> object:
    if isinstance(value, datetime) or value == "":
        return None
    if isinstance(value, str) and value.startswith("{"):
        return orjson.dumps(orjson.loads(value), option=orjson.OPT_SORT_KEYS).decode()
    if isinstance(value, float):
        return value > 0
    return value.hex if isinstance(value, UUID) else value


async def _aged(step: Step, hands: Sequence[Hand], age: Ageing) -> list[str]:
    if not all(each.idle for each in hands):
        return []
    await age(step.args[0])
    return [AGE]


async def play(steps: Sequence[Step], hands: Sequence[Hand], blocked: Blocked, age: Ageing) -> list[str]:
    """Everything that was answered, in order, and who waits where."""
    heard: list[str] = []
    for step in steps:
        hand = hands[step.hand]
        if step.sql == AGE:
            heard += await _aged(step, hands, age)
            continue
        if hand.busy:
            heard.append(f"{hand.number} still waits")
            continue
        hand.start(step)
        while not all([await each.settled(blocked) for each in hands]):
            await asyncio.sleep(POLL)
        heard += [told for each in hands if (told := each.heard()) is not None]
        if hand.busy:
            heard.append(f"{hand.number} {step.name} waits")
    if any(hand.busy for hand in hands):
        heard.append(LEFT)
    for hand in hands:
        await hand.leave()
    return heard


def mixed(rng: Random, statement: Callable[[int], Step], length: int) -> list[Step]:
    """Statements on their own and in transactions, of several connections, as they may meet."""
    steps: list[Step] = []
    is_open = [False] * HANDS
    for _ in range(length):
        hand = rng.randrange(HANDS)
        kind = rng.random()
        if kind < 0.05:
            steps.append(Step(hand, AGE, (timedelta(hours=rng.choice((1, 2))),)))
        elif is_open[hand] and kind < 0.4:
            sql = "COMMIT" if kind < 0.3 else "ROLLBACK"
            steps.append(Step(hand, sql, (), sql))
            is_open[hand] = False
        elif not is_open[hand] and kind < 0.3:
            steps.append(Step(hand, "BEGIN", (), "BEGIN"))
            is_open[hand] = True
        else:
            steps.append(statement(hand))
    return steps + [Step(hand, "COMMIT", (), "COMMIT") for _ in range(HANDS) for hand in range(HANDS)]
