"""Placing an order: price what is wanted, then let one SQL call check, take and write all of it (DESIGN 2)."""

from uuid import UUID

from core.context import leave_time
from core.errors import CONFLICT, UNAVAILABLE, Code, FieldError, Invalid, Problem
from core.http.routing import Operation
from core.store.db import Db, NotReached, Refused, RolledBack
from core.types import UserId, uuid7
from plugins.cart.ports import Carts
from plugins.order.bodies import PlaceOrderBody
from plugins.order.buying import Buying
from plugins.order.checking import Checks
from plugins.order.counts import Counts
from plugins.order.drafting import prepared
from plugins.order.models import Bill, Draft, OrderSettings
from plugins.order.placing_queries import Placed, Placements
from plugins.order.standing import Method, Payment, State, Status
from plugins.product.ports import PRICES_MOVED, Catalog, OutOfStock, PriceChanged, ProductId

ATTEMPTS = 3
"""Times that an order is drafted because a price moved between memory and database, or the cart changed meanwhile."""


class Placing:
    """POST /orders."""

    def __init__(
        self,
        *,
        db: Db,
        catalog: Catalog,
        carts: Carts,
        buying: Buying,
        checks: Checks,
        terms: OrderSettings,
        counts: Counts | None = None,
    ) -> None:
        self._db, self._catalog, self._carts = db, catalog, carts
        self._buying, self._checks = buying, checks
        self._terms, self._placements, self._counts = terms, Placements(), counts or Counts()

    async def place(self, operation: Operation, session_id: UUID, body: PlaceOrderBody) -> Placed:
        """An order at catalogue prices, its stock taken, in one round trip and one commit.

        Raises: CART_EMPTY, OutOfStock, PriceChanged, Invalid, INVALID_INPUT for a quantity that a product is not sold
        in, not found for an address that is not the caller's; then what the checkout checks find, all of it at once;
        CONFLICT when the cart that is to be ordered keeps changing.
        Emits: order.created, and payment.initiated when it is paid online.
        A repeat with the same key gets the first answer, whatever cart, prices and addresses have become since.
        """
        user_id, moved = UserId(operation.user_id), Problem(PRICES_MOVED)
        for _ in range(ATTEMPTS):
            try:
                draft = await self._draft(user_id, body)
            except Problem as refusal:
                if (stored := await self._stored(operation, session_id, refusal.code)) is None:
                    raise
                await self._carts.forget(user_id)
                return stored
            try:
                placed = await self._sent(operation, session_id, draft, whole_cart=body.items is None)
            except Refused as refused:
                moved = await self._moved(refused)
                continue
            if not placed.replayed:
                self._catalog.sold({ProductId(product): level for product, level in placed.levels.items()})
                self._count(draft)
            await self._carts.forget(user_id)  # a replay's too: who placed it may have been cut off before this
            return placed
        raise moved

    async def _sent(self, operation: Operation, session_id: UUID, draft: Draft, *, whole_cart: bool) -> Placed:
        """The call. Raises Refused."""
        ready = prepared(operation.user_id, draft)
        try:
            return await self._placements.place(
                self._db, operation, session_id, ready, self._terms, whole_cart=whole_cart
            )
        except (NotReached, RolledBack):
            raise
        except Problem as problem:
            if problem.code is UNAVAILABLE:  # placed or not: the kernel finds out, and does not come back here
                leave_time()
                await self._carts.forget(UserId(operation.user_id))
            raise

    def _count(self, draft: Draft) -> None:
        """The call came back, so it is committed. One whose answer was lost is not counted: the client asks again."""
        method = draft.state.method
        self._counts.placed.add(method)
        self._counts.placed_paise.add(method, by=draft.bill.total)
        self._counts.states.add(draft.state.status)

    async def _stored(self, operation: Operation, session_id: UUID, code: Code) -> Placed | None:
        """The answer to the first of two equal requests; its own effects may be why the second is refused now."""
        if code is UNAVAILABLE or not operation.given:
            return None
        return await self._placements.stored(self._db, operation, session_id)

    async def _draft(self, user_id: UserId, body: PlaceOrderBody) -> Draft:
        purchase, address = await self._buying.purchase(user_id, body)
        await self._checks.refuse(purchase)
        method = purchase.method
        online = method is not Method.COD
        return Draft(
            id=uuid7(),
            payment_id=uuid7() if online else None,
            state=State(Status.PENDING, method, Payment.PROCESSING if online else Payment.PENDING),
            items=purchase.items,
            bill=Bill(charges=purchase.charges),
            address=address,
            scheduled_for=purchase.scheduled_for,
            delivery_slot=purchase.delivery_slot,
            note=body.customer_note,
        )

    async def _moved(self, refused: Refused) -> Problem:
        """What to say if another draft does not help either. Raises what no draft would help."""
        if refused.reason == "CART_CHANGED":  # ordered from another device, as like as not: the next draft says so
            return Problem(CONFLICT, "Your cart changed in the meantime. Please look at it again.")
        if refused.reason != "PRICE_CHANGED":
            raise self._problem(refused) from None
        await self._catalog.refresh()
        return PriceChanged(refused.detail)

    def _problem(self, refused: Refused) -> Problem:
        if refused.reason == "OUT_OF_STOCK":
            return OutOfStock.of(refused.detail)
        if refused.reason == "SCHEDULE":
            message = f"must lie between today and {self._terms.schedule_days} days ahead"
            return Invalid([FieldError("scheduledDeliveryDate", message)])
        return Problem(UNAVAILABLE)  # NUMBERS_MISSING: the job that makes them mends it
