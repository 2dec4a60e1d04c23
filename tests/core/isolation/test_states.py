"""Rows that all replicas share, and the feed by which each follows them."""

from collections.abc import AsyncIterator

import pytest

from core.isolation import states
from core.isolation.feed import Feed
from core.isolation.guards import Guards
from core.isolation.model import DISABLED, KERNEL, QUARANTINED
from core.settings import IsolationSettings
from core.store.db import Db
from core.tasks import Tasks
from tests.core.isolation.eventually import until

ASHA = "cli:asha@desk"


@pytest.fixture
async def db(kernel_db: Db) -> AsyncIterator[Db]:
    async with kernel_db.transaction() as tx:
        await tx.execute("DELETE FROM kernel.plugin_states")
    yield kernel_db
    async with kernel_db.transaction() as tx:
        await tx.execute("DELETE FROM kernel.plugin_states")


async def audited(db: Db) -> list[str]:
    rows = await db.fetch("SELECT action FROM kernel.audit WHERE subject = 'plugin:rogue' ORDER BY number DESC LIMIT 4")
    return [row["action"] for row in reversed(rows)]


def new_guards(poll: float = 0.02) -> Guards:
    return Guards(IsolationSettings(poll=poll, failures=1), ["rogue", "other"])


async def test_the_first_reason_is_the_one_that_stays(db: Db) -> None:
    async with db.transaction() as tx:
        assert await states.quarantine(tx, "rogue", "one", KERNEL)
        assert not await states.quarantine(tx, "rogue", "two", KERNEL)
    (state,) = (await states.listed(db)).values()
    assert (state.plugin, state.state, state.reason, state.by) == ("rogue", QUARANTINED, "one", KERNEL)
    assert state.since is not None


async def test_every_change_is_in_the_audit_log(db: Db) -> None:
    async with db.transaction() as tx:
        assert await states.quarantine(tx, "rogue", "one", KERNEL)
        assert await states.readmit(tx, "rogue", ASHA)
        assert not await states.readmit(tx, "rogue", ASHA)
        assert await states.disable(tx, "rogue", "tidying", ASHA)
        assert not await states.disable(tx, "rogue", "again", ASHA)
        assert await states.enable(tx, "rogue", ASHA)
        assert not await states.enable(tx, "rogue", ASHA)
    assert await audited(db) == [f"plugin.{act}" for act in ("quarantine", "readmit", "disable", "enable")]
    assert await states.listed(db) == {}


async def test_an_operator_overrules_a_quarantine_and_no_quarantine_an_operator(db: Db) -> None:
    async with db.transaction() as tx:
        await states.quarantine(tx, "rogue", "one", KERNEL)
        assert await states.disable(tx, "rogue", "tidying", ASHA)
        assert not await states.quarantine(tx, "rogue", "two", KERNEL)
        assert not await states.readmit(tx, "rogue", ASHA)
    assert (await states.listed(db))["rogue"].state == DISABLED


async def test_replicas_follow_each_other_and_a_readmission(db: Db) -> None:
    one, two, tasks = new_guards(), new_guards(), Tasks()
    first, second = Feed(db, one), Feed(db, two)
    async with first.serving(tasks), second.serving(tasks):
        one.failed("rogue", "GET /rogue", ValueError())
        assert not one.available("rogue")
        await until(lambda: not two.available("rogue"))
        assert two.aside["rogue"].reason == "GET /rogue: ValueError, 1 failures in a row"
        assert two.available("other")
        async with db.transaction() as tx:
            await states.readmit(tx, "rogue", ASHA)
        await until(lambda: one.available("rogue") and two.available("rogue"))
    assert await tasks.stop(1) == []


async def test_a_replica_that_starts_knows_it_from_the_beginning(db: Db) -> None:
    async with db.transaction() as tx:
        await states.disable(tx, "rogue", "tidying", ASHA)
    guards, tasks = new_guards(), Tasks()
    async with Feed(db, guards).serving(tasks):
        assert guards.aside["rogue"].state == DISABLED
    assert await tasks.stop(1) == []


async def test_what_was_found_out_before_there_was_a_database_is_written(db: Db) -> None:
    guards, tasks = new_guards(), Tasks()
    guards.lost("absent", "import: ModuleNotFoundError")
    async with Feed(db, guards).serving(tasks):
        assert (await states.listed(db))["absent"].reason == "import: ModuleNotFoundError"
    assert await tasks.stop(1) == []


async def test_without_the_database_it_keeps_to_what_it_knows_and_writes_it_later(db: Db) -> None:
    guards = new_guards()
    feed = Feed(db, guards)
    db.breaker.trip()
    guards.failed("rogue", "x", ValueError())
    await feed.turn()
    assert not guards.available("rogue")
    db.breaker._clear(0)
    db.breaker.state = type(db.breaker.state).CLOSED
    assert await states.listed(db) == {}
    await feed.turn()
    assert (await states.listed(db))["rogue"].reason.startswith("x: ValueError")
    assert not guards.available("rogue")


async def test_a_reason_may_hold_what_the_database_would_not_take(db: Db) -> None:
    guards = new_guards()
    guards.quarantine("rogue", "bad bytes: \0 \udc80.")
    feed = Feed(db, guards)
    await feed.turn()
    async with db.transaction() as tx:
        await states.disable(tx, "other", "\0", ASHA)
    assert [state.reason for state in (await states.listed(db)).values()] == ["", "bad bytes:  ?."]


async def test_a_quarantine_that_cannot_be_written_keeps_no_other_from_being(
    db: Db, caplog: pytest.LogCaptureFixture
) -> None:
    guards = new_guards()
    feed = Feed(db, guards)
    guards.lost("a\0name", "because")
    guards.quarantine("rogue", "because")
    await feed.turn()
    assert list(await states.listed(db)) == ["rogue"]
    assert set(guards.aside) == {"a\0name", "rogue"}
    assert "cannot be written" in caplog.text
