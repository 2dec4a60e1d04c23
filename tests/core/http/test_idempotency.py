"""Keyed requests: one effect, equal answers (RELIABILITY 4.1)."""

import asyncio
from uuid import uuid4

import pytest

from tests.core.harness import Person, Probe


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


async def test_a_repeat_gets_the_stored_answer(probe: Probe) -> None:
    person, name = probe.person(), uuid4().hex[:12]
    assert await add(probe, person, name, "1") == (201, {"text": f"{name} 1"}, False)
    assert await add(probe, person, name, "1") == (201, {"text": f"{name} 1"}, True)
    assert await add(probe, person, name, "2") == (201, {"text": f"{name} 2"}, False)


async def test_fifty_at_once_have_one_effect_and_equal_answers(probe: Probe) -> None:
    person, name = probe.person(), uuid4().hex[:12]
    answers = await asyncio.gather(*(add(probe, person, name, "k") for _ in range(50)))
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
    other_session = Person(person.user_id, uuid4(), probe.kernel.tokens.issue(person.user_id, uuid4(), "CUSTOMER"))
    assert (await add(probe, other_session, name, "1"))[2] is True
    probe.plugin.gate.ended.add(person.session_id)
    assert (await add(probe, person, name, "1"))[0] == 401


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256])
async def test_a_key_of_bad_form_is_400(probe: Probe, key: str) -> None:
    answer = await probe.post("/probe/add", as_=probe.person(), json={"name": "a"}, headers=keyed(key))
    assert (answer.status, answer.code) == (400, "VAL_001")
