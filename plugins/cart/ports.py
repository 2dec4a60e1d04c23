"""What other domains may use of the cart.

No event tells of a change: none of today's consumers would listen, and a row in the outbox for every tap on a plus sign
would cost more than the tap. `cart.updated` (CONTRACT B.8) comes with its first consumer.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, LiteralString, Protocol

import attrs

from core.errors import Code
from core.extensions import Point
from core.services import Port
from core.types import UserId
from plugins.product.ports import ProductId

if TYPE_CHECKING:
    from core.store.db import Db, Tx

CART_FULL = Code("CART_FULL", 422, "The cart is full.")

TAKE_LINES: Final[LiteralString] = "carts.take_lines"
"""take_lines(p_user uuid, p_products uuid[], p_quantities integer[]): takes ordered quantities out of the cart.

For the SQL function that places an order, in its own commit; call `Carts.forget` after it. It waits for the lock of the
cart's row, writes nothing when none of the products is in the cart, and never refuses.
"""
TAKE_ALL: Final[LiteralString] = "carts.take_all"
"""take_all(p_user uuid, p_products uuid[], p_quantities integer[]): takes all lines of the cart, if they are these.

For an order of the whole cart, as TAKE_LINES; the products are distinct, in any order. Refuses with CART_CHANGED where
the cart, once its row is locked, holds anything else: it was ordered or changed from another device.
"""


class Carts(Protocol):
    """Carts, for whoever turns one into something else."""

    async def lines(self, db: "Db | Tx", user_id: UserId) -> Mapping[ProductId, int]:
        """Quantities by product, in the order in which they were added, from PostgreSQL. Empty if there is no cart."""
        ...

    async def forget(self, user_id: UserId) -> None:
        """Drop the copy after a commit that changed the cart by SQL. Does not fail when Redis is away."""
        ...


CARTS: Port[Carts] = Port("cart.carts")


@attrs.frozen(kw_only=True)
class CartContents:
    """A cart that is asked about: quantities by product, in the order in which they were added."""

    user_id: UserId
    lines: Mapping[ProductId, int]


@attrs.frozen(kw_only=True)
class CartProblem:
    """What stands against ordering a cart as it is, and what its owner can do. Shown as it stands."""

    code: str
    """A word for machines; the name of a Code where the order would be refused with it."""
    message: str
    remedy: str
    product_id: ProductId | None = None
    """The line that it is about; None for the cart."""


CartCheck = Callable[[CartContents], Awaitable[Sequence[CartProblem]]]
"""Asked by POST /cart/validate; all problems of all checks are answered at once.

It may read, within half a second in an optional plugin. One that raises is left out and counted, unless its plugin is
required.
"""

CART_CHECKS: Point[CartCheck] = Point("cart.checks")
"""What a cart is asked before checkout. `Extends(CART_CHECKS, self._in_season)`."""
