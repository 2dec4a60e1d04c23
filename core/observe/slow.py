"""The times for which the loop stood still, who held it and where: the worst of each plugin, and the latest."""

from collections import Counter, deque
from datetime import UTC, datetime
from itertools import islice
from types import CodeType, FrameType

import attrs

Stack = tuple[tuple[CodeType, int], ...]
"""Code and line of each call, innermost last. No values: whoever reads it may see them all."""
WORST, LATEST, DEEP = 5, 50, 20
"""Kept of each plugin, and of all; calls of a stack, from the innermost."""


@attrs.frozen(kw_only=True)
class Slow:
    """One time for which nobody else was served."""

    plugin: str
    what: str
    """The route or task that was at work."""
    seconds: float
    at: datetime
    """When it ended."""
    stack: tuple[str, ...]
    """`file:line function` of each call, innermost last."""


class SlowCalls:
    """One replica's. Written and read on the loop."""

    def __init__(self) -> None:
        self._worst: dict[str, list[Slow]] = {}
        self._latest: deque[Slow] = deque(maxlen=LATEST)
        self.times: Counter[str] = Counter()
        """How often, by plugin."""

    def note(self, plugin: str, what: str, seconds: float, stack: Stack) -> None:
        """It has just ended."""
        slow = Slow(plugin=plugin, what=what, seconds=seconds, at=datetime.now(UTC), stack=told(stack))
        self.times[plugin] += 1
        self._latest.appendleft(slow)
        worst = self._worst.setdefault(plugin, [])
        worst.append(slow)
        worst.sort(key=lambda one: -one.seconds)
        del worst[WORST:]

    def worst(self, most: int) -> list[Slow]:
        """The longest of every plugin, all together in their order."""
        found = (slow for worst in self._worst.values() for slow in worst)
        return sorted(found, key=lambda slow: -slow.seconds)[:most]

    def latest(self, most: int) -> list[Slow]:
        """The newest first."""
        return list(islice(self._latest, most))


def stack_of(frame: FrameType | None) -> Stack:
    """Where a thread is."""
    calls: list[tuple[CodeType, int]] = []
    while frame is not None and len(calls) < DEEP:
        calls.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(reversed(calls))


def told(stack: Stack) -> tuple[str, ...]:
    """For people."""
    return tuple(f"{code.co_filename}:{line} {code.co_qualname}" for code, line in stack)
