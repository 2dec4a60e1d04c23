"""`/metrics` as Prometheus reads it: every metric of the catalogue, of a real app on real stores."""

import asyncio
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import attrs
import pytest
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from core.app import App
from core.observe import queues
from core.observe.catalogue import METRICS, PREFIX
from core.observe.counts import Count
from core.settings import Secret, Settings
from core.types import uuid7
from tests.cable import Cable, socket_of, through
from tests.core.events.samples import ParcelArrived
from tests.core.harness import NewProbe, NewSettings, Probe, running
from tests.core.http.probe import ProbePlugin

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
async def probe(new_probe: NewProbe) -> AsyncIterator[Probe]:
    """Started once."""
    async with new_probe() as started:
        yield started


async def text_of(app: App, accept: str = "text/plain") -> str:
    shown = {"Authorization": f"Bearer {app.settings.operations.token.reveal()}", "Accept": accept}
    async with (
        aiohttp.ClientSession(app.operations.address) as client,
        client.get("/metrics", headers=shown) as got,
    ):
        assert got.status == 200
        return await got.text()


async def scraped(app: App) -> Mapping[str, Family]:
    return {family.name: family for family in text_string_to_metric_families(await text_of(app))}


def values(families: Mapping[str, Family], name: str) -> dict[tuple[str, ...], float]:
    """A metric's figures by the values of its labels, which the text has in the order of the alphabet."""
    family = families[(PREFIX + name).removesuffix("_total")]
    labels = next((metric.labels for metric in METRICS if metric.name == name), None)
    mine = [one for one in family.samples if one.name == PREFIX + name]
    return {tuple(one.labels[label] for label in labels or one.labels): one.value for one in mine}


async def test_every_metric_of_the_catalogue_is_told_as_declared(probe: Probe) -> None:
    await probe.get("/probe/boom")
    families = await scraped(probe.app)
    for metric in probe.app.figures.metrics:
        family = families[(PREFIX + metric.name).removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        assert family.samples, metric.name
        wanted = {*metric.labels, "le"} if metric.kind == "histogram" else {*metric.labels}
        assert {label for one in family.samples for label in one.labels} == wanted
    told = {name for name in families if name.startswith(PREFIX)}
    assert told == {(PREFIX + metric.name).removesuffix("_total") for metric in probe.app.figures.metrics}
    assert families["process_resident_memory_bytes"].samples


async def test_it_is_openmetrics_for_those_who_ask_for_that(probe: Probe) -> None:
    assert {family.name for family in openmetrics(await text_of(probe.app, OPENMETRICS))} >= {"vurksha_requests"}


async def test_no_label_holds_an_id_a_phone_or_a_value_of_a_path(probe: Probe) -> None:
    await probe.get(f"/probe/things/{uuid7()}")
    await probe.get("/probe/words/9876543210")
    await probe.get("/probe/nowhere/9876543210")
    text = await text_of(probe.app)
    assert not re.search(r"\d{10}", re.sub(r"\} \S+$| [\d.e+-]+$", "", text, flags=re.MULTILINE))
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", text)


async def test_requests_and_their_durations_are_told_by_route(probe: Probe) -> None:
    before = values(await scraped(probe.app), "requests_total")
    await probe.get("/probe/hello")
    families = await scraped(probe.app)
    after = values(families, "requests_total")
    key = ("probe", "GET /api/v1/probe/hello", "2xx")
    assert after[key] == before[key] + 1
    assert after["kernel", "-", "5xx"] == 0
    family = families["vurksha_request_seconds"]
    mine = [one for one in family.samples if one.labels["route"] == "GET /api/v1/probe/hello"]
    by_limit = {one.labels["le"]: one.value for one in mine if "le" in one.labels}
    assert (by_limit["+Inf"], len(by_limit)) == (after[key], 14)
    assert list(by_limit.values()) == sorted(by_limit.values())
    await probe.get("/probe/boom")
    assert values(await scraped(probe.app), "errors_total")["GET /api/v1/probe/boom", "SYS_001"] >= 1


async def test_what_was_never_counted_is_zero_from_the_start(new_probe: NewProbe) -> None:
    async with new_probe() as probe:
        families = await scraped(probe.app)
        assert values(families, "requests_total")["probe", "POST /api/v1/probe/add", "2xx"] == 0
        assert set(values(families, "errors_total").values()) == {0}
        assert values(families, "errors_total")["GET /api/v1/probe/boom", "SYS_001"] == 0, (
            "alerts see its first failure"
        )
        assert {key[0] for key in values(families, "requests_shed_total")} == {
            "reports", "catalogue", "own", "cart", "vital",
        }  # fmt: skip
        assert values(families, "breaker_opened_total") == {("postgres",): 0, ("postgres writes",): 0, ("redis",): 0}
        assert values(families, "events_handled_total")["probe.ears", "dead"] == 0
        assert values(families, "dead_letters") == {("probe.ears",): 0, ("-",): 0}
        assert values(families, "inbox_oldest_seconds") == {("probe.ears",): 0}
        assert values(families, "plugin_up") == {("probe",): 1}
        assert values(families, "probe_arrivals_total") == {("small",): 0, ("large",): 0}
        assert values(families, "job_last_success_seconds")["privacy.erase",] in (0, pytest.approx(time.time(), abs=60))


async def test_a_route_that_two_plugins_declared_is_told_once(new_probe: NewProbe) -> None:
    async with new_probe() as probe:
        probe.app.meter.route("left out", "GET /api/v1/probe/boom")
        await probe.get("/probe/boom")
        lines = [line for line in (await text_of(probe.app)).splitlines() if line.startswith("vurksha_errors_total")]
        mine = [line for line in lines if "boom" in line and "SYS_001" in line]
        assert [line.split()[-1] for line in mine] == ["1.0"]


async def test_events_jobs_pool_and_cache_are_told(probe: Probe) -> None:
    await probe.announce(ParcelArrived(parcel_id=uuid7()))
    for _ in range(2):
        await probe.get("/probe/cached")
    async with asyncio.timeout(20):
        while not probe.app.jobs.runs["probe.tick"]:
            await asyncio.sleep(0.05)
    families = await scraped(probe.app)
    assert values(families, "events_emitted_total")["parcel.arrived",] >= 1
    assert values(families, "events_handled_total")["probe.ears", "ok"] >= 1
    assert values(families, "probe_arrivals_total")["large",] >= 1
    assert values(families, "job_runs_total")["probe.tick", "ok"] >= 1
    assert abs(values(families, "job_last_success_seconds")["probe.tick",] - time.time()) < 60
    assert values(families, "job_every_seconds")["probe.tick",] == 0.05
    pool = values(families, "pool_connections")
    assert pool["postgres", "idle"] + pool["postgres", "busy"] == probe.app.db.pool.opened
    assert values(families, "cache_reads_total")["answers", "hit"] >= 1
    assert values(families, "db_statements_total")["probe",] > 0
    assert (values(families, "ready")[()], values(families, "replicas")[()]) == (1, 1)
    assert set(values(families, "unready").values()) == {0}


async def test_queues_are_counted_and_their_age_told(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "EVERY", 0.0)
    await probe.db.fetch(
        """INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id,
            payload, metadata, occurred_at, received_at, state, next_attempt_at)
        SELECT c, gen_random_uuid(), 1, 't', 1, 'p', '1', '{}', '{}', now(), now() - interval '90 s', s,
            now() + interval '1 hour' FROM (VALUES ('gone.ears', 'waiting'), ('gone.ears', 'dead')) AS v (c, s)"""
    )
    families = await scraped(probe.app)
    assert values(families, "inbox_rows")["gone.ears",] == 1
    assert 90 <= values(families, "inbox_oldest_seconds")["gone.ears",] < 300
    assert values(families, "dead_letters")["gone.ears",] == 1
    assert values(families, "outbox_oldest_seconds")[()] < 60


async def test_the_database_is_asked_at_most_every_few_seconds(probe: Probe) -> None:
    await scraped(probe.app)
    found = probe.app.figures.queues.found
    await scraped(probe.app)
    assert found is not None
    assert probe.app.figures.queues.found is found


async def test_why_a_replica_is_unready_is_a_word_of_a_fixed_set(probe: Probe) -> None:
    probe.app.health.because("start", "agreement: unlike 2 of release 0.1.0 in plugins (order)")
    families = await scraped(probe.app)
    assert {key[0]: value for key, value in values(families, "unready").items() if value} == {"agreement": 1}
    assert values(families, "ready")[()] == 0
    probe.app.health.because("start")


async def test_a_breaker_and_a_plugin_put_aside_show(probe: Probe) -> None:
    probe.app.redis.breaker.trip()
    families = await scraped(probe.app)
    assert values(families, "breaker_state")["redis",] == 2
    assert values(families, "breaker_opened_total")["redis",] >= 1


@pytest.fixture
async def cabled(new_settings: NewSettings) -> AsyncIterator[tuple[Settings, Cable]]:
    """Settings that lead to the database by a way that can be cut."""
    settings = await new_settings()
    assert settings.postgres.url is not None
    url = settings.postgres.url.reveal()
    database = socket_of(url)
    if database is None:
        pytest.skip("the store was given by address; only a unix socket can be cut here")
    folder = Path(tempfile.mkdtemp(prefix="vurksha-cable-", dir="/tmp"))
    async with Cable(folder / ".s.PGSQL.5432", database) as cable:
        way = Secret(through(url, folder / ".s.PGSQL.5432"))
        yield attrs.evolve(settings, postgres=attrs.evolve(settings.postgres, url=way)), cable
    shutil.rmtree(folder)


async def test_a_database_that_hangs_holds_no_scrape_up(
    cabled: tuple[Settings, Cable], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, cable = cabled
    monkeypatch.setattr(queues, "EVERY", 0.0)
    plugin = ProbePlugin()
    async with running(App(settings, [plugin]), plugin) as probe:
        assert values(await scraped(probe.app), "outbox_rows") == {(): 0}
        cable.hang()
        began = time.monotonic()
        families = await scraped(probe.app)
        assert time.monotonic() - began < queues.LIMIT + 3
        assert values(families, "outbox_rows") == {(): 0}, "as last read"
        monkeypatch.setattr(queues, "STALE", 0.0)
        assert values(await scraped(probe.app), "outbox_rows") == {}, "nobody knows is not nothing"
        cable.flow()


def test_a_count_takes_no_label_that_was_not_declared() -> None:
    count = Count("probe_x_total", "x", size=("small",), kind=lambda: ("a", "b"))
    count.add("small", "a")
    count.open()
    count.add("9876543210", "b", by=3)
    assert count.values == {("small", "a"): 1, ("small", "b"): 0, ("other", "b"): 3}


def test_names_are_those_of_prometheus() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"[a-z][a-z_]*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.meaning[0].isupper() or metric.meaning[0].isdigit()
