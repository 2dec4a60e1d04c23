"""The whole list of rules, and what they need to know of the program."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.app import App
from core.plugins import find
from core.testing import settings_for
from tests.faults.never import events, orders, people
from tests.faults.never.rules import RULES, Evidence, Rule, judge

__all__ = ["RULES", "Evidence", "Rule", "events", "judge", "orders", "pairs", "people"]


PLUGINS = ("user", "product", "cart", "order", "notification")
"""Those of every world: what is added beside them has faults of its own."""


def pairs() -> Sequence[tuple[str, str]]:
    """Each consumer with each event type that it subscribes to, as the program declares them."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for("postgresql:///nobody", "redis://nobody", Path(folder))
        app = App(settings, [cls() for cls in find(PLUGINS)])
    return [(one.consumer, one.event.event_type) for one in app.plugins.declared("subscriptions")]
