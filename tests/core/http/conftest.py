"""The kernel alone, with the probe plugin, for all tests of this folder."""

from collections.abc import AsyncIterator

import pytest

from tests.core.harness import NewProbe, Probe


@pytest.fixture(scope="package")
async def probe(new_probe: NewProbe) -> AsyncIterator[Probe]:
    """Started once."""
    async with new_probe() as started:
        yield started
