"""What the cart declares to the kernel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.extensions import Extends
from core.hookspecs import hookimpl
from core.http.routing import Route
from core.jobs import Job
from core.kernel import Kernel, Manifest
from core.privacy.model import PersonalData
from core.services import Provided
from plugins.cart.checking import CartChecks, InStock
from plugins.cart.copies import Copies
from plugins.cart.personal import personal_data
from plugins.cart.ports import CARTS
from plugins.cart.routes import CartRoutes
from plugins.cart.service import HEAR, CartService
from plugins.product.ports import CATALOG

HOUR = 3600.0


class CartPlugin:
    """The cart."""

    manifest = Manifest(
        name="cart", version="1.0.0", schema="carts", requires=("product",), owner="checkout team", required=True
    )

    def __init__(self) -> None:
        self._service: CartService
        self._copies: Copies
        self._in_stock: InStock

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """The carts."""
        self._copies = Copies(kernel.redis)
        catalog = kernel.services.get(CATALOG)
        self._in_stock = InStock(catalog)
        self._service = CartService(kernel.db, self._copies, catalog, CartChecks(kernel.extensions, kernel.guards))
        return (Provided(CARTS, self._service),)

    @hookimpl
    def extends(self) -> Sequence[Extends[Any]]:
        """What the cart itself checks, as any plugin would."""
        return self._in_stock.declared()

    @hookimpl
    def routes(self) -> Sequence[Route]:
        """/cart."""
        return CartRoutes(self._service).table()

    @hookimpl
    def migrations(self) -> Path:
        """Schema `carts`."""
        return Path(__file__).parent / "migrations"

    @hookimpl
    def personal_data(self) -> PersonalData:
        """The carts."""
        return personal_data(self._copies)

    @hookimpl
    def jobs(self) -> Sequence[Job]:
        """Clean-up, and copies that Redis did not take (on every replica)."""
        return (
            Job(name="cart.expire", every=HOUR, run=self._service.expire, single=True),
            Job(name="cart.hear", every=HEAR, run=self._service.hear),
            Job(name="cart.make_good", every=1.0, run=self._copies.make_good),
        )


plugin = CartPlugin
