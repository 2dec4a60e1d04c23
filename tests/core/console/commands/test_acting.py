"""What is changed: said before it is done, done with --yes, and audited with who and why."""

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

import pytest

from core.audit import Acting
from core.auth import Role
from core.isolation import states
from core.session_book import SESSION_BOOK, OpenSession, Whose
from core.types import utc_now, uuid7
from tests.core.console.conftest import WHO, WHY, Talk, noted, serving, talking
from tests.core.harness import NewSettings

BY = f"console:{WHO}"
DEAD = """
INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at, state, attempts, last_error)
VALUES ('probe.ears', $1, 77, 'parcel.lost', 1, 'parcel', '1', '{"phone": "9876543210"}', '{}', $2, 'dead', 6, 'Oops')
"""


async def test_log_levels_last_as_long_as_the_console(new_settings: NewSettings) -> None:
    logger = logging.getLogger("core.redis")
    was = logger.level
    async with serving(await new_settings()) as probe:
        async with talking(probe) as talk:
            assert "core" in await talk.says("loglevel")
            assert "core.redis: DEBUG until this console closes" in await talk.says("loglevel debug core.redis")
            assert logger.level == logging.DEBUG
            assert "core.redis  DEBUG" in await talk.says("loglevel")
            assert "core, plugins: ERROR" in await talk.says("loglevel ERROR")
            for wrong in ("aiohttp", "root", "core.ghost"):
                assert f"there is no logger {wrong} of ours" in await talk.complains(f"loglevel DEBUG {wrong}")
        assert logger.level == was
        assert logging.getLogger("core").level == logging.NOTSET
        acts = [(actor, act, details) for actor, act, _, details in await noted(probe, 4)]
        assert acts[1] == (BY, "log.level", {"reason": WHY, "level": "DEBUG", "loggers": ["core.redis"]})


async def test_draining_is_said_done_and_audited(new_settings: NewSettings) -> None:
    async with serving(await new_settings()) as probe, talking(probe) as talk:
        assert "Nothing was changed: add --yes" in await talk.says("drain")
        assert (await probe.get("/health/ready")).status == 200
        assert "unready from now on" in await talk.says("drain --yes")
        assert (await probe.get("/health/ready")).json["reasons"] == ["draining"]
        assert (await probe.get("/probe/hello")).status == 200
        assert "already" in await talk.says("drain --yes")
        actor, act, subject, details = (await noted(probe, 1))[0]
        assert (actor, act, details) == (BY, "replica.drain", {"reason": WHY})
        assert subject == probe.app.console.subject


async def test_a_plugin_is_put_aside_and_taken_back(new_settings: NewSettings) -> None:
    async with serving(await new_settings(isolation={"poll": 0.1})) as probe, talking(probe) as talk:
        await put_aside_and_taken_back(talk)


async def put_aside_and_taken_back(talk: Talk) -> None:
    probe = talk.probe
    assert await talk.says("quarantine") == "nobody is put aside\n"
    said = await talk.says("quarantine gift")
    assert "Without gift" in said
    assert "GET /gifts" in said
    assert "Nothing was changed" in said
    assert "quarantined here" in await talk.says("quarantine gift --reason 'it is odd' --yes")
    async with asyncio.timeout(20):
        while not await states.listed(probe.app.db):
            await asyncio.sleep(0.05)
    assert (await probe.get("/gifts")).status == 503
    assert "put aside already" in await talk.says("quarantine gift --yes")
    assert "gift    quarantined" in await talk.says("quarantine")
    assert "quarantined" in await talk.says("plugins")
    assert "Nothing was changed" in await talk.says("quarantine gift --end")
    assert "used again" in await talk.says("quarantine gift --end --yes")
    acts = [(actor, act, details["reason"]) for actor, act, _, details in await noted(probe, 2)]
    assert acts == [(BY, "plugin.quarantine", "it is odd"), (BY, "plugin.readmit", WHY)]


async def test_who_is_required_or_unknown_is_not_put_aside(talk: Talk) -> None:
    assert "probe is required" in await talk.complains("quarantine probe --yes")
    assert "there is no plugin ghost" in await talk.complains("quarantine ghost --yes")
    assert "neither disabled nor quarantined" in await talk.complains("quarantine gift --end --yes")
    assert "probe is required" in await talk.complains("plugins disable probe --yes")


async def test_dead_letters_are_listed_shown_masked_and_replayed(talk: Talk) -> None:
    db, event = talk.probe.app.db, uuid7()
    async with db.transaction() as tx:
        await tx.execute(DEAD, event, utc_now())
    assert "parcel.lost" in await talk.says("dlq")
    shown = await talk.says(f"dlq show {event}")
    assert "9876543210" not in shown
    assert "Nothing was done: add --yes" in await talk.says(f"dlq replay {event}")
    assert "1 dead letter will be delivered again" in await talk.says(f"dlq replay {event} --yes")
    actor, act, _, details = (await noted(talk.probe, 1))[0]
    assert (actor, act, details["reason"], details["count"]) == (BY, "dlq.replay", WHY, 1)
    assert "no dead letter has that id" in await talk.complains(f"dlq replay {uuid7()} --yes")
    assert "waiting" in await talk.says("outbox")


async def test_sessions_without_one_who_tells(talk: Talk) -> None:
    assert "no plugin tells of sessions here" in await talk.complains("sessions 9876543210")


class Book:
    """An account with a session that goes on, and one that is over."""

    def __init__(self, user: UUID, *, active: bool) -> None:
        self._user, self._active = user, active

    async def sessions_of(self, user: str) -> Whose | None:
        if user == "nobody":
            return None
        now, ids = utc_now(), (uuid7(), uuid7())
        listed = [
            OpenSession(
                id=one, device=device, began=now - timedelta(days=2), used=now, until=now + timedelta(days=days)
            )
            for one, device, days in zip(ids, ("android", ""), (7, -1), strict=True)
        ]
        return Whose(user_id=UUID(user), role=Role.ADMIN, active=self._active, sessions=listed if self._active else [])


async def test_sessions_of_a_user_are_told_and_that_somebody_looked(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = uuid7()
    monkeypatch.setitem(talk.probe.app.kernel.services._known, SESSION_BOOK, Book(user, active=True))
    said = await talk.says(f"sessions {user}")
    assert said.startswith(f"account {user}, ADMIN\n")
    assert [row.split()[1:] for row in said.splitlines()[2:]] == [
        ["android", "2d", "ago", "0s", "ago", "6d"], ["-", "2d", "ago", "0s", "ago", "over"],
    ]  # fmt: skip
    assert (await noted(talk.probe, 1))[0] == (BY, "sessions.look", f"account:{user}", {"reason": WHY, "open": 2})
    assert "nobody has that id or phone" in await talk.complains("sessions nobody")
    assert "say a user's id, or a phone" in await talk.complains("sessions what")
    monkeypatch.setitem(talk.probe.app.kernel.services._known, SESSION_BOOK, Book(user, active=False))
    assert f"account {user}, ADMIN, closed\nno open session\n" == await talk.says(f"sessions {user}")


async def test_an_act_waits_for_the_audit_log(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, db = talk.probe.app.console.ledger, talk.probe.app.db
    monkeypatch.setattr("core.console.ledger.AGAIN", 0.0)
    db.writes.trip(seen=False)
    assert not await ledger.note("replica.test", "replica:one", Acting(BY, WHY), count=1)
    assert ledger.waiting == 1
    db.writes._until = 0.0
    assert await ledger.settle()
    assert ledger.waiting == 0
    _, act, _, details = (await noted(talk.probe, 1))[0]
    assert act == "replica.test"
    assert details.keys() == {"reason", "count", "at"}
