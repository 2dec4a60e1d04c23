"""A plugin that says it can collect every way of paying, so that tests order online without a provider of payments.

It lies in a package of its own: what blocks the loop is blamed on the plugin in whose package it lies.
"""

from collections.abc import Sequence
from typing import Any

from core.extensions import Extends
from core.hookspecs import hookimpl
from core.kernel import Manifest
from plugins.order.ports import PAYMENT_METHODS, Method


class CollectorPlugin:
    """Collects nothing: who orders online in a test speaks for the provider too."""

    manifest = Manifest(name="collector", version="1.0.0", schema="collector", requires=("order",), owner="the tests")

    @hookimpl
    def extends(self) -> Sequence[Extends[Any]]:
        """Every method."""
        return (Extends(PAYMENT_METHODS, self),)

    def offered(self) -> frozenset[str]:
        """All of them."""
        return frozenset(Method)
