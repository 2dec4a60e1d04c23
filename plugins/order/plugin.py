"""Wiring of the order domain."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from core.events.subscription import Subscription
from core.extensions import Extends
from core.hookspecs import hookimpl
from core.http.routing import Route
from core.jobs import Job
from core.kernel import Kernel, Manifest
from core.observe.counts import Count
from core.privacy.model import PersonalData
from core.services import Provided
from plugins.cart.ports import CARTS
from plugins.order import commands as order_commands
from plugins.order import routes as order_routes
from plugins.order import subscribers as order_subscribers
from plugins.order.builtin import BuiltIn
from plugins.order.buying import Buying
from plugins.order.checking import Checks
from plugins.order.counts import Counts
from plugins.order.models import OrderSettings
from plugins.order.moves import Moves
from plugins.order.personal import PersonalOrderData
from plugins.order.placing import Placing
from plugins.order.ports import ORDERS
from plugins.order.pricing import Pricing
from plugins.order.service import OrderService
from plugins.product.ports import CATALOG
from plugins.user.ports import ADDRESSES

SWEEP_SECONDS = 15
NUMBERS_SECONDS = 6 * 3600


class OrderPlugin:
    """Orders: placing, reading, cancelling, moving on."""

    manifest = Manifest(
        name="order",
        version="0.1.0",
        schema="orders",
        requires=("cart", "product", "user"),
        owner="checkout team",
        required=True,
        paths=("orders",),
        events=("order", "payment"),
        settings=OrderSettings,
    )

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """Orders for those who move money or goods; who only cares listens to their events."""
        self._kernel, self._counts = kernel, Counts()
        catalog, terms, guards = kernel.services.get(CATALOG), kernel.section(OrderSettings), kernel.guards
        self._carts = kernel.services.get(CARTS)
        self._built_in = BuiltIn(terms, kernel.extensions, guards)
        self._moves = Moves(kernel.extensions, guards)
        self._orders = OrderService(db=kernel.db, catalog=catalog, machine=self._moves.machine, counts=self._counts)
        buying = Buying(
            db=kernel.db,
            catalog=catalog,
            carts=self._carts,
            addresses=kernel.services.get(ADDRESSES),
            pricing=Pricing(kernel.extensions, guards),
        )
        self._placing = Placing(
            db=kernel.db,
            catalog=catalog,
            carts=self._carts,
            buying=buying,
            checks=Checks(kernel.extensions, guards),
            terms=terms,
            counts=self._counts,
        )
        return (Provided(ORDERS, self._orders),)

    @hookimpl
    def extends(self) -> Sequence[Extends[Any]]:
        """Delivery fee, minimum order, the moves of orders and cash on delivery, as any plugin would."""
        return self._built_in.declared()

    @hookimpl
    def routes(self) -> Sequence[Route]:
        """See routes.py. By now every move of orders is contributed, so they are proved here."""
        self._moves.prove()
        return order_routes.routes(self._orders, self._placing)

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        """See subscribers.py."""
        return order_subscribers.subscriptions(self._orders, self._carts)

    @hookimpl
    def migrations(self) -> Path:
        """Schema orders."""
        return Path(__file__).parent / "migrations"

    @hookimpl
    def personal_data(self) -> PersonalData:
        """Orders."""
        return PersonalOrderData(self._orders).declared()

    @hookimpl
    def jobs(self) -> Sequence[Job]:
        """The sweep runs everywhere and shares its work by SKIP LOCKED; numbers are made by one replica at a time."""
        return (
            Job(name="order.expire", every=SWEEP_SECONDS, run=self._orders.expire),
            Job(name="order.numbers", every=NUMBERS_SECONDS, run=self._orders.prepare_numbers, single=True),
        )

    @hookimpl
    def metrics(self) -> Sequence[Count]:
        """See counts.py."""
        return self._counts.all()

    @hookimpl
    def commands(self) -> Sequence[click.Command]:
        """`vurksha demo`."""
        return (order_commands.demo_command(self._kernel),)


plugin = OrderPlugin
