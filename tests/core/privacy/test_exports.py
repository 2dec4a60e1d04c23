"""Copies for their owners: asked for once a day, made by any replica, kept a week."""

import asyncio

import orjson
import pytest

from core.isolation.guards import Guards
from core.privacy.exports import KEPT, Exports
from core.settings import IsolationSettings
from core.store.db import Db, Tx
from core.types import UserId, uuid7
from tests.core.privacy.domains import Domain, fill, privacy

exports = Exports()
AGE = """
UPDATE kernel.exports
SET requested_at = requested_at - interval '25 hours', expires_at = expires_at - interval '25 hours'
WHERE user_id = $1 RETURNING id
"""
OLD = "UPDATE kernel.exports SET expires_at = now() WHERE user_id = $1 RETURNING id"
DUE = "UPDATE kernel.exports SET next_attempt_at = now() WHERE user_id = $1 RETURNING id"


async def request(db: Db, user: UserId) -> object:
    async with db.transaction() as tx:
        return await exports.request(tx, user)


async def test_a_copy_has_a_part_of_each_domain_and_nothing_of_others(db: Db) -> None:
    user, other = UserId(uuid7()), UserId(uuid7())
    await fill(db, user, base=2, top=3)
    await fill(db, other, base=9)
    await request(db, user)
    await privacy(db, Domain("base"), Domain("top")).export_due()
    latest = await exports.latest(db, user)
    assert latest is not None
    assert latest.ready_at is not None
    assert latest.expires_at == latest.ready_at + KEPT
    found = await exports.find(db, user, latest.id)
    assert found is not None
    document = orjson.loads(found[1] or "")
    assert (document.pop("format"), document.pop("userId")) == ("vurksha-personal-data/1", str(user))
    assert document.pop("madeAt").endswith("Z")
    assert document == {"kernel": {}, "base": {"rows": 2}, "top": {"rows": 3}}
    assert await exports.find(db, other, latest.id) is None, "another's copy is not there"


async def test_asking_twice_within_a_day_is_asking_once(db: Db) -> None:
    user = UserId(uuid7())
    assert len({str(one) for one in await asyncio.gather(*(request(db, user) for _ in range(6)))}) == 1
    await privacy(db, Domain("base")).export_due()
    first = await exports.latest(db, user)
    assert await request(db, user) == first
    await db.command(AGE, user)
    assert await request(db, user) != first


async def test_a_copy_is_gone_after_a_week(db: Db) -> None:
    user, worker = UserId(uuid7()), privacy(db, Domain("base"))
    await request(db, user)
    await worker.export_due()
    latest = await exports.latest(db, user)
    assert latest is not None
    await db.command(AGE, user)
    await db.command(OLD, user)
    assert await exports.latest(db, user) is None
    assert await exports.find(db, user, latest.id) is None
    await worker.export_due()
    assert await db.fetchval("SELECT count(*) FROM kernel.exports") == 0


async def test_a_copy_that_failed_is_tried_again_and_holds_up_no_other(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    ill, well, domain, faulty = UserId(uuid7()), UserId(uuid7()), Domain("base"), True
    export = domain.export

    async def broken(tx: Tx, user_id: UserId) -> dict[str, str]:
        if faulty and user_id == ill:
            raise LookupError(str(user_id))
        return await export(tx, user_id)

    monkeypatch.setattr(Domain, "export", lambda _, tx, user: broken(tx, user))
    await request(db, ill)
    await request(db, well)
    worker = privacy(db, domain)
    await worker.export_due()
    assert [bool(one and one.ready_at) for one in (await exports.latest(db, ill), await exports.latest(db, well))] == [
        False,
        True,
    ]
    faulty = False
    await db.command(DUE, ill)
    await worker.export_due()
    latest = await exports.latest(db, ill)
    assert latest is not None
    assert latest.ready_at is not None


class Rubbish(Domain):
    """Says what is no JSON."""

    async def export(self, _: Tx, __: UserId) -> dict[str, str]:
        """Half an object."""
        return {"rows": "{"}


@pytest.mark.parametrize(
    ("gift", "aside", "kind"),
    [
        (Domain("gift", broken=True), False, "Fault"),
        (Rubbish("gift"), False, "JSONDecodeError"),
        (Domain("gift"), True, "PutAside"),
    ],
)
async def test_a_copy_waits_for_all_owners_and_the_log_names_who_is_missing(
    db: Db, caplog: pytest.LogCaptureFixture, gift: Domain, aside: bool, kind: str
) -> None:
    user, guards = UserId(uuid7()), Guards(IsolationSettings(), ["gift"])
    if aside:
        guards.quarantine("gift", "for a test")
    await request(db, user)
    await privacy(db, Domain("base"), gift, guards=guards).export_due()
    latest = await exports.latest(db, user)
    assert latest is not None
    assert latest.ready_at is None
    assert caplog.text.rstrip().endswith(f"failed: gift: {kind}")


async def test_a_copy_waits_for_plugins_that_cannot_be_loaded(db: Db, caplog: pytest.LogCaptureFixture) -> None:
    user, worker = UserId(uuid7()), privacy(db, Domain("base"))
    worker._plugins.left_out |= {"gift": "cannot be imported", "coupon": "requires gift, which was left out"}
    await request(db, user)
    await worker.export_due()
    latest = await exports.latest(db, user)
    assert latest is not None
    assert latest.ready_at is None
    assert caplog.text.rstrip().endswith("failed: coupon: left out, gift: left out")
    worker._plugins.left_out.clear()
    await db.command(DUE, user)
    await worker.export_due()
    latest = await exports.latest(db, user)
    assert latest is not None
    assert latest.ready_at is not None


async def test_a_copy_whose_owner_was_erased_meanwhile_stays_away(db: Db) -> None:
    user = UserId(uuid7())
    await request(db, user)
    async with db.transaction() as tx:
        claimed = await exports.claim(tx)
    assert claimed is not None
    await db.fetch("DELETE FROM kernel.exports RETURNING id")
    async with db.transaction() as tx:
        await exports.ready(tx, claimed[0], "{}")
    assert await db.fetchval("SELECT count(*) FROM kernel.exports") == 0
