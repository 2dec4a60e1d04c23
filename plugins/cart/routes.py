"""The cart's routes (CONTRACT A.5, B.5). Every change answers the cart."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import attrs

from core.errors import INVALID_INPUT, NOT_FOUND
from core.http.fields import Whole
from core.http.routing import USER, Call, Encoded, Repeat, Reply, Route
from plugins.cart.models import CartAnswer, CheckAnswer
from plugins.cart.ports import CART_FULL
from plugins.product.ports import INSUFFICIENT_STOCK, ProductId

if TYPE_CHECKING:
    from plugins.cart.service import CartService

MANY = 9999
"""More than any product's own maximum, which is what decides."""


@attrs.frozen(kw_only=True)
class AddBody:
    """What goes into the cart. The app's name, price and picture of it are not read: the catalogue has them."""

    product_id: UUID
    quantity: Annotated[int, Whole(1, MANY)]


@attrs.frozen(kw_only=True)
class PutBody:
    """A line's new quantity."""

    quantity: Annotated[int, Whole(0, MANY)]


class CartRoutes:
    """Handlers over the service."""

    def __init__(self, service: "CartService") -> None:
        self._service = service

    def table(self) -> tuple[Route, ...]:
        """All of them."""
        limits = (INSUFFICIENT_STOCK, INVALID_INPUT)
        one = "/cart/items/{product_id:uuid}"
        return (
            Route(
                method="GET",
                path="/cart",
                policy=USER,
                handler=self.read,
                answer=CartAnswer,
                summary="The cart at the catalogue's prices",
            ),
            Route(
                method="POST",
                path="/cart/items",
                policy=USER,
                handler=self.add,
                answer=CartAnswer,
                body=AddBody,
                repeat=Repeat.COMMAND,
                errors=(*limits, CART_FULL),
                summary="Put a product into the cart, or more of it",
            ),
            Route(
                method="PUT",
                path=one,
                policy=USER,
                handler=self.put,
                answer=CartAnswer,
                body=PutBody,
                repeat=Repeat.NATURAL,
                errors=(*limits, NOT_FOUND),
                summary="Set a line's quantity; 0 removes it",
            ),
            Route(
                method="DELETE",
                path=one,
                policy=USER,
                handler=self.remove,
                answer=CartAnswer,
                repeat=Repeat.NATURAL,
                summary="Remove a line; one that is not there is no error",
            ),
            Route(
                method="DELETE",
                path="/cart",
                policy=USER,
                handler=self.clear,
                answer=CartAnswer,
                repeat=Repeat.NATURAL,
                summary="Empty the cart",
            ),
            Route(
                method="POST",
                path="/cart/validate",
                policy=USER,
                handler=self.check,
                answer=CheckAnswer,
                repeat=Repeat.NATURAL,
                summary="Whether each line could be ordered now",
            ),
        )

    async def read(self, call: Call[Any, Any]) -> Reply:
        """GET /cart."""
        return Reply(data=Encoded(await self._service.read(call.principal.user_id)))

    async def add(self, call: Call[AddBody, Any]) -> Reply:
        """POST /cart/items. Only a key of the client's makes a later request a repeat of this one."""
        product_id, quantity = ProductId(call.body.product_id), call.body.quantity
        if not call.operation.given:
            return Reply(data=Encoded(await self._service.add(call.principal.user_id, product_id, quantity)))
        json, replayed = await self._service.add_once(call.operation, product_id, quantity)
        return Reply(data=Encoded(json), replayed=replayed)

    async def put(self, call: Call[PutBody, Any]) -> Reply:
        """PUT /cart/items/:productId."""
        product_id = ProductId(call.uuid("product_id"))
        return Reply(data=Encoded(await self._service.put(call.principal.user_id, product_id, call.body.quantity)))

    async def remove(self, call: Call[Any, Any]) -> Reply:
        """DELETE /cart/items/:productId."""
        product_id = ProductId(call.uuid("product_id"))
        return Reply(data=Encoded(await self._service.remove(call.principal.user_id, product_id)))

    async def clear(self, call: Call[Any, Any]) -> Reply:
        """DELETE /cart."""
        return Reply(data=Encoded(await self._service.clear(call.principal.user_id)))

    async def check(self, call: Call[Any, Any]) -> CheckAnswer:
        """POST /cart/validate."""
        return await self._service.check(call.principal.user_id)
