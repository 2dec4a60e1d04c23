"""The rehearsal: `python -m tests.ops.watching.rehearsal [--only ALERT ...]`, about fifteen minutes.

A real world of two replicas under load, watched by a real Prometheus and Alertmanager with the project's own rules at a
brisk pace. Each fault is made, its alerts must be quiet before it and fire because of it, and be told to whom they
should; and whatever a panel asks must have an answer at some time.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import aiohttp
import attrs

from ops.prometheus.alerts import ALERTS, GROUPS
from ops.prometheus.model import BRISK, REAL, Record, at_pace
from tests.faults.never.book import PLUGINS
from tests.faults.stage import loaded
from tests.faults.world import Options, opened
from tests.ops.watching.boards import queries
from tests.ops.watching.case import BY_NAME
from tests.ops.watching.rehearsal.people import Person
from tests.ops.watching.rehearsal.reading import taken
from tests.ops.watching.rehearsal.scene import Scene, Step
from tests.ops.watching.rehearsal.steps import STEPS
from tests.ops.watching.rehearsal.watch import Watch
from tests.ops.watching.test_alertmanager import RECEIVERS
from tests.ops.watching.tools import figures

SETTINGS = {
    "VURKSHA_PLUGINS": ",".join((*PLUGINS, "payment")),
    # Between what production allows and the tests, whose machine is busy; and a small pool.
    "VURKSHA_HTTP__LATE": "0.3",
    "VURKSHA_POSTGRES__ACQUIRE": "1",
    "VURKSHA_POSTGRES__POOL_SIZE": "6",
    "VURKSHA_ISOLATION__BLOCK": "0.25",
    "VURKSHA_ISOLATION__LONGEST_BLOCK": "2",
    "VURKSHA_ISOLATION__PURE": "0.05",
}
RATE, CUSTOMERS = 10.0, 18
USUAL = BRISK.w + BRISK.seconds("30", "m") + 10
"""Seconds of custom, after which it is known what is usual."""
CALM = 30.0
"""Seconds for an alert of an earlier fault to end."""
TOLD = 10.0
"""Seconds at most from an alert to the word of it."""


@attrs.define
class Result:
    """What became of one alert. `seconds` from its fault; infinite if it did not fire."""

    alert: str
    what: str
    seconds: float = float("inf")
    told: str = ""
    wrong: str = ""


@attrs.define
class Answers:
    """Which questions have had an answer."""

    missing: dict[str, str]
    """Where each stands, by expression."""

    async def look(self, watch: Watch) -> None:
        """Ask those that have had none."""
        for expr in list(self.missing):
            if await watch.asked(expr):
                del self.missing[expr]


async def calm(watch: Watch, names: Sequence[str]) -> set[str]:
    """Those that fire although nothing is wrong: after some patience, and then without memory of earlier faults."""
    for again in (True, True, True, False):
        until = time.monotonic() + CALM
        while (early := set(names) & await watch.firing()) and time.monotonic() < until:
            await asyncio.sleep(0.5)
        if not early or not again:
            return early
        await watch.forget()
        await asyncio.sleep(CALM / 2)
    return set()


async def told(watch: Watch, result: Result, since: float) -> None:
    """Whether word of it reaches whom it should, or is held back by a graver one."""
    until, receiver = time.monotonic() + TOLD, RECEIVERS[BY_NAME[result.alert].severity]
    while time.monotonic() < until:
        mine = [one for one in watch.told if one.alert == result.alert and one.firing]
        receivers = {one.receiver for one in mine if one.at >= since or result.alert == "Watchdog"}
        if receivers:
            result.told, result.wrong = receiver, "" if receivers == {receiver} else f"told to {receivers}"
            return
        if result.alert in await watch.held_back():
            result.told = "held back"
            return
        await asyncio.sleep(0.2)
    result.wrong = "nobody was told"


async def play(step: Step, scene: Scene, answers: Answers) -> list[Result]:
    """Make the fault, see its alerts fire, mend it."""
    results = {name: Result(name, step.what) for name in step.alerts}
    early = await calm(scene.watch, [name for name in step.alerts if name != "Watchdog"])
    for name in early:
        results[name].wrong = f"fires before its fault; the machine's load is {os.getloadavg()[0]:.0f}"
    try:
        await broken(step, scene, answers, {name: one for name, one in results.items() if name not in early})
    except Exception as error:  # noqa: BLE001  the other faults are made all the same
        for result in results.values():
            result.wrong = result.wrong or f"the fault could not be made: {error!r}"
    for result in results.values():
        say(result)
    return list(results.values())


async def broken(step: Step, scene: Scene, answers: Answers, results: Mapping[str, Result]) -> None:
    """The fault itself."""
    watch, began, since = scene.watch, time.monotonic(), time.time()
    async with step.fault(scene):
        made = time.monotonic() - began
        found = await watch.until_firing(results, step.limit)
        for name, seconds in found.items():
            results[name].seconds = made + seconds
            await told(watch, results[name], since)
        for name in results.keys() - found.keys():
            results[name].wrong = "did not fire"
        await answers.look(watch)


def say(result: Result) -> None:
    """A row of the table."""
    alert = BY_NAME[result.alert]
    wait = at_pace(alert.wait, REAL)
    sys.stdout.write(
        f"{alert.name:22} {alert.severity:7} for {wait:4} {result.seconds:6.1f} s  {result.told:10} {result.what}"
        f"{'  ! ' + result.wrong if result.wrong else ''}\n"
    )
    sys.stdout.flush()


async def rehearse(steps: Sequence[Step]) -> int:
    """How much was wrong."""
    options = Options(replicas=2, standby=False, rabbit=True, production=False, settings=SETTINGS)
    answers = Answers({expr: f"{board}: {panel}" for board, panel, expr in queries()})
    recorded = {rule.name: rule.name for group in GROUPS for rule in group.rules if isinstance(rule, Record)}
    asked = len(answers.missing)
    answers.missing |= recorded
    results: list[Result] = []
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(opened(options))
        watch = Watch(world.folder, world.token)
        watch.watch(one.operations for one in world.replicas.values())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        load = await stack.enter_async_context(loaded(world, rates=[RATE], customers=CUSTOMERS, seed=1))
        await stack.enter_async_context(watch.running())
        began = time.monotonic()
        person = Person(world, session)
        await person.sign_in()
        scene = Scene(world=world, watch=watch, load=load, session=session, person=person)
        steps_taken, wrong = await taken(scene)
        for step in steps:
            if "OrdersDropped" in step.alerts:
                await asyncio.sleep(max(0.0, began + USUAL - time.monotonic()))
            await answers.look(watch)
            results += await play(step, scene, answers)
    wrong += [f"{one.alert}: {one.wrong}" for one in results if one.wrong]
    silent = [f"no answer: {where}: {expr}" for expr, where in answers.missing.items()]
    for line in (*wrong, *silent):
        sys.stdout.write(f"! {line}\n")
    if len(steps) == len(STEPS):
        wrong += silent
    slowest = max((one for one in results if not one.wrong), key=lambda one: one.seconds, default=results[0])
    answered = asked + len(recorded) - len(answers.missing)
    figures(
        f"{sum(not one.wrong for one in results)} of {len(results)} alerts fired by their faults, the slowest"
        f" ({slowest.alert}) after {slowest.seconds:.0f} s at a thirtieth of the real durations; {answered} of"
        f" {asked + len(recorded)} questions of panels and rules answered; {steps_taken} steps of runbooks taken"
    )
    return len(wrong)


def main() -> int:
    """0 when all held."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", metavar="ALERT", help="the faults of these alerts")
    only = parser.parse_args().only
    missing = set(BY_NAME) - {name for step in STEPS for name in step.alerts}
    if missing or len(ALERTS) != sum(len(step.alerts) for step in STEPS):
        sys.exit(f"no fault, or two, for {missing}")
    steps = [step for step in STEPS if only is None or set(only) & set(step.alerts)]
    return min(1, asyncio.run(rehearse(steps)))


if __name__ == "__main__":
    sys.exit(main())
