"""Encoded answers: kept while they are valid, told apart by query, answered 304."""

import pytest

from core.http import cached
from core.http.compile import Endpoint
from core.http.routing import PUBLIC, USER, Cache, Policy, Route
from tests.core.harness import Probe
from tests.core.http.probe_raw import Said


async def test_an_answer_is_computed_once_while_it_is_valid(probe: Probe) -> None:
    before = probe.plugin.computed
    answers = [await probe.get("/probe/cached?page=5") for _ in range(3)]
    assert probe.plugin.computed == before + 1
    assert {a.headers["ETag"] for a in answers} == {answers[0].headers["ETag"]}
    assert len({a.json["requestId"] for a in answers}) == 3
    assert answers[0].headers["Cache-Control"] == "public, max-age=30"


async def test_a_client_that_knows_the_answer_gets_304_until_it_changes(probe: Probe) -> None:
    etag = (await probe.get("/probe/cached?page=6")).headers["ETag"]
    known = await probe.get("/probe/cached?page=6", headers={"If-None-Match": etag})
    assert (known.status, known.body, known.headers["ETag"]) == (304, b"", etag)
    probe.plugin.version += 1
    changed = await probe.get("/probe/cached?page=6", headers={"If-None-Match": etag})
    assert (changed.status, changed.data["text"]) == (200, f"{probe.plugin.version} 6")


async def test_another_query_is_another_answer(probe: Probe) -> None:
    assert (await probe.get("/probe/cached?page=7")).data != (await probe.get("/probe/cached?page=8")).data


async def test_refusals_are_not_kept(probe: Probe) -> None:
    assert (await probe.get("/probe/cached?page=0")).status == 400
    assert (await probe.get("/probe/cached?page=0")).status == 400


async def test_a_client_that_varies_queries_without_end_does_not_fill_the_memory(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "MOST", 50)
    for n in range(60):
        assert (await probe.get(f"/probe/cached?x={n}")).status == 200
    assert len(probe.app.entry._memory) <= 50


async def test_large_answers_do_not_fill_the_memory_either(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = probe.app.entry._memory
    monkeypatch.setattr(cached, "MOST_BYTES", memory._bytes + 20_000)
    for n in range(100):
        assert (await probe.get(f"/probe/cached?large={n}")).status == 200
        assert memory._bytes <= cached.MOST_BYTES
    assert 0 < len(memory) < 100


async def test_what_the_memory_weighs_follows_what_is_in_it(probe: Probe) -> None:
    memory = probe.app.entry._memory
    for n in range(3):
        await probe.get(f"/probe/cached?weighed={n}")
    await probe.get("/probe/cached?weighed=0")
    probe.plugin.version += 1
    await probe.get("/probe/cached?weighed=0")
    assert memory._bytes == sum(cached._weight(target, kept) for target, kept in memory._kept.items())


@pytest.mark.parametrize(("method", "policy"), [("GET", USER), ("POST", PUBLIC)])
def test_only_public_reads_may_be_kept(probe: Probe, method: str, policy: Policy) -> None:
    route = Route(
        method=method,
        path="/probe/x",
        policy=policy,
        handler=probe.plugin.special,
        answer=Said,
        summary="x",
        cache=Cache(max_age=1),
    )
    with pytest.raises(ValueError, match="only public reads"):
        Endpoint(route, probe.app._pieces(), "x")
