"""Placing an order: price what is wanted, then let one SQL call check, take and write all of it (DESIGN 2)."""

from collections.abc import Mapping
from uuid import UUID

from core.errors import INVALID_INPUT, UNAVAILABLE, FieldError, Invalid, Problem, not_found
from core.http.routing import Operation
from core.store.db import Db, Refused
from core.types import UserId, rupees, uuid7
from plugins.cart.ports import Carts
from plugins.order.bodies import PlaceOrderBody
from plugins.order.drafting import kept, prepared
from plugins.order.models import MAX_QUANTITY, Address, Draft, Item, OrderSettings, merge, price
from plugins.order.placing_queries import Placed, Placements
from plugins.order.ports import CART_EMPTY, COUPON_INVALID, MINIMUM_NOT_MET
from plugins.order.states import Method, Payment, State, Status
from plugins.product.ports import PRICES_MOVED, Catalog, OutOfStock, PriceChanged, ProductId, ProductView, ShortLine
from plugins.user.ports import Addresses

ATTEMPTS = 3
"""Times that an order is priced anew because a price moved between memory and database."""


class Placing:
    """POST /orders."""

    def __init__(self, *, db: Db, catalog: Catalog, carts: Carts, addresses: Addresses, terms: OrderSettings) -> None:
        self._db, self._catalog, self._carts, self._addresses = db, catalog, carts, addresses
        self._terms, self._placements = terms, Placements()

    async def place(self, operation: Operation, session_id: UUID, body: PlaceOrderBody) -> Placed:
        """An order at catalogue prices, its stock taken, in one round trip and one commit.

        Raises: CART_EMPTY, COUPON_INVALID, MINIMUM_NOT_MET, OutOfStock, PriceChanged, Invalid, INVALID_INPUT for a
        quantity that a product is not sold in, not found for an address that is not the caller's.
        Emits: order.created, and payment.initiated when it is paid online.
        A repeat with the same key gets the first answer, whatever cart, prices and addresses have become since.
        """
        moved = Problem(PRICES_MOVED)
        for _ in range(ATTEMPTS):
            try:
                draft = await self._draft(UserId(operation.user_id), body)
            except Problem as refusal:
                return await self._stored(operation, session_id, refusal)
            ready = prepared(operation.user_id, draft)
            try:
                placed = await self._placements.place(self._db, operation, session_id, ready, self._terms)
            except Refused as refused:
                if refused.reason != "PRICE_CHANGED":
                    raise self._problem(refused) from None
                moved = PriceChanged(refused.detail)
                await self._catalog.refresh()
                continue
            if not placed.replayed:
                self._catalog.sold({ProductId(product): level for product, level in placed.levels.items()})
                await self._carts.forget(UserId(operation.user_id))
            return placed
        raise moved

    async def _stored(self, operation: Operation, session_id: UUID, refusal: Problem) -> Placed:
        """The answer to the first of two equal requests; its own effects may be why the second is refused now."""
        if refusal.code is UNAVAILABLE or not operation.given:
            raise refusal
        stored = await self._placements.stored(self._db, operation, session_id)
        if stored is None:
            raise refusal
        return stored

    async def _draft(self, user_id: UserId, body: PlaceOrderBody) -> Draft:
        if body.coupon_code:
            raise Problem(COUPON_INVALID)
        lines = await self._lines(user_id, body)
        address = await self._address(user_id, body)
        items = await self._expected(lines, body.expected_total)
        bill = price(items, self._terms)
        if bill.subtotal < self._terms.minimum_paise:
            minimum, current = rupees(self._terms.minimum_paise), rupees(bill.subtotal)
            raise Problem(MINIMUM_NOT_MET, details={"minimumAmount": minimum, "currentAmount": current})
        method = Method(body.payment_method)
        online = method is not Method.COD
        return Draft(
            id=uuid7(),
            payment_id=uuid7() if online else None,
            state=State(Status.PENDING, method, Payment.PROCESSING if online else Payment.PENDING),
            items=items,
            bill=bill,
            address=address,
            scheduled_for=body.scheduled_delivery_date,
            delivery_slot=body.delivery_slot,
            note=body.customer_note,
        )

    async def _lines(self, user_id: UserId, body: PlaceOrderBody) -> Mapping[UUID, int]:
        if body.items is None:
            lines: Mapping[UUID, int] = dict((await self._carts.lines(self._db, user_id)).items())
            if not lines:
                raise Problem(CART_EMPTY)
            return lines
        lines = merge((item.product_id, item.quantity) for item in body.items)
        if any(quantity > MAX_QUANTITY for quantity in lines.values()):
            raise Invalid([FieldError("items", f"must have at most {MAX_QUANTITY} pieces of one product")])
        return lines

    async def _address(self, user_id: UserId, body: PlaceOrderBody) -> Address:
        stored = _uuid(body.address_id)
        if stored is None and body.delivery_address is not None:
            return body.delivery_address.address()
        if body.address_id is None:
            raise Invalid([FieldError("deliveryAddress", "is required", "required")])
        found = None if stored is None else await self._addresses.find(self._db, user_id, stored)
        if found is None:
            raise not_found("Address")
        return kept(found)

    async def _expected(self, lines: Mapping[UUID, int], expected: float | None) -> list[Item]:
        """The lines at catalogue prices. When the customer saw another total, the catalogue is asked once more."""
        items = self._items(lines)
        if expected is None or _same(expected, items, self._terms):
            return items
        await self._catalog.refresh()
        items = self._items(lines)
        if not _same(expected, items, self._terms):
            total = rupees(price(items, self._terms).total)
            raise Problem(PRICES_MOVED, details={"expectedTotal": expected, "total": total})
        return items

    def _items(self, lines: Mapping[UUID, int]) -> list[Item]:
        known = self._catalog.many([ProductId(product) for product in lines])
        missing = [p for p in map(ProductId, lines) if p not in known or not known[p].active]
        if missing:
            raise OutOfStock([ShortLine(product_id=p, requested=lines[p], available=0) for p in missing])
        _check_limits(lines, known)
        return [
            Item(
                product_id=view.id,
                name=view.name,
                image=view.image_url,
                unit=view.unit,
                unit_price=view.unit_price_paise,
                quantity=quantity,
            )
            for view, quantity in ((known[ProductId(product)], quantity) for product, quantity in lines.items())
        ]

    def _problem(self, refused: Refused) -> Problem:
        if refused.reason == "OUT_OF_STOCK":
            return OutOfStock.of(refused.detail)
        if refused.reason == "SCHEDULE":
            message = f"must lie between today and {self._terms.schedule_days} days ahead"
            return Invalid([FieldError("scheduledDeliveryDate", message)])
        return Problem(UNAVAILABLE)  # NUMBERS_MISSING: the job that makes them mends it


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None


def _check_limits(lines: Mapping[UUID, int], known: Mapping[ProductId, ProductView]) -> None:
    """Refuse quantities that a product is not sold in, with the code of the cart's own refusal; names every line."""
    wrong = [
        {
            "productId": str(view.id),
            "requested": quantity,
            "minimum": view.min_order_quantity,
            "maximum": view.max_order_quantity,
        }
        for view, quantity in ((known[ProductId(product)], quantity) for product, quantity in lines.items())
        if not view.min_order_quantity <= quantity <= view.max_order_quantity
    ]
    if wrong:
        raise Problem(INVALID_INPUT, "Some items cannot be ordered in this quantity.", details={"items": wrong})


def _same(expected: float, items: list[Item], terms: OrderSettings) -> bool:
    return round(expected * 100) == price(items, terms).total
