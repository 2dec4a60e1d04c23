"""Requests are counted by route, duration and outcome, whatever answered them."""

import asyncio

import pytest

from core.app import App
from core.observe.meter import BOUNDS, Meter, Tally, quantile
from tests.core.harness import NewProbe, Probe


def tally(app: App, route: str) -> Tally:
    app.log.flush()
    return next(one for one in app.meter.tallies if one.route == route)


@pytest.mark.parametrize(
    ("seconds", "place"), [(0.0, 0), (0.001, 0), (0.0011, 1), (5.0, len(BOUNDS) - 1), (5.1, len(BOUNDS))], ids=str
)
def test_a_duration_falls_into_the_first_bucket_that_holds_it(seconds: float, place: int) -> None:
    one = Tally("p", "GET /x")
    one.count(seconds, 200, "")
    assert [index for index, count in enumerate(one.buckets) if count] == [place]
    assert (one.requests, one.seconds, one.statuses[2], one.codes) == (1, seconds, 1, {"SYS_001": 0})


def test_a_quantile_is_reckoned_as_prometheus_does() -> None:
    one = Tally("p", "GET /x")
    assert quantile(one.buckets, 0.99) == 0
    for seconds in (0.0005, 0.0005, 0.002, 0.002):
        one.count(seconds, 200, "")
    assert quantile(one.buckets, 0.5) == 0.001
    assert quantile(one.buckets, 0.75) == pytest.approx(0.00175)
    one.count(60, 200, "")
    assert quantile(one.buckets, 0.99) == BOUNDS[-1]


def test_a_route_has_one_tally_whoever_asks_for_it() -> None:
    meter = Meter()
    assert meter.route("p", "GET /x") is meter.route("p", "GET /x")
    assert meter.route("p", "GET /x") is not meter.route("q", "GET /x")
    assert [(one.plugin, one.route) for one in meter.tallies] == [("kernel", "-"), ("p", "GET /x"), ("q", "GET /x")]


async def test_every_kind_of_answer_is_counted(new_probe: NewProbe) -> None:
    async with new_probe() as probe:
        await _ask_all(probe)
        app = probe.app
        hello = tally(app, "GET /api/v1/probe/hello")
        assert (hello.plugin, hello.statuses[2]) == ("probe", 1)
        assert (sum(hello.buckets), hello.seconds > 0) == (1, True)
        cached = tally(app, "GET /api/v1/probe/cached")
        assert (cached.statuses[2], cached.statuses[3]) == (2, 1), "the second and third came from memory"
        assert tally(app, "GET /api/v1/probe/boom").codes == {"SYS_001": 1}
        nowhere = tally(app, "-")
        assert nowhere.codes == {"SYS_001": 0, "RES_001": 1, "METHOD_NOT_ALLOWED": 1, "VAL_004": 1}
        assert nowhere.statuses == [0, 0, 1, 0, 3, 0], "and a preflight"
        assert not [one for one in app.meter.tallies if "health" in one.route]


async def _ask_all(probe: Probe) -> None:
    await probe.get("/probe/hello")
    first = await probe.get("/probe/cached")
    await probe.get("/probe/cached")
    await probe.get("/probe/cached", headers={"If-None-Match": first.headers["ETag"]})
    await probe.get("/probe/boom")
    await probe.get("/nowhere")
    await probe.delete("/probe/hello")
    await probe.request("OPTIONS", "/probe/hello")
    await probe.get("/health/live")
    host, port = probe.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"no http at all\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
