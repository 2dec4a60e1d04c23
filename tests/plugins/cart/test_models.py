import time
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.convert import wire
from core.types import Paise, uuid7
from plugins.cart.models import GONE_NAME, Cart, Limits, checked, limits, priced
from plugins.cart.service import PRICED
from plugins.product.ports import ProductId, ProductView


def view(**change: object) -> ProductView:
    values: dict[str, Any] = {
        "id": ProductId(uuid7()),
        "name": "Carrot",
        "slug": "carrot",
        "unit": "kg",
        "image_url": "/images/carrot.webp",
        "unit_price_paise": Paise(4950),
        "price_paise": Paise(5500),
        "discount_percentage": 10.0,
        "min_order_quantity": 1,
        "max_order_quantity": 10,
        "available": 100,
        "active": True,
        **change,
    }
    return ProductView(**values)


def cart(*lines: tuple[ProductId, int]) -> Cart:
    return Cart(version=1, lines=dict(lines), updated_at=datetime.now(UTC), read_at=time.time())


def test_a_line_has_the_catalogues_name_picture_and_price() -> None:
    carrot = view()
    [item] = priced(cart((carrot.id, 3)), {carrot.id: carrot}).cart.items
    assert (item.product_name, item.product_image, item.unit) == ("Carrot", "/images/carrot.webp", "kg")
    assert (item.unit_price, item.quantity, item.total) == (49.5, 3, 148.5)
    assert (item.max_quantity, item.available) == (10, True)


def test_a_product_that_is_gone_stays_but_does_not_count() -> None:
    carrot, gone = view(), ProductId(uuid7())
    seen = priced(cart((gone, 2), (carrot.id, 1)), {carrot.id: carrot}).cart
    assert [item.available for item in seen.items] == [False, True]
    assert seen.items[0].product_name == GONE_NAME
    assert (seen.subtotal, seen.item_count) == (49.5, 3)


def test_a_product_that_is_no_longer_sold_keeps_its_name_but_does_not_count() -> None:
    carrot = view(active=False)
    seen = priced(cart((carrot.id, 2)), {carrot.id: carrot}).cart
    assert (seen.items[0].product_name, seen.items[0].available, seen.subtotal) == ("Carrot", False, 0)


def test_another_form_of_the_answer_has_another_number() -> None:
    carrot = view(id=ProductId(UUID(int=1)))
    shown = Cart(version=1, lines={carrot.id: 3}, updated_at=datetime(2026, 1, 1, tzinfo=UTC), read_at=0)
    item = (
        b'"productId":"00000000-0000-0000-0000-000000000001","productName":"Carrot","productImage":'
        b'"/images/carrot.webp","unit":"kg","unitPrice":49.5,"quantity":3,"total":148.5,"maxQuantity":10,'
        b'"available":true'
    )
    rest = b'"subtotal":148.5,"itemCount":3,"updatedAt":"2026-01-01T00:00:00Z"'
    form = b'{"cart":{"items":[{%b}],%b}}' % (item, rest)
    assert (PRICED, wire.dump(priced(shown, {carrot.id: carrot}))) == (b"1-%x", form), "count PRICED on with the form"


def test_nothing_of_what_is_not_sold_is_in_stock() -> None:
    assert limits(view(active=False)).stock == 0
    assert limits(None).stock == 0
    assert limits(view()) == Limits(maximum=10, stock=100)


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 99)), max_size=100))
def test_the_subtotal_is_the_exact_sum_of_the_lines(bought: list[tuple[int, int]]) -> None:
    products = [(view(unit_price_paise=Paise(paise)), quantity) for paise, quantity in bought]
    seen = priced(cart(*((p.id, q) for p, q in products)), {p.id: p for p, _ in products}).cart
    assert Fraction(str(seen.subtotal)) * 100 == sum(paise * quantity for paise, quantity in bought)
    assert sum(Fraction(str(item.total)) for item in seen.items) == Fraction(str(seen.subtotal))


@given(quantity=st.integers(1, 120), least=st.integers(1, 5), most=st.integers(5, 99), stock=st.integers(0, 120))
def test_a_line_is_valid_when_it_is_within_every_limit(quantity: int, least: int, most: int, stock: int) -> None:
    carrot = view(min_order_quantity=least, max_order_quantity=most, available=stock)
    answer = checked({carrot.id: quantity}, {carrot.id: carrot})
    fits = least <= quantity <= most and quantity <= stock
    assert answer.valid is answer.items[0].valid is fits
    assert answer.invalid_items == (() if fits else answer.items)
    assert (answer.items[0].available, answer.items[0].requested) == (stock, quantity)


def test_a_gone_product_is_never_valid() -> None:
    gone = ProductId(uuid7())
    [line] = checked({gone: 1}, {}).invalid_items
    assert (line.product_id, line.available, line.requested) == (gone, 0, 1)
