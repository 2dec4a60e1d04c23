"""Orders and their sums are counted once they are committed, and once only."""

from uuid import uuid4

from core.testing import TestApp
from plugins.product.ports import ProductId
from tests.people import NewCustomer
from tests.plugins.order.conftest import Buyer, Shop, body


def counted(app: TestApp, name: str, *labels: str) -> float:
    return dict(app.app.figures.of(name))[labels]


async def test_an_order_its_total_and_its_states_are_counted_once(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    app, key = shop.app, str(uuid4())
    names = [("order_placed_total", "COD"), ("order_placed_paise_total", "COD"), ("order_placed_total", "CARD"),
             ("order_states_total", "PENDING"), ("order_states_total", "CONFIRMED")]  # fmt: skip
    before = [counted(app, *name) for name in names]
    first = await shop.place(buyer, body(mango, 2), key=key)
    again = await shop.place(buyer, body(mango, 2), key=key)
    assert (first.status, again.headers["X-Idempotent-Replayed"]) == (201, "true")
    await app.quiet()
    assert [counted(app, *name) - was for name, was in zip(names, before, strict=True)] == [1, 60_000, 0, 1, 1]


async def test_an_order_that_was_refused_is_not_counted(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    before = shop.app.app.figures.of("order_placed_total")
    assert (await shop.place(buyer, body(mango, 99))).status >= 400
    assert (await shop.place(buyer, body(uuid4()))).status >= 400
    assert shop.app.app.figures.of("order_placed_total") == before


async def test_cancelling_twice_counts_one_move(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    order = await shop.ordered(buyer, mango, paymentMethod="UPI")
    before = counted(shop.app, "order_states_total", "CANCELLED")
    for _ in range(2):
        assert (await shop.app.post(f"/orders/{order['id']}/cancel", json={}, as_=buyer)).status == 200
    assert counted(shop.app, "order_states_total", "CANCELLED") == before + 1


async def test_signing_in_and_messages_are_counted(app: TestApp, new_customer: NewCustomer) -> None:
    sent, signed = counted(app, "user_codes_sent_total", "sent"), counted(app, "user_sign_ins_total", "ok")
    refused = counted(app, "user_sign_ins_total", "refused")
    customer = await new_customer()
    assert counted(app, "user_codes_sent_total", "sent") >= sent + 1
    assert counted(app, "user_sign_ins_total", "ok") == signed + 1
    wrong = await app.post("/auth/verify-otp", json={"phone": customer.phone, "otp": "000000"})
    assert wrong.status == 400
    assert counted(app, "user_sign_ins_total", "refused") == refused + 1
    assert {labels[0] for labels, _ in app.app.figures.of("notification_sent_total")} == {"push", "sms", "email"}
