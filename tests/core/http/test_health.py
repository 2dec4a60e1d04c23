"""What the replica says of itself: from memory, whatever is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import pytest

from core.http import health as module
from core.http.envelope import Clockwork
from core.http.health import Health, HealthCheck, HealthEndpoint, path_items
from core.store.pool import PoolTimeout
from tests.core.harness import Probe


async def well() -> None:
    pass


async def ill() -> None:
    raise ConnectionRefusedError("10.0.0.7 is secret")


async def hung() -> None:
    await asyncio.Event().wait()


def ready(**checks: Callable[[], Awaitable[object]]) -> Health:
    health = Health([HealthCheck(name=name, check=check) for name, check in checks.items()], "1.2.3")
    health.reasons.clear()
    return health


async def test_a_replica_starts_unready() -> None:
    health = Health([], "1.2.3")
    assert (health.ready, health.report()["status"], health.report()["reasons"]) == (False, "unhealthy", ["starting"])


async def test_a_dependency_that_is_down_degrades_and_never_makes_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_LIMIT", 0.05)
    health = ready(good=well, bad=ill, hung=hung)
    began = time.monotonic()
    await health.probe()
    assert time.monotonic() - began < 0.5
    report = health.report()
    assert (health.ready, report["status"], report["version"]) == (True, "degraded", "1.2.3")
    dependencies = report["dependencies"]
    assert isinstance(dependencies, dict)
    assert {name: one["status"] for name, one in dependencies.items()} == {"good": "up", "bad": "down", "hung": "down"}
    assert dependencies["hung"]["latencyMs"] >= 50
    assert "secret" not in str(report)


async def test_all_is_well_when_every_check_is() -> None:
    health = ready(good=well)
    assert health.report()["status"] == "degraded"  # not asked yet
    await health.probe()
    assert health.report()["status"] == "healthy"


@pytest.mark.parametrize(
    ("seconds", "is_ready"), [(0.0, True), (4.9, True), (-4.9, True), (5.1, False), (-60.0, False)]
)
async def test_a_clock_that_is_off_makes_unready_until_it_is_right(seconds: float, is_ready: bool) -> None:
    health = ready()
    health.skew(seconds)
    assert health.ready is is_ready
    assert health.report()["reasons"] == ([] if is_ready else ["clock"])
    health.skew(0)
    assert health.ready


@pytest.mark.parametrize(
    ("reason", "check", "expected"),
    [
        ("", well, {"": (200, "healthy"), "live": (200, "ok"), "ready": (200, "ready")}),
        ("", ill, {"": (200, "degraded"), "live": (200, "ok"), "ready": (200, "degraded")}),
        ("draining", well, {"": (200, "unhealthy"), "live": (200, "ok"), "ready": (503, "not_ready")}),
    ],
)
async def test_the_three_pages(
    probe: Probe, reason: str, check: object, expected: dict[str, tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    health = ready(one=check)
    health.reasons |= {reason} - {""}
    await health.probe()
    for name in ("outcomes", "reasons"):
        monkeypatch.setattr(probe.app.health, name, getattr(health, name))
    monkeypatch.setattr(probe.app.health, "_checks", health._checks)
    for page, (status, word) in expected.items():
        answer = await probe.get(f"/health/{page}".rstrip("/"))
        assert (answer.status, answer.json["status"]) == (status, word)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json["timestamp"].endswith("Z")
        assert page == "live" or answer.json["reasons"] == ([reason] if reason else [])


async def test_health_is_served_while_everything_hangs(probe: Probe) -> None:
    held = []
    with suppress(PoolTimeout):
        while True:
            held.append(await probe.db.pool.acquire(0.1))
    assert held
    began = time.monotonic()
    assert (await probe.get("/health/live")).status == 200
    assert (await probe.get("/health/ready")).status == 200
    assert time.monotonic() - began < 0.2
    for connection in held:
        probe.db.pool.release(connection)


async def test_a_request_id_is_given_back() -> None:
    class Asked:
        method, target, client = "GET", "/health", "1.2.3.4"
        headers: Mapping[str, str] = {"X-Request-ID": "mine-1"}

        async def read(self, limit: int) -> bytes:
            return b""

    raw = await HealthEndpoint("health", ready(), Clockwork()).serve(Asked(), {})
    assert b"X-Request-Id: mine-1\r\n" in raw


def test_the_pages_are_documented() -> None:
    assert set(path_items()) == {"/health", "/health/live", "/health/ready"}


@pytest.mark.parametrize("vital", [True, False])
@pytest.mark.parametrize("elsewhere", [True, False])
async def test_only_what_all_lean_on_and_a_peer_reaches_makes_unready(
    vital: bool, elsewhere: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CUT_OFF_AFTER", 0.05)
    works = False

    async def check() -> None:
        if not works:
            raise OSError

    health = Health([HealthCheck(name="store", check=check, vital=vital)], "1.2.3", lambda _: elsewhere)
    health.reasons.clear()
    await health.probe()
    assert health.ready, "not at once"
    await asyncio.sleep(0.06)
    await health.probe()
    assert health.ready is not (vital and elsewhere)
    assert health.reasons == ({"cut off from store"} if vital and elsewhere else set())
    works = True
    await health.probe()
    assert health.ready
    assert ("no longer cut off from store" in caplog.text) is (vital and elsewhere)


async def test_a_check_may_take_as_long_as_it_says() -> None:
    async def slow() -> None:
        await asyncio.sleep(0.3)

    health = Health([HealthCheck(name="slow", check=slow, limit=5.0), HealthCheck(name="late", check=slow)], "1.2.3")
    await health.probe()
    assert {name: outcome.up for name, outcome in health.outcomes.items()} == {"slow": True, "late": False}
