"""Shedding, with a made-up server and made-up time."""

import asyncio
import heapq
import random
import time
from itertools import count

import pytest

from core.resilience.rank import Rank
from core.resilience.shedding import LARGEST, SMALLEST, Shedder

MIX = (Rank.REPORTS, *[Rank.CATALOGUE] * 6, Rank.OWN, Rank.CART, Rank.VITAL)


def serve(shedder: Shedder, times: list[float]) -> None:
    """As many requests as fit, each of a full sample, taking so long."""
    for seconds in times:
        assert shedder.enter(Rank.VITAL)
        shedder.leave(seconds)


def fill(shedder: Shedder, rank: Rank) -> int:
    """How many more of a rank are let in."""
    entered = 0
    while entered < 1000 and shedder.enter(rank):
        entered += 1
    return entered


def test_each_rank_leaves_room_for_those_above_it_and_what_is_vital_is_bounded_by_the_process_alone() -> None:
    shedder = Shedder()
    shedder.limit = 100
    shedder.lagged(0.01)
    assert [fill(shedder, rank) for rank in Rank] == [50, 20, 10, 10, LARGEST - 90, 1000]
    assert shedder.refused[Rank.CATALOGUE] == 1


@pytest.mark.parametrize(
    ("lag", "served"),
    [(0.0, 6), (0.1, 6), (0.11, 4), (0.16, 3), (0.21, 2), (0.51, 1)],
)
def test_a_late_loop_refuses_the_least_important_first(lag: float, served: int) -> None:
    shedder = Shedder()
    shedder.lagged(lag)
    let_in = [rank for rank in Rank if shedder.enter(rank)]
    assert let_in == list(Rank)[-served:]
    shedder.lagged(0.0)
    assert shedder.enter(Rank.REPORTS)


def test_slow_requests_shrink_the_limit_and_good_ones_let_it_grow_while_it_is_used() -> None:
    shedder = Shedder()
    serve(shedder, [0.3] * 32 * 30)
    assert shedder.limit == SMALLEST
    serve(shedder, [0.01] * 32 * 50)
    assert shedder.limit == SMALLEST  # one at a time needs no more
    for _ in range(60):
        inside = fill(shedder, Rank.VITAL)
        for _ in range(inside):
            shedder.leave(0.01)
    assert shedder.limit == LARGEST


def simulate(
    load: float, *, shedding: bool, seconds: float = 30, cost: float = 0.002
) -> tuple[float, dict[Rank, float]]:
    """One core, first come first served; requests of the mix arrive at `load` times what it can do.

    Answers within 200 ms a second, and by rank the share that was answered so.
    """
    random.seed(7)
    shedder, number = Shedder(), count()
    now, free_at, good = 0.0, 0.0, 0
    offered, done = dict.fromkeys(Rank, 0), dict.fromkeys(Rank, 0)
    running: list[tuple[float, int, float]] = []
    while now < seconds:
        now += random.expovariate(load / cost)
        while running and running[0][0] <= now:
            _, _, took = heapq.heappop(running)
            shedder.leave(took)
        rank = random.choice(MIX)
        offered[rank] += 1
        shedder.lagged(0.0)
        if shedding and not shedder.enter(rank):
            free_at = max(free_at, now) + cost / 40  # a refusal is not free
            continue
        free_at = max(free_at, now) + random.expovariate(1 / cost)
        if shedding:
            heapq.heappush(running, (free_at, next(number), free_at - now))
        if free_at - now <= 0.2:
            good += 1
            done[rank] += 1
    return good / seconds, {rank: done[rank] / max(1, offered[rank]) for rank in Rank}


def test_at_three_times_the_load_nearly_as_much_is_served_in_time_as_at_best() -> None:
    best, _ = simulate(0.9, shedding=True)
    under_load, shares = simulate(3, shedding=True)
    assert under_load >= 0.8 * best
    assert shares[Rank.VITAL] > 0.95
    assert shares[Rank.REPORTS] < shares[Rank.CATALOGUE] < shares[Rank.CART] + 0.01
    assert simulate(3, shedding=False)[0] < 0.1 * best


async def test_the_lag_of_the_loop_is_seen() -> None:
    shedder = Shedder()
    watching = asyncio.ensure_future(shedder.watch())
    await asyncio.sleep(0.06)
    assert shedder.lag < 0.25  # a busy machine
    time.sleep(0.3)
    for _ in range(10):
        await asyncio.sleep(0)
        if shedder.lag > 0.1:
            break
    assert shedder.lag > 0.1
    for _ in range(100):
        await asyncio.sleep(0.02)
        if shedder.lag < 0.1:
            break
    assert shedder.lag < 0.1
    watching.cancel()
    await asyncio.wait([watching])
