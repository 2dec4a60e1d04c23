"""A guard over one rogue plugin, and where its code is."""

from typing import Any

import attrs
import pytest

from core.isolation.culprit import Packages
from core.isolation.guards import Guards
from core.settings import IsolationSettings
from tests.core.isolation.rogue.plugin import Rogue

QUICK = IsolationSettings(stall=0.03, block=0.06, longest_block=0.5, tasks=20, memory=4, memory_sample=5, held=0.05)


@pytest.fixture
def guards() -> Guards:
    return Guards(QUICK, ["rogue"])


@pytest.fixture
def packages() -> Packages:
    return Packages({"rogue": Rogue()})


def reason(guards: Guards) -> str:
    """Why the rogue was put aside."""
    return guards.aside["rogue"].reason


def changed(**changes: Any) -> Guards:
    """Guards with other settings."""
    return Guards(attrs.evolve(QUICK, **changes), ["rogue"])
