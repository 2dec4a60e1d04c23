"""Deploys rehearsed for real: two colours behind HAProxy while customers buy."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.store.embedded import Servers
from tests.conftest import NewDatabase
from tests.ops.deploy.stage import BACK, Stage, opened, sign_in_tester

pytestmark = [pytest.mark.ops, pytest.mark.timeout(600)]
EXPAND = """-- phase: pre
ALTER TABLE carts.carts ADD COLUMN colour text;
CREATE TABLE carts.colours (id integer PRIMARY KEY);
"""
LATER = """-- phase: post
DROP TABLE carts.colours;
"""
SLY = """-- phase: pre
ALTER TABLE carts.carts DROP COLUMN updated_at;
"""
PLACE = '"""Place an order."""'
MINE = '''"""The caller's orders."""'''
NEVER_STARTS = ("core/serve.py", "    await app.start(_settle)\n", '    raise RuntimeError("a bad release")\n')
FAILS = ("plugins/order/routes.py", PLACE, f'{PLACE}\n        raise RuntimeError("a bad release")')
SLOW = ("plugins/order/routes.py", MINE, f'{MINE}\n        await __import__("asyncio").sleep(1.2)')


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Short, for sockets."""
    made = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
async def stage(folder: Path, new_database: NewDatabase, servers: Servers) -> AsyncIterator[Stage]:
    async with opened(folder, await new_database(), servers) as made:
        await sign_in_tester(made)
        yield made


def figures(text: str) -> None:
    """For the table of proofs."""
    print(f"figures: {text}")  # noqa: T201  that is where they are read


async def test_a_release_with_a_migration_comes_and_no_request_fails(stage: Stage) -> None:
    stage.settle(order=True)
    before = stage.live
    files = {"cart/migrations/0098_expand.sql": EXPAND, "cart/migrations/0099_later.sql": LATER}
    following = stage.made(migrations=files)
    async with stage.customers() as buying:
        planned = await stage.deploy("plan", following)
        assert "cart 0098_expand" in planned.said
        assert stage.live == before
        applied = await stage.deploy("apply", following)
        assert applied.code == 0, applied.said
        assert "placed and taken back" in applied.said
        switched = await stage.deploy("switch")
        assert switched.code == 0, switched.said
        assert stage.live != before
        assert await stage.share(before) == 0
        retired = await stage.deploy("retire")
        assert retired.code == 0, retired.said
        await asyncio.sleep(1)
    assert buying.failures == []
    assert buying.answered > 200
    assert not any(place.runs() for place in stage.target.places(before))
    figures(
        f"{buying.answered} requests, {buying.orders} orders, 0 failed, slowest {buying.slowest * 1000:.0f} ms; "
        f"apply {applied.seconds:.1f} s, switch {switched.seconds:.1f} s, retire {retired.seconds:.1f} s"
    )


async def test_a_release_that_does_not_start_gets_no_traffic(stage: Stage) -> None:
    stage.settle(order=True, start=12)
    async with stage.customers() as buying:
        ended = await stage.deploy("apply", stage.made(NEVER_STARTS))
    assert ended.code == 2
    assert "gets no traffic: ready" in ended.said
    assert await stage.share(stage.live) == 1
    assert buying.failures == []
    figures(f"refused after {ended.seconds:.1f} s; {buying.answered} requests meanwhile, 0 failed")


async def test_a_release_that_fails_orders_gets_no_traffic_where_the_smoke_test_may_order(stage: Stage) -> None:
    stage.settle(order=True)
    async with stage.customers() as buying:
        ended = await stage.deploy("apply", stage.made(FAILS))
    assert ended.code == 2
    assert "gets no traffic: smoke: an order at another price: POST /api/v1/orders answered 500" in ended.said
    assert await stage.share(stage.live) == 1
    assert buying.failures == []
    figures(f"refused after {ended.seconds:.1f} s; {buying.answered} requests meanwhile, 0 failed")


@pytest.mark.parametrize(("change", "why"), [(FAILS, "requests failed"), (SLOW, "p99 is")], ids=["fails", "slow"])
async def test_a_release_that_is_worse_is_rolled_back_by_itself(
    stage: Stage, change: tuple[str, str, str], why: str
) -> None:
    stage.settle(order=False)
    before = stage.live
    async with stage.customers() as buying:
        applied = await stage.deploy("apply", stage.made(change))
        assert applied.code == 0, applied.said
        switched = await stage.deploy("switch")
        told = len(buying.failures)
        await asyncio.sleep(3)
    assert switched.code == 2, switched.said
    assert why in switched.said
    assert stage.live == before
    assert await stage.share(before) == 1
    assert switched.seconds < BACK, switched.said
    assert len(buying.failures) == told, "requests failed after the rollback"
    figures(f"{why}: seen and back after {switched.seconds:.1f} s in all, {told} of {buying.answered + told} failed")


async def test_back_to_the_release_before_also_when_it_was_retired(stage: Stage) -> None:
    stage.settle(order=False)
    before = stage.live
    seconds = []
    async with stage.customers() as buying:
        for retire in (False, True):
            for words in (("apply", stage.made()), ("switch", "--share", "100"), *([("retire",)] if retire else [])):
                ended = await stage.deploy(*words)
                assert ended.code == 0, ended.said
            assert stage.live != before
            back = await stage.deploy("rollback")
            assert back.code == 0, back.said
            assert stage.live == before
            assert await stage.share(before) == 1
            seconds.append(float(back.said.partition("after ")[2].partition(" s")[0]))
    assert buying.failures == []
    assert max(seconds) < BACK
    figures(f"rollback {seconds[0]:.1f} s, {seconds[1]:.1f} s when it had to be started again; 0 requests failed")


async def test_a_tool_that_was_killed_between_steps_goes_on_where_it_stopped(stage: Stage) -> None:
    stage.settle(order=False)
    before, following = stage.live, stage.made()
    async with stage.customers() as buying:
        for step in ("migrate", "start", "ready", "smoke"):
            await stage.killed(rf"\] {step}:", "apply", following)
            assert await stage.share(before) == 1
        other = await stage.deploy("apply", stage.made())
        assert other.code == 1
        assert "is not over" in other.said
        applied = await stage.deploy("apply", following)
        assert applied.code == 0, applied.said
        assert "going on after migrate, start, ready" in applied.said
        for share in (10, 50):
            await stage.killed(f"switch: {share} %", "switch")
        switched = await stage.deploy("switch")
        assert switched.code == 0, switched.said
        assert "switch: 10 %" not in switched.said
        assert stage.live != before
        await stage.killed("all traffic is back", "rollback")
        assert await stage.share(before) == 1
        refused = await stage.deploy("switch")
        assert refused.code == 1, "its colour is being stopped"
        assert "half rolled back" in refused.said
        assert await stage.share(before) == 1
        for words in (("apply", following), ("switch", "--share", "100")):
            ended = await stage.deploy(*words)
            assert ended.code == 0, ended.said
        assert stage.live != before
        await stage.killed("retire:", "retire")
        assert (await stage.deploy("retire")).code == 0
    assert buying.failures == []
    running = [place.runs() for place in stage.target.places(before)]
    assert not any(running)
    figures(f"8 times killed with -9 and run again; {buying.answered} requests, 0 failed")


async def test_two_deploys_at_once_are_refused(stage: Stage) -> None:
    stage.settle(order=False)
    one = stage.made()
    first = asyncio.ensure_future(stage.deploy("apply", one))
    await asyncio.sleep(1.0)
    second = await stage.deploy("apply", one)
    assert (await first).code == 0
    assert second.code == 1
    assert "deploys right now" in second.said
    assert (await stage.deploy("rollback")).code == 0


async def test_a_migration_that_takes_something_away_is_refused_before_anything_happens(stage: Stage) -> None:
    stage.settle(order=False)
    sly = stage.made(migrations={"cart/migrations/0100_sly.sql": SLY})
    planned = await stage.deploy("plan", sly)
    applied = await stage.deploy("apply", sly)
    for ended in (planned, applied):
        assert ended.code == 2
        assert "not expand-only: cart 0100_sly drops a column" in ended.said
    assert await stage.share(stage.live) == 1
