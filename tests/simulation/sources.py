"""The one place where the simulation takes the outside world's place: clocks, randomness, and the driver's connect.

Production code asks `time.monotonic()`, `time.time()`, `os.urandom()` and `random.uniform()` by their modules, and
opens connections by `asyncpg.connect` and `aio_pika.Connection`. For one run these names lead to the virtual loop, to
the seed, the memory server and the memory broker; after it they are what they were. Where a class takes a clock, the
default of that parameter is exchanged in the same way. Whatever stands above them is the code that ships.
"""

import logging
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from inspect import isclass, isfunction
from random import Random
from typing import Any
from unittest.mock import patch

import aio_pika
import asyncpg

from core import types
from tests.simulation.loop import OWNER, VirtualLoop

WALL = 1_767_225_600.0
"""2026-01-01 in UTC: the wall clock at the loop's zero."""

MONOTONIC = time.monotonic
Connect = Callable[..., Awaitable[Any]]


@cache
def clock_defaults() -> list[tuple[dict[str, Any], str]]:
    """Keyword parameters of the project's functions whose default is the monotonic clock."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in ("core", "plugins")]
    things = [thing for module in modules for thing in vars(module).values()]
    functions = [member for thing in things if isclass(thing) for member in vars(thing).values()] + things
    defaults = [function.__kwdefaults__ or {} for function in functions if isfunction(function)]
    once = {id(each): each for each in defaults}.values()
    return [(each, name) for each in once for name, value in each.items() if value is MONOTONIC]


@contextmanager
def virtual(
    loop: VirtualLoop, rng: Random, connect: Connect, dial: Callable[..., Any], *, quiet: bool = True
) -> Iterator[None]:
    """Everything that varies between runs comes from the loop and `rng` while this lasts."""

    def wall() -> float:
        return WALL + loop.time() + OWNER.get(loop.world).skew

    state, disabled = random.getstate(), logging.root.manager.disable
    random.seed(rng.getrandbits(64))
    with ExitStack() as stack:
        for target, name, instead in (
            (time, "monotonic", loop.time),
            (time, "perf_counter", loop.time),
            (time, "time", wall),
            (time, "time_ns", lambda: int(wall() * 1e9)),
            (os, "urandom", rng.randbytes),
            (types, "_uuid7_last", 0),
            (asyncpg, "connect", connect),
            (aio_pika, "Connection", dial),
        ):
            stack.enter_context(patch.object(target, name, instead))
        for defaults, name in clock_defaults():
            stack.enter_context(patch.dict(defaults, {name: loop.time}))
        if quiet:
            logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            random.setstate(state)
            logging.disable(disabled)
