"""Named places where a process can be made to die, fail or dawdle, to show that nothing is lost (RELIABILITY 5).

Inert unless the setting `faults.points` arms some, which production refuses. A call site is
`if faultpoints.armed: await faultpoints.reach("db.before_commit")`: one look at a module's name when inert.

    VURKSHA_FAULTS__POINTS="db.after_statement/orders.place=crash:0.02,relay.after_publish=delay"

`point[/word]=fault[:chance]`: `word` must stand in what the call site is about (the SQL, the consumer); `chance` is
between 0 and 1, which is what it is without.
"""

import asyncio
import os
import random
import signal
from collections.abc import Iterable
from typing import NoReturn

import attrs

POINTS = (
    "db.before_statement",
    "db.after_statement",
    "db.before_commit",
    "db.after_commit",
    "relay.before_publish",
    "relay.after_publish",
    "inbox.before_done",
    "redis.before_call",
    "redis.after_call",
)
"""A statement here commits by itself, one SQL function that changes things; a commit ends a transaction of several."""
FAULTS = ("crash", "doom", "error", "delay")
"""Kill -9 of itself; the same up to 20 ms later, amid what follows; a connection that breaks; a second's pause."""
DOOM = 0.02
DELAY = 1.0


@attrs.frozen
class Armed:
    """What happens at a point, and how often."""

    point: str
    word: str
    fault: str
    chance: float
    dice: random.Random
    """Which requests are hit: the same ones again for the same seed."""


armed: tuple[Armed, ...] = ()


def arm(specs: Iterable[str], seed: str) -> None:
    """Arm these and no others; none makes all inert again. Raises ValueError for what is not of the form above."""
    global armed  # noqa: PLW0603  call sites look at one name
    armed = tuple(_read(spec, random.Random(seed)) for spec in specs)  # noqa: S311  no secret


def _read(spec: str, dice: random.Random) -> Armed:
    place, _, what = spec.partition("=")
    point, _, word = place.partition("/")
    fault, _, chance = what.partition(":")
    if point not in POINTS or fault not in FAULTS:
        raise ValueError(f"{spec!r} is no point=fault of {', '.join(POINTS)} and {', '.join(FAULTS)}")
    return Armed(point, word, fault, float(chance or 1), dice)


async def reach(point: str, about: str = "") -> None:
    """Suffer what is armed here. Raises ConnectionResetError for the fault `error`."""
    for one in armed:
        if one.point == point and one.word in about and one.dice.random() < one.chance:
            os.write(2, f"fault point {point} {one.word} {one.fault}\n".encode())  # no buffer that would die too
            await _strike(one)


async def _strike(one: Armed) -> None:
    match one.fault:
        case "crash":
            _die()
        case "doom":
            asyncio.get_running_loop().call_later(one.dice.uniform(0, DOOM), _die)
        case "error":
            raise ConnectionResetError(f"fault point {one.point}")
        case _:
            await asyncio.sleep(DELAY)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")
