"""The breaker: callers of a dependency that fails, hangs, slows down and comes back (RELIABILITY 3).

It must open when the paper says so and not otherwise, stay open no longer than allowed, try one call at a time, close
on three successes, and not count what says nothing of the dependency.
"""

import asyncio
from collections import deque

from core.resilience.breaker import Breaker, Open, State
from core.resilience.retry import RetryBudget
from tests.simulation.world import World

LENGTH = 40.0
CALM = 25.0
"""Seconds in which a healthy dependency must be trusted again."""
STREAK, FEWEST, FAILING, SLOW, SUCCESSES = 5, 10, 0.5, 0.8, 3
WINDOW, CELL = 10.0, 1.0
EDGE = 1e-6
"""Seconds: what lies on the edge of a window is in it."""
QUIET, SHARE = 10, 0.2
"""The paper's numbers, written down once more: a check that read them from the code would agree with any."""

Verdict = tuple[float, bool, bool]
"""When, whether it failed, whether it was slow."""


class Watched:
    """A breaker, and everything that it was told, to judge it by."""

    def __init__(self, world: World, breaker: Breaker, *, slow: float, first: float, longest: float) -> None:
        self.world, self.breaker = world, breaker
        self._slow, self._first, self._longest = slow, first, longest
        self._verdicts: deque[Verdict] = deque()
        self._streak = 0
        self._since = self._evidence = world.now
        """Of the state; and when something last spoke against the dependency."""
        self._trials: dict[float, None] = {}
        self._successes = 0
        self._seen = False
        """A probe saw the outage: only such a one may end it."""
        self._opened: list[float] = []

    def enter(self) -> float:
        """Raises Open."""
        before = self.breaker.state
        try:
            began = self.breaker.enter()
        except Open:
            self._refused()
            raise
        now = self.world.now
        self._moved(before, "enter")
        if self.breaker.state is State.HALF_OPEN:
            pending = [each for each in self._trials if now - each < self._longest]
            self.world.check(not pending, "half open, calls are tried one at a time")
            self._trials[now] = None
            self.world.count("trial")
        return began

    def _refused(self) -> None:
        world, state = self.world, self.breaker.state
        world.count("refused")
        if state is State.OPEN:
            quiet = world.now - self._evidence
            world.check(quiet <= self._longest, f"open for at most {self._longest:g} s, not {quiet:.2f}")
        else:
            world.check(state is State.HALF_OPEN, "a closed breaker refuses nobody")
            world.check(
                any(world.now - each < self._longest for each in self._trials), "half open, it waits for a trial only"
            )

    def tell(self, began: float, entered: float, kind: str) -> None:
        """A call's end: ok, failed or ignored."""
        before, now = self.breaker.state, self.world.now
        trial = self._trials.pop(entered, "none") is None
        {"ok": self.breaker.succeeded, "failed": self.breaker.failed, "ignored": self.breaker.ignored}[kind](began)
        if before is State.CLOSED and kind != "ignored" and not (kind == "failed" and entered < self._since):
            self._count(now, failed=kind == "failed", slow=kind == "ok" and now - entered >= self._slow)
        elif before is State.HALF_OPEN and trial:
            self._successes += kind == "ok"
            self._evidence = now if kind == "failed" else self._evidence
        self._moved(before, kind)

    def probed(self, *, ok: bool) -> None:
        """The background probe."""
        before = self.breaker.state
        self.breaker.probed(ok=ok)
        if not ok:
            self._evidence = self.world.now
            self._seen = self._seen or before is not State.CLOSED
        elif self._seen:
            self._successes = self._successes * (before is State.HALF_OPEN) + 1
        self._moved(before, "probe", probed=ok)

    def _count(self, now: float, *, failed: bool, slow: bool) -> None:
        self._verdicts.append((now, failed, slow))
        while self._verdicts[0][0] < now - WINDOW - EDGE:
            self._verdicts.popleft()
        self._streak = self._streak + 1 if failed else 0

    def _bad(self, window: float) -> bool:
        """Whether the shares of the last `window` seconds are too bad."""
        counted = [each for each in self._verdicts if each[0] >= self.world.now - window]
        failed, slow = sum(each[1] for each in counted), sum(each[2] for each in counted)
        return len(counted) >= FEWEST and (failed >= FAILING * len(counted) or slow >= SLOW * len(counted))

    def _shares(self) -> list[bool]:
        """The same for every window that cells of a second may stand for."""
        ages = sorted({self.world.now - each[0] for each in self._verdicts if self.world.now - each[0] > WINDOW - CELL})
        return [self._bad(window + EDGE) for window in (WINDOW - CELL, *ages, WINDOW)]

    def _moved(self, before: State, why: str, *, probed: bool = False) -> None:
        """A change of state must have its reason, and a reason its change."""
        after, check, now = self.breaker.state, self.world.check, self.world.now
        if before is State.CLOSED and why in ("ok", "failed"):
            reason = self._streak >= STREAK
            judged = why == "failed" or self._verdicts[-1][2]
            check(
                after is State.OPEN or not (judged and (reason or all(self._shares()))),
                "a dependency this bad opens it",
            )
            check(after is State.CLOSED or reason or any(self._shares()), "it does not open for less")
        if before is after:
            return
        self.world.note(f"{before.value} to {after.value}", f"on {why}")
        if why == "ignored":
            check(False, "what says nothing of the dependency changes nothing")
        if after is State.OPEN:
            check(before is not State.CLOSED or why in {"failed", "ok"}, "only calls open it")
            self._opened.append(now)
            self._evidence = now
        elif after is State.HALF_OPEN:
            first = now - self._since >= self._first * 0.8 or probed
            check(before is State.OPEN and first, "it is open for a second at least")
            self._successes = 1 if probed else 0
        else:
            check(self._successes == SUCCESSES, f"{SUCCESSES} successes close it, not {self._successes}")
            self._verdicts.clear()
            self._streak, self._seen = 0, False
        self._trials.clear() if after is not State.HALF_OPEN or before is not State.HALF_OPEN else None
        self._since = now


class Dependency:
    """What the callers call."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.health = "well"

    async def weather(self) -> None:
        """Its moods, until things calm down."""
        rng = self._world.rng
        while self._world.now < LENGTH:
            await asyncio.sleep(min(rng.expovariate(1 / 6), LENGTH - self._world.now))
            self.health = rng.choice(("well", "down", "slow", "shaky", "hung"))
            self._world.say(f"the dependency is {self.health}")
        self.health = "well"
        self._world.say("the dependency is well from now on")

    async def call(self) -> bool:
        """Whether it succeeded, after the time that took."""
        rng, health = self._world.rng, self.health
        seconds = {"slow": rng.uniform(0.9, 1.5), "hung": rng.uniform(2, 4)}.get(health, rng.uniform(0.001, 0.1))
        await asyncio.sleep(seconds)
        return not (health in ("down", "hung") or (health == "shaky" and rng.random() < 0.6))


class Callers:
    """Many callers, one breaker, one budget for repeats."""

    def __init__(self, world: World) -> None:
        self._world, rng = world, world.rng
        longest, self._gap = rng.choice((2.0, 10.0)), rng.choice((0.05, 0.2, 1.0))
        self._cancels = rng.choice((0.0, 0.1, 0.9))
        self._lost = rng.choice((0.0, 0.0, 0.02))
        breaker = Breaker("dependency", slow=1.0, longest=longest)
        self.watched = Watched(world, breaker, slow=1.0, first=1.0, longest=longest)
        self._budget = RetryBudget(lambda: breaker.counts[0])
        self._repeats: deque[float] = deque()
        self.dependency = Dependency(world)

    async def caller(self) -> None:
        """Call, and call once more when that is allowed, until the run is over."""
        rng = self._world.rng
        while self._world.now < LENGTH + CALM:
            await asyncio.sleep(rng.expovariate(1 / self._gap))
            if not await self._once() and self._budget.take():
                self._repeated()
                await self._once()

    def _repeated(self) -> None:
        now = self._world.now
        self._repeats.append(now)
        while self._repeats[0] <= now - WINDOW:
            self._repeats.popleft()
        self._world.count("repeat")
        calls = self.watched.breaker.counts[0]
        self._world.check(
            len(self._repeats) <= max(QUIET, SHARE * calls + 1), "no more than a fifth of the calls are repeats"
        )

    async def _once(self) -> bool:
        world, rng = self._world, self._world.rng
        try:
            began, entered = self.watched.enter(), world.now
        except Open:
            return True
        calm = world.now > LENGTH
        if not calm and rng.random() < self._cancels:
            await asyncio.sleep(rng.uniform(0, 0.05))
            self.watched.tell(began, entered, "ignored")
            return True
        ok = await self.dependency.call()
        if calm or rng.random() >= self._lost:
            self.watched.tell(began, entered, "ok" if ok else "failed")
        return ok

    async def prober(self) -> None:
        """The background probe."""
        while True:
            await asyncio.sleep(0.5)
            self.watched.probed(ok=self.dependency.health in ("well", "slow", "shaky"))


async def breaker(world: World) -> None:
    """A minute of trouble, then calm."""
    callers = Callers(world)
    home = world.loop.world
    world.spawn(home, callers.dependency.weather())
    for _ in range(world.rng.choice((1, 3, 6))):
        world.spawn(home, callers.caller())
    if world.chance(0.5):
        world.spawn(home, callers.prober())
    await asyncio.sleep(LENGTH)
    await world.until(
        lambda: callers.watched.breaker.state is State.CLOSED, CALM, "a healthy dependency is trusted again"
    )
