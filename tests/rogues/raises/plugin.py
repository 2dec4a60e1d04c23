"""Declares one thing of each kind; each of them raises, or tries to end the process."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any, NoReturn

from core.events.model import EventMeta
from core.events.subscription import Subscription
from core.extensions import Extends
from core.hookspecs import hookimpl
from core.http.health import HealthCheck
from core.http.routing import PUBLIC, Call, Route
from core.jobs import Job
from core.kernel import Manifest
from core.store.db import Tx
from plugins.order.ports import (
    CHECKOUT_CHECKS,
    PRICE_ADJUSTERS,
    CheckoutProblem,
    OrderConfirmed,
    OrderCreated,
    Phase,
    PriceAdjuster,
    Purchase,
)


class Wrong(Exception):
    """What all of it raises, every other time."""


turns = cycle((Wrong, SystemExit))


def go_wrong() -> NoReturn:
    """One way or the other."""
    raise next(turns)


async def answer(call: Call[Any, Any]) -> object:
    """A route."""
    go_wrong()


async def hear(tx: Tx, event: object, meta: EventMeta) -> None:
    """A subscriber."""
    go_wrong()


async def sweep() -> None:
    """A job, and a health check."""
    go_wrong()


def adjust(purchase: Purchase) -> Sequence[Any]:
    """A price adjuster."""
    go_wrong()


async def check(purchase: Purchase) -> Sequence[CheckoutProblem]:
    """A checkout check."""
    go_wrong()


class Rogue:
    """Raises."""

    manifest = Manifest(name="raises", version="1.0.0", schema="raises", owner="nobody", requires=("order",))

    @hookimpl
    def routes(self) -> list[Route]:
        """GET /raises."""
        return [Route(method="GET", path="/raises", policy=PUBLIC, handler=answer, answer=dict[str, str], summary="No")]

    @hookimpl
    def subscriptions(self) -> list[Subscription]:
        """Every new order."""
        return [Subscription("raises.watch", event, hear) for event in (OrderCreated, OrderConfirmed)]

    @hookimpl
    def jobs(self) -> list[Job]:
        """All the time."""
        return [Job(name="raises.sweep", every=0.2, run=sweep)]

    @hookimpl
    def health_checks(self) -> list[HealthCheck]:
        """Never well."""
        return [HealthCheck(name="raises", check=sweep)]

    @hookimpl
    def extends(self) -> list[Extends[Any]]:
        """In the way of every order."""
        adjuster = PriceAdjuster(phase=Phase.FEE, adjust=adjust)
        return [Extends(PRICE_ADJUSTERS, adjuster), Extends(CHECKOUT_CHECKS, check)]
