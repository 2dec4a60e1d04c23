"""Orders with what other plugins contribute, from the request to the stored bill."""

from collections.abc import Sequence
from typing import Any

import pytest

from core.convert import wire
from core.errors import Code, Problem
from core.extensions import Extends
from core.http.routing import Operation
from core.types import Paise, uuid7
from plugins.order.bodies import PlaceOrderBody
from plugins.order.placing import Placing
from plugins.order.ports import (
    CHECKOUT_CHECKS,
    METHOD_NOT_OFFERED,
    ORDERS,
    PAYMENT_METHODS,
    PRICE_ADJUSTERS,
    Charge,
    CheckoutProblem,
    Phase,
    PriceAdjuster,
    Purchase,
)
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop, body, placing_of

FAR = Code("DELIVERY_AREA", 422, "We do not deliver to this place.")


def adjuster(phase: Phase, code: str, adjust: Any) -> tuple[str, Extends[Any]]:
    def charges(purchase: Purchase) -> Sequence[Charge]:
        return (Charge(code=code, label=code.title(), amount=Paise(adjust(purchase))),)

    return "extra", Extends(PRICE_ADJUSTERS, PriceAdjuster(phase=phase, adjust=charges))


TAXED = (
    adjuster(Phase.DISCOUNT, "festival", lambda wish: -wish.subtotal // 10),
    adjuster(Phase.FEE, "wrap", lambda _: 2_550),
    adjuster(Phase.TAX, "gst", lambda wish: wish.total // 20),
    adjuster(Phase.ROUNDING, "round", lambda wish: -(wish.total % 100)),
)


async def placed(placing: Placing, buyer: Buyer, wish: dict[str, Any]) -> str:
    operation = Operation(user_id=buyer.user_id, route="POST /orders", key=str(uuid7()), given=True, fingerprint=b"f")
    answer = await placing.place(operation, buyer.session_id, wire.structure(wish, PlaceOrderBody))
    text: bytes = answer.body
    return text.decode()


async def test_every_phase_is_explained_stored_and_shown(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    await placed(placing_of(shop.app, shop.catalog, *TAXED), buyer, body(mango))
    (order,) = (await shop.app.get("/orders", as_=buyer)).data["orders"]
    assert [(line["code"], line["amount"]) for line in order["charges"]] == [
        ("goods", 300),
        ("festival", -30),
        ("delivery", 40),
        ("wrap", 25.5),
        ("gst", 16.77),
        ("round", -0.27),
    ]
    assert (order["subtotal"], order["deliveryFee"], order["discount"], order["total"]) == (300, 65.5, 30, 352)
    summary = await shop.app.services.get(ORDERS).summary(shop.db, order["id"], buyer.user_id)
    assert summary is not None
    assert (summary.number, summary.method, summary.total) == (order["orderNumber"], "COD", 35_200)
    assert (summary.delivery_fee, summary.refunded) == (8_200, 0), "all that is not goods less discounts"
    assert [(line.product_id, line.quantity, line.total) for line in summary.lines] == [(mango, 1, 30_000)]
    stranger = await shop.buyer()
    assert await shop.app.services.get(ORDERS).summary(shop.db, order["id"], stranger.user_id) is None


async def test_a_line_is_sold_for_what_names_it(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    """Its price, less its own rebate, with its own deposit. What names nothing is of the goods or beside them."""
    pear = await shop.product(paise=10_000, name="Pear")

    def named(phase: Phase, code: str, amount: int) -> tuple[str, Extends[Any]]:
        charge = Charge(code=code, label=code.title(), amount=Paise(amount), product_id=mango)
        return "extra", Extends(PRICE_ADJUSTERS, PriceAdjuster(phase=phase, adjust=lambda _: (charge,)))

    others = (named(Phase.DISCOUNT, "rebate", -12_000), named(Phase.FEE, "deposit", 500), *TAXED[:2])
    wish = body(mango)
    wish["items"].append({"productId": str(pear), "quantity": 2})
    await placed(placing_of(shop.app, shop.catalog, *others), buyer, wish)
    (order,) = (await shop.app.get("/orders", as_=buyer)).data["orders"]
    summary = await shop.app.services.get(ORDERS).summary(shop.db, order["id"])
    assert summary is not None
    assert [(line.product_id, line.total) for line in summary.lines] == [(mango, 18_500), (pear, 20_000)]
    assert (summary.delivery_fee, summary.total) == (2_550, 36_050), "5,000 less for the festival"


async def test_an_expected_total_is_the_one_with_all_lines(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placing = placing_of(shop.app, shop.catalog, *TAXED)
    with pytest.raises(Problem) as refused:
        await placed(placing, buyer, body(mango, expectedTotal=340))
    assert refused.value.details == {"expectedTotal": 340, "total": 352}
    assert '"total":352' in await placed(placing, buyer, body(mango, expectedTotal=352))


async def test_an_order_that_anothers_check_refuses_takes_nothing(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    async def served(wish: Purchase) -> Sequence[CheckoutProblem]:
        return () if wish.pin_code == "411002" else (CheckoutProblem(code=FAR, remedy="Choose another address."),)

    placing = placing_of(shop.app, shop.catalog, ("area", Extends(CHECKOUT_CHECKS, served)))
    with pytest.raises(Problem) as refused:
        await placed(placing, buyer, body(mango))
    assert refused.value.code is FAR
    assert await shop.stock(mango) == 100


async def test_without_a_plugin_that_collects_it_only_cash_is_taken(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placing = placing_of(shop.app, shop.catalog)
    with pytest.raises(Problem) as refused:
        await placed(placing, buyer, body(mango, paymentMethod="upi"))
    assert (refused.value.code, refused.value.details) == (METHOD_NOT_OFFERED, {"method": "UPI"})
    assert await shop.stock(mango) == 100
    await placed(placing, buyer, body(mango))
    collecting = placing_of(shop.app, shop.catalog, *collector(lambda: frozenset({"UPI"})))
    assert '"PROCESSING"' in await placed(collecting, buyer, body(mango, paymentMethod="upi"))
    with pytest.raises(Problem):
        await placed(collecting, buyer, body(mango, paymentMethod="card"))


def collector(offered: Any) -> tuple[tuple[str, Extends[Any]]]:
    class Methods:
        def offered(self) -> Any:
            return offered()

    return (("pay", Extends(PAYMENT_METHODS, Methods())),)


@pytest.mark.parametrize("offered", [lambda: 1 // 0, lambda: None], ids=["raises", "nothing"])
async def test_a_plugin_that_cannot_say_what_it_collects_collects_nothing(
    shop: Shop, buyer: Buyer, mango: ProductId, offered: Any
) -> None:
    placing = placing_of(shop.app, shop.catalog, *collector(offered))
    with pytest.raises(Problem) as refused:
        await placed(placing, buyer, body(mango, paymentMethod="upi"))
    assert refused.value.code is METHOD_NOT_OFFERED
