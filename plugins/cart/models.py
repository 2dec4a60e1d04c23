"""Carts, and what the app sees of them: pure functions from lines and the catalogue to answers."""

from collections.abc import Mapping
from datetime import datetime

import attrs

from core.types import Rupees, rupees
from plugins.cart.ports import CartProblem
from plugins.product.ports import ProductId, ProductView

UNBOUNDED = 2**31 - 1
GONE_NAME = "No longer available"
"""The app needs a name for every line, also when the catalogue has none."""


@attrs.frozen(kw_only=True)
class Cart:
    """A user's lines as PostgreSQL had them at one moment."""

    version: int
    """0: there is no cart."""
    lines: Mapping[ProductId, int]
    """In the order in which they were added."""
    updated_at: datetime
    read_at: float
    """When PostgreSQL said so, in seconds of the epoch: what tells how far to trust a copy."""


@attrs.frozen(kw_only=True)
class Limits:
    """How many of one product a line may have. Nothing of what is gone or not sold is in stock."""

    maximum: int
    stock: int


@attrs.frozen(kw_only=True)
class CartItem:
    """A line as the app reads it (CONTRACT A.5)."""

    product_id: ProductId
    product_name: str
    product_image: str
    unit: str
    unit_price: Rupees
    quantity: int
    total: Rupees
    max_quantity: int
    """The most that one order may have, whatever is in stock: stock changes without a new revision of the catalogue."""
    available: bool
    """Whether it is sold. A line that is not stays, but does not count in the subtotal."""


@attrs.frozen(kw_only=True)
class CartView:
    """A priced cart. `item_count` is the sum of all quantities."""

    items: tuple[CartItem, ...]
    subtotal: Rupees
    item_count: int
    updated_at: datetime


@attrs.frozen(kw_only=True)
class CartAnswer:
    """`data` of every route but validate."""

    cart: CartView


@attrs.frozen(kw_only=True)
class CheckedLine:
    """Whether a line could be ordered now. `available` is what is in stock (CONTRACT B.5)."""

    product_id: ProductId
    valid: bool
    available: int
    requested: int


@attrs.frozen(kw_only=True)
class CheckAnswer:
    """`data` of validate. `problems` says why, and of more than lines: what other plugins have against the cart."""

    valid: bool
    items: tuple[CheckedLine, ...]
    invalid_items: tuple[CheckedLine, ...]
    problems: tuple[CartProblem, ...] = ()


def limits(product: ProductView | None) -> Limits:
    """What a line may have of a product."""
    return Limits(
        maximum=product.max_order_quantity if product is not None else UNBOUNDED,
        stock=product.available if product is not None and product.active else 0,
    )


def priced(cart: Cart, products: Mapping[ProductId, ProductView]) -> CartAnswer:
    """The cart at the catalogue's prices. Sums are in paise; only the result is in rupees."""
    items = []
    subtotal = 0
    for product_id, quantity in cart.lines.items():
        product = products.get(product_id)
        item, paise = _item(product_id, quantity, product)
        items.append(item)
        subtotal += paise if item.available else 0
    return CartAnswer(
        cart=CartView(
            items=tuple(items),
            subtotal=rupees(subtotal),
            item_count=sum(cart.lines.values()),
            updated_at=cart.updated_at,
        )
    )


def _item(product_id: ProductId, quantity: int, product: ProductView | None) -> tuple[CartItem, int]:
    price = product.unit_price_paise if product is not None else 0
    item = CartItem(
        product_id=product_id,
        product_name=product.name if product is not None else GONE_NAME,
        product_image=product.image_url if product is not None else "",
        unit=product.unit if product is not None else "",
        unit_price=rupees(price),
        quantity=quantity,
        total=rupees(price * quantity),
        max_quantity=product.max_order_quantity if product is not None else 0,
        available=product is not None and product.active,
    )
    return item, price * quantity


def checked(lines: Mapping[ProductId, int], products: Mapping[ProductId, ProductView]) -> CheckAnswer:
    """Which lines could be ordered as they stand."""
    items = tuple(_checked(product_id, quantity, products.get(product_id)) for product_id, quantity in lines.items())
    invalid = tuple(item for item in items if not item.valid)
    return CheckAnswer(valid=not invalid, items=items, invalid_items=invalid)


def _checked(product_id: ProductId, quantity: int, product: ProductView | None) -> CheckedLine:
    bounds = limits(product)
    least = product.min_order_quantity if product is not None else 1
    fits = least <= quantity <= min(bounds.maximum, bounds.stock)
    return CheckedLine(product_id=product_id, valid=fits, available=bounds.stock, requested=quantity)
