"""Traces as a replica's settings have them."""

from pathlib import Path

import attrs
import pytest

from core.observe import tracing
from core.observe.tracing import Tracer
from core.observe.tracing_export import Exporter, Traces
from core.settings import BadSettings, Settings, TracingSettings
from tests.core.harness import settings_of
from tests.core.observe.tracing.receiver import Collector


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a replica that traces nothing."""
    return settings_of("postgresql:///none", "redis://none", tmp_path)


def with_tracing(settings: Settings, **tracing_settings: object) -> Settings:
    """The same, with a section of these."""
    return attrs.evolve(settings, tracing=TracingSettings(**tracing_settings))  # type: ignore[arg-type]  # by name


async def test_a_replica_traces_while_it_serves(settings: Settings, collector: Collector) -> None:
    async with Traces(with_tracing(settings, endpoint=collector.url, sample=1.0), "1.2.3").serving():
        assert tracing.armed is not None
        span = tracing.armed.root(None, "GET /things")
        assert span is not None
        span.end()
    assert tracing.armed is None
    assert [span.name for span in collector.spans] == ["GET /things"]
    assert collector.spans[0].replica


async def test_another_replica_in_the_process_keeps_its_own(settings: Settings, collector: Collector) -> None:
    with_it = with_tracing(settings, endpoint=collector.url)
    async with Traces(with_it, "1.2.3").serving():
        async with Traces(with_it, "1.2.3").serving():
            inner = tracing.armed
            tracing.arm(None)
            tracing.arm(other := Tracer(0.0, Exporter(with_it.tracing, {})))
        assert tracing.armed is other is not inner
    tracing.arm(None)


async def test_without_an_endpoint_there_is_no_thread(settings: Settings) -> None:
    async with Traces(settings, "1.2.3").serving():
        assert tracing.armed is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"endpoint": "jaeger:4318"}, "tracing.endpoint is no http:// or https:// address"),
        ({"endpoint": "http:///v1/traces"}, "tracing.endpoint is no http:// or https:// address"),
        ({"sample": 10.0}, "tracing.sample is not between 0 and 1"),
        ({"sample": -0.1}, "tracing.sample is not between 0 and 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Settings, wrong: dict[str, object], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        Traces(with_tracing(settings, **wrong), "1.2.3")
