"""Routes for other systems' notices: the bytes as they were sent, with a bound and a rate of their own."""

import asyncio

import attrs
import pytest

from core.http.compile import Endpoint
from core.http.routing import USER, Repeat, Route
from tests.core.harness import Probe
from tests.core.http.probe import Echo
from tests.core.http.probe_raw import RAW


async def test_the_handler_gets_the_bytes_and_the_headers(probe: Probe) -> None:
    answer = await probe.post("/probe/raw", body=b'{"a":  1,"a":2}', headers={"X-Proof": "abc"})
    assert answer.status == 200, answer
    assert answer.data["text"] == """b'{"a":  1,"a":2}' abc"""


async def test_the_body_need_not_be_what_it_is_said_to_be(probe: Probe) -> None:
    headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    assert (await probe.post("/probe/raw", body=b"\x00\xff", headers=headers)).data["text"] == r"b'\x00\xff' None"


async def test_a_body_beyond_the_route_s_own_bound_is_refused(probe: Probe) -> None:
    await asyncio.sleep(1)  # the rate of the probe's route is low
    assert (await probe.post("/probe/raw", body=b"x" * 100)).status == 200
    assert (await probe.post("/probe/raw", body=b"x" * 101)).code == "PAYLOAD_TOO_LARGE"


async def test_its_rate_is_its_own(probe: Probe) -> None:
    statuses = [(await probe.post("/probe/raw", body=b"")).status for _ in range(10)]
    assert 429 in statuses
    assert (await probe.get("/probe/hello")).status == 200


@pytest.mark.parametrize(
    "wrong",
    [attrs.evolve(RAW, policy=USER), attrs.evolve(RAW, body=Echo), attrs.evolve(RAW, repeat=Repeat.SAFE)],
    ids=["not public", "with a body class", "only reads"],
)
async def test_raw_bytes_are_for_public_writes_alone(probe: Probe, wrong: Route) -> None:
    with pytest.raises(ValueError, match="raw bytes"):
        Endpoint(wrong, probe.app._pieces(), "POST /raw")


async def test_the_document_says_that_there_is_a_body(probe: Probe) -> None:
    paths = (await probe.get("/openapi.json")).json["paths"]
    assert paths["/api/v1/probe/raw"]["post"]["requestBody"]["required"] is True
    assert "413" in paths["/api/v1/probe/raw"]["post"]["responses"]
