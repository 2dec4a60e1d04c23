"""Keyed requests: one effect, equal answers (RELIABILITY 4.1)."""

import asyncio
import hashlib
from typing import Any
from uuid import uuid4

import asyncpg
import attrs
import pytest

from core.auth import Principal, Role
from core.errors import CONFLICT, UNAVAILABLE, Problem
from core.http.deadlines import Deadlines
from core.http.idempotency import BEGIN, FINISH, in_transaction, operation_of, settled
from core.http.idempotency import keyed as keyed_work
from core.http.routing import USER, Call, Encoded, Operation, Repeat, Reply, Route
from core.store.db import NotReached, RolledBack
from core.testing import Person
from core.types import SessionId, UserId
from tests.core.harness import Probe
from tests.core.http.probe import Search


def keyed(key: str) -> dict[str, str]:
    return {"X-Idempotency-Key": key}


async def add(probe: Probe, person: Person, name: str, key: str) -> tuple[int, object, bool]:
    answer = await probe.post("/probe/add", as_=person, json={"name": name}, headers=keyed(key))
    body = answer.json
    return (
        answer.status,
        body.get("data") or body["error"]["code"],
        answer.headers.get("X-Idempotent-Replayed") == "true",
    )


async def answered(probe: Probe, person: Person, name: str, key: str) -> tuple[int, object, bool]:
    """As the app asks: again, with the same key, while there is no room for it."""
    while (answer := await add(probe, person, name, key))[0] == UNAVAILABLE.status:
        await asyncio.sleep(0.1)
    return answer


async def test_a_repeat_gets_the_stored_answer(probe: Probe) -> None:
    person, name = probe.person(), uuid4().hex[:12]
    assert await add(probe, person, name, "1") == (201, {"text": f"{name} 1"}, False)
    assert await add(probe, person, name, "1") == (201, {"text": f"{name} 1"}, True)
    assert await add(probe, person, name, "2") == (201, {"text": f"{name} 2"}, False)


async def test_fifty_at_once_have_one_effect_and_equal_answers(probe: Probe) -> None:
    person, name = probe.person(), uuid4().hex[:12]
    answers = await asyncio.gather(*(answered(probe, person, name, "k") for _ in range(50)))
    assert {(status, str(data)) for status, data, _ in answers} == {(201, str({"text": f"{name} 1"}))}
    assert sum(not replayed for _, _, replayed in answers) == 1


async def test_two_people_may_use_one_key(probe: Probe) -> None:
    name = uuid4().hex[:12]
    assert (await add(probe, probe.person(), name, "1732262400000"))[1] == {"text": f"{name} 1"}
    assert (await add(probe, probe.person(), name, "1732262400000"))[1] == {"text": f"{name} 2"}


async def test_a_key_is_bound_to_what_was_asked(probe: Probe) -> None:
    person, name = probe.person(), uuid4().hex[:12]
    await add(probe, person, name, "1")
    assert await add(probe, person, name + "x", "1") == (422, "IDEMPOTENCY_KEY_REUSED", False)


async def test_a_refusal_is_not_kept(probe: Probe) -> None:
    person = probe.person()
    before = await probe.db.fetchval("SELECT count(*) FROM probes.rows")
    assert (await add(probe, person, "refused", "1"))[0] == 401
    assert await probe.db.fetchval("SELECT count(*) FROM probes.rows") == before
    assert (await add(probe, person, "refused", "1"))[2] is False


async def test_without_a_key_each_request_counts(probe: Probe) -> None:
    person, name = probe.person(), uuid4().hex[:12]
    for count in (1, 2):
        answer = await probe.post("/probe/add", as_=person, json={"name": name})
        assert answer.data == {"text": f"{name} {count}"}


async def test_a_replay_is_authorised_again(probe: Probe) -> None:
    person, name = probe.person(), uuid4().hex[:12]
    await add(probe, person, name, "1")
    other_session = attrs.evolve(person, token=probe.kernel.tokens.issue(person.user_id, uuid4(), "CUSTOMER"))
    assert (await add(probe, other_session, name, "1"))[2] is True
    probe.plugin.gate.ended.add(person.session_id)
    assert (await add(probe, person, name, "1"))[0] == 401


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256])
async def test_a_key_of_bad_form_is_400(probe: Probe, key: str) -> None:
    answer = await probe.post("/probe/add", as_=probe.person(), json={"name": "a"}, headers=keyed(key))
    assert (answer.status, answer.code) == (400, "VAL_001")


async def test_a_live_write_reads_the_session_in_its_own_transaction(probe: Probe) -> None:
    person, stranger = probe.person(), probe.person(Role.SUPPORT)
    probe.plugin.gate.ended.discard(person.session_id)
    assert (await probe.post("/probe/live", as_=person, body=b"")).data == {"text": str(person.user_id)}
    probe.plugin.gate.is_live = False
    ended = await probe.post("/probe/live", as_=person, body=b"")
    assert (ended.status, ended.code) == (401, "AUTH_004")
    probe.plugin.gate.is_live = True
    assert (await probe.post("/probe/live", as_=stranger, body=b"")).status == 200


def fingerprint(query: object, kind: type | None) -> bytes:
    route = Route(
        method="POST", path="/x", policy=USER, handler=work, answer=Search, summary="x", query=kind, repeat=Repeat.KEYED
    )
    who = Principal(user_id=UserId(uuid4()), session_id=SessionId(uuid4()), role=Role.CUSTOMER)
    call: Call[Any, Any] = Call(
        body=None, query=query, path={"a": "b"}, request_id="r", client="", user_agent="", if_match=None, principal=who
    )
    return operation_of(route, call, keyed("k"), {"c": 1}).fingerprint


async def work(_: object) -> None:
    """Nothing."""


def test_a_key_is_for_one_query_and_what_has_none_keeps_its_fingerprint() -> None:
    assert fingerprint(Search(page=1), Search) == fingerprint(Search(), Search)
    assert fingerprint(Search(page=1), Search) != fingerprint(Search(page=2), Search)
    assert fingerprint(None, None) == hashlib.sha256(b'[{"a":"b"},{"c":1}]').digest(), "stored by earlier releases"


class Broken:
    """The work of a keyed route whose connection breaks when its commit was sent."""

    def __init__(self, probe: Probe, *, committed: bool, problem: Problem) -> None:
        route = next(one for one in probe.app.routes if one.path == "/probe/add")
        self._work = keyed_work(route, probe.db, probe.plugin.gate)
        self._committed, self._problem = committed, problem

    async def __call__(self, call: Call[Any, Any]) -> object:
        if self._committed:
            await self._work(call)
        raise self._problem


def asked(probe: Probe, *, given: bool) -> Call[Any, Any]:
    person = probe.person()
    principal = probe.kernel.tokens.principal(f"Bearer {person.token}")
    body = type("Body", (), {"name": uuid4().hex[:12]})()
    call: Call[Any, Any] = Call(
        body=body, query=None, path={}, request_id="r", client="", user_agent="", if_match=None, principal=principal
    )
    call.claim(Operation(person.user_id, "POST /probe/add", uuid4().hex, given, b"f"))
    return call


@pytest.mark.parametrize("given", [True, False])
async def test_a_commit_whose_answer_was_lost_is_looked_up(probe: Probe, given: bool) -> None:
    call = asked(probe, given=given)
    reply = await settled(probe.db, Broken(probe, committed=True, problem=Problem(UNAVAILABLE)), Deadlines())(call)
    assert isinstance(reply, Reply)
    assert isinstance(reply.data, Encoded)
    assert (reply.status, reply.replayed, reply.data.json) == (201, given, b'{"text":"%b 1"}' % call.body.name.encode())


@pytest.mark.parametrize(("committed", "code"), [(False, UNAVAILABLE), (True, CONFLICT), (False, CONFLICT)])
async def test_what_was_not_done_stays_a_failure(probe: Probe, committed: bool, code: Any) -> None:
    work = Broken(probe, committed=committed, problem=Problem(code))
    with pytest.raises(Problem) as caught:
        await settled(probe.db, work, Deadlines())(asked(probe, given=True))
    assert caught.value.code is code


async def test_what_never_reached_the_database_is_not_looked_up(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.db, "transaction", None)
    work = Broken(probe, committed=False, problem=NotReached(UNAVAILABLE))
    with pytest.raises(NotReached):
        await settled(probe.db, work, Deadlines())(asked(probe, given=True))


async def test_the_lookup_waits_for_a_commit_that_is_still_under_way(probe: Probe) -> None:
    call = asked(probe, given=False)
    committing = asyncio.Event()

    async def slowly() -> None:
        o = call.operation
        async with probe.db.transaction() as tx:
            await tx.fetchrow(BEGIN, o.user_id, o.route, o.key, o.fingerprint)
            await tx.fetchval(FINISH, o.user_id, o.route, o.key, 201, "{}")
            committing.set()
            await asyncio.sleep(0.2)

    under_way = asyncio.ensure_future(slowly())
    await committing.wait()
    reply = await settled(probe.db, Broken(probe, committed=False, problem=Problem(UNAVAILABLE)), Deadlines())(call)
    await under_way
    assert isinstance(reply, Reply)
    assert reply.status == 201


SLOW_COMMIT = """
CREATE FUNCTION probes.slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON probes.rows DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION probes.slowly();
"""


@pytest.mark.parametrize("key", [{}, keyed("slow")], ids=["without a key", "keyed"])
async def test_a_deadline_that_ends_during_the_commit_leaves_nobody_in_doubt(probe: Probe, key: dict[str, str]) -> None:
    person, name = probe.person(), uuid4().hex[:12]
    admin = await asyncpg.connect(probe.db.pool.dsn)
    await admin.execute(SLOW_COMMIT)
    try:
        headers = {"X-Request-Timeout-Ms": "400", **key}
        answer = await probe.post("/probe/add", as_=person, json={"name": name}, headers=headers)
    finally:
        await admin.execute("DROP TRIGGER slowly ON probes.rows; DROP FUNCTION probes.slowly()")
        await admin.close()
    assert (answer.status, answer.data) == (201, {"text": f"{name} 1"})
    assert (answer.headers.get("X-Idempotent-Replayed") == "true") is bool(key)


@pytest.mark.parametrize("make", [keyed_work, in_transaction], ids=["keyed", "natural"])
async def test_what_postgresql_undid_is_done_again_from_the_session_on(probe: Probe, make: Any) -> None:
    call, tries = asked(probe, given=True), []

    async def handler(_: object) -> Reply:
        tries.append(call.tx)
        if len(tries) < 3:
            raise asyncpg.SerializationError("could not serialize access")
        return Reply(data=Encoded(b"{}"))

    route = attrs.evolve(next(one for one in probe.app.routes if one.path == "/probe/add"), handler=handler)
    reply = await make(route, probe.db, probe.plugin.gate)(call)
    assert reply.data.json == b"{}"
    assert len(set(tries)) == 3
    work = Broken(probe, committed=False, problem=RolledBack(UNAVAILABLE))
    with pytest.raises(RolledBack):
        await settled(probe.db, work, Deadlines())(call)
