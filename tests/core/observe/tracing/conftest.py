"""A collector for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.core.observe.tracing.receiver import Collector, collecting


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """One that takes all."""
    async with collecting() as collector:
        yield collector
