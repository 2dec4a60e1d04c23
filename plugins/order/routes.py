"""HTTP of the order domain: routes 30 to 33 of CONTRACT section 0, and the shop's own view (C.13)."""

from collections.abc import Sequence

from core.auth import Role
from core.errors import CONFLICT, INVALID_INPUT, NOT_FOUND
from core.http.routing import LIVE_USER, USER, Call, Encoded, Pagination, Permission, Repeat, Reply, Route
from core.permissions import needs
from core.resilience.rank import Rank
from core.types import UserId
from plugins.order.bodies import CancelOrderBody, MoveOrderBody, OrderListQuery, PlaceOrderBody
from plugins.order.placing import Placing
from plugins.order.ports import (
    CANNOT_CANCEL,
    CANNOT_MOVE,
    CART_EMPTY,
    COUPON_INVALID,
    METHOD_NOT_OFFERED,
    MINIMUM_NOT_MET,
)
from plugins.order.service import Move, OrderService
from plugins.order.views import OneOrder, OrderPage, OrderView
from plugins.product.ports import INSUFFICIENT_STOCK, PRICES_MOVED

SEE_ALL = Permission("order.see_all", "see everybody's orders", frozenset({Role.ADMIN, Role.SUPPORT}))
MOVE = Permission("order.move", "say that an order is packed, on its way or delivered", frozenset({Role.ADMIN}))


class Handlers:
    """One method a route."""

    def __init__(self, orders: OrderService, placing: Placing) -> None:
        self._orders, self._placing = orders, placing

    async def place(self, call: Call[PlaceOrderBody, None]) -> Reply:
        """Place an order."""
        placed = await self._placing.place(call.operation, call.principal.session_id, call.body)
        return Reply(data=Encoded(placed.body), status=placed.status, replayed=placed.replayed)

    async def mine(self, call: Call[None, OrderListQuery]) -> Reply:
        """The caller's orders."""
        return await self._page(call.query, call.principal.user_id)

    async def find(self, call: Call[None, None]) -> OneOrder:
        """One of the caller's orders."""
        order = await self._orders.find(call.uuid("order_id"), call.principal.user_id)
        return OneOrder(order=OrderView.of(order))

    async def cancel(self, call: Call[CancelOrderBody, None]) -> OneOrder:
        """Cancel one of the caller's orders."""
        order = await self._orders.cancel(call.tx, call.principal.user_id, call.uuid("order_id"), call.body.reason)
        return OneOrder(order=OrderView.of(order))

    async def all(self, call: Call[None, OrderListQuery]) -> Reply:
        """Everybody's orders."""
        return await self._page(call.query, None)

    async def move(self, call: Call[MoveOrderBody, None]) -> OneOrder:
        """Move an order on."""
        body = call.body
        move = Move(
            word=body.status,
            tracking_id=body.tracking_id,
            delivery_partner_id=body.delivery_partner_id,
            notes=body.notes,
        )
        order = await self._orders.move(call.tx, call.principal, call.uuid("order_id"), move)
        return OneOrder(order=OrderView.of(order))

    async def _page(self, query: OrderListQuery, owner: UserId | None) -> Reply:
        orders, total = await self._orders.page(owner=owner, word=query.status, page=query.page, limit=query.limit)
        page = OrderPage(orders=[OrderView.of(order) for order in orders])
        return Reply(data=page, pagination=Pagination(page=query.page, limit=query.limit, total=total))


def routes(orders: OrderService, placing: Placing) -> Sequence[Route]:
    """The route table."""
    handlers = Handlers(orders, placing)
    return (
        Route(
            method="POST",
            path="/orders",
            policy=LIVE_USER,
            handler=handlers.place,
            body=PlaceOrderBody,
            answer=OneOrder,
            status=201,
            repeat=Repeat.COMMAND,
            errors=(
                NOT_FOUND,
                INVALID_INPUT,
                INSUFFICIENT_STOCK,
                CART_EMPTY,
                MINIMUM_NOT_MET,
                COUPON_INVALID,
                METHOD_NOT_OFFERED,
                PRICES_MOVED,
                CONFLICT,
            ),
            rank=Rank.VITAL,
            summary="Place an order of the given items or of the cart",
        ),
        Route(
            method="GET",
            path="/orders",
            policy=USER,
            handler=handlers.mine,
            query=OrderListQuery,
            answer=OrderPage,
            paged=True,
            summary="The caller's orders, newest first",
        ),
        Route(
            method="GET",
            path="/orders/{order_id:uuid}",
            policy=USER,
            handler=handlers.find,
            answer=OneOrder,
            errors=(NOT_FOUND,),
            summary="One of the caller's orders",
        ),
        Route(
            method="POST",
            path="/orders/{order_id:uuid}/cancel",
            policy=LIVE_USER,
            handler=handlers.cancel,
            body=CancelOrderBody,
            answer=OneOrder,
            repeat=Repeat.NATURAL,
            errors=(NOT_FOUND, CANNOT_CANCEL),
            rank=Rank.VITAL,
            summary="Cancel an order that is pending or confirmed",
        ),
        Route(
            method="GET",
            path="/admin/orders",
            policy=needs(SEE_ALL),
            handler=handlers.all,
            query=OrderListQuery,
            answer=OrderPage,
            paged=True,
            summary="Everybody's orders, newest first",
        ),
        Route(
            method="POST",
            path="/admin/orders/{order_id:uuid}/status",
            policy=needs(MOVE),
            handler=handlers.move,
            body=MoveOrderBody,
            answer=OneOrder,
            repeat=Repeat.NATURAL,
            errors=(NOT_FOUND, CANNOT_MOVE),
            summary="Move an order to another status",
        ),
    )
