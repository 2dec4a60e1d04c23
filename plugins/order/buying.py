"""From what a customer asks for to a purchase: lines at catalogue prices, an address, and a bill."""

from collections.abc import Mapping
from uuid import UUID

import attrs

from core.errors import INVALID_INPUT, FieldError, Invalid, Problem, not_found
from core.store.db import Db
from core.types import UserId, rupees
from plugins.cart.ports import Carts
from plugins.order.bodies import PlaceOrderBody
from plugins.order.contributions import Item, Purchase
from plugins.order.drafting import kept
from plugins.order.models import MAX_QUANTITY, Address, merge
from plugins.order.ports import CART_EMPTY
from plugins.order.pricing import Pricing
from plugins.order.standing import Method
from plugins.product.ports import PRICES_MOVED, Catalog, OutOfStock, ProductId, ProductView, ShortLine
from plugins.user.ports import Addresses


class Buying:
    """Reads what an order is to be made of; writes nothing."""

    def __init__(self, *, db: Db, catalog: Catalog, carts: Carts, addresses: Addresses, pricing: Pricing) -> None:
        self._db, self._catalog, self._carts, self._addresses = db, catalog, carts, addresses
        self._pricing = pricing

    async def purchase(self, user_id: UserId, body: PlaceOrderBody) -> tuple[Purchase, Address]:
        """The priced purchase and where it goes. Raises what `Placing.place` says of lines, totals and addresses."""
        lines = await self._lines(user_id, body)
        address = await self._address(user_id, body)
        wanted = Purchase(
            user_id=user_id,
            items=(),
            method=Method(body.payment_method),
            city=address.city,
            state=address.state,
            pin_code=address.pin_code,
            scheduled_for=body.scheduled_delivery_date,
            delivery_slot=body.delivery_slot,
            coupon=body.coupon_code or None,
        )
        return await self._expected(wanted, lines, body.expected_total), address

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

    async def _expected(self, wanted: Purchase, lines: Mapping[UUID, int], expected: float | None) -> Purchase:
        """The lines at catalogue prices. When the customer saw another total, the catalogue is asked once more."""
        purchase = self._priced(wanted, lines)
        if expected is None or _same(expected, purchase):
            return purchase
        await self._catalog.refresh()
        purchase = self._priced(wanted, lines)
        if not _same(expected, purchase):
            raise Problem(PRICES_MOVED, details={"expectedTotal": expected, "total": rupees(purchase.total)})
        return purchase

    def _priced(self, wanted: Purchase, lines: Mapping[UUID, int]) -> Purchase:
        return self._pricing.priced(attrs.evolve(wanted, items=self._items(lines)))

    def _items(self, lines: Mapping[UUID, int]) -> tuple[Item, ...]:
        known = self._catalog.many([ProductId(product) for product in lines])
        missing = [p for p in map(ProductId, lines) if p not in known or not known[p].active]
        if missing:
            raise OutOfStock([ShortLine(product_id=p, requested=lines[p], available=0) for p in missing])
        _check_limits(lines, known)
        return tuple(
            Item(
                product_id=view.id,
                name=view.name,
                image=view.image_url,
                unit=view.unit,
                unit_price=view.unit_price_paise,
                quantity=quantity,
            )
            for view, quantity in ((known[ProductId(product)], quantity) for product, quantity in lines.items())
        )


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


def _same(expected: float, purchase: Purchase) -> bool:
    return round(expected * 100) == purchase.total
