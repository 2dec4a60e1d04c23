"""Saved ways to pay: tokens and four digits; card numbers and security codes are never even taken (CONTRACT C.10)."""

import asyncio
from typing import Any

import pytest

from core.testing import Answer, TestApp
from tests.plugins.order.conftest import Buyer

CARD = {"type": "creditCard", "token": "token_4lsdksD31GaZ09", "cardNumber": "•••• 1111", "cardType": "visa"}
UPI = {"type": "upi", "upiId": "asha.rao@okbank"}
DUMP = "SELECT coalesce(string_agg(m::text, ' '), '') FROM payments.methods m"
KEPT = "SELECT coalesce(string_agg(o::text, ' '), '') FROM kernel.operations o"


async def add(app: TestApp, who: Buyer, **body: Any) -> Answer:
    """POST /payment-methods."""
    return await app.post("/payment-methods", json=body, as_=who)


async def mine(app: TestApp, who: Buyer) -> list[dict[str, Any]]:
    """GET /payment-methods."""
    found: list[dict[str, Any]] = (await app.get("/payment-methods", as_=who)).data["paymentMethods"]
    return found


async def test_what_is_kept_is_shown_masked(app: TestApp, buyer: Buyer) -> None:
    card = (await add(app, buyer, **CARD)).data["paymentMethod"]
    assert (card["cardNumber"], card["cardType"], card["isDefault"]) == ("•••• 1111", "visa", True)
    upi = (await add(app, buyer, **UPI)).data["paymentMethod"]
    assert (upi["upiId"], upi["isDefault"]) == ("as***@okbank", False)
    wallet = await add(app, buyer, type="wallet", walletType="paytm", walletNumber="9876543210", token="wt_1")
    assert wallet.data["paymentMethod"]["walletNumber"] == "•••• 3210"
    bank = await add(app, buyer, type="netBanking", bankName="State Bank")
    assert bank.data["paymentMethod"]["bankName"] == "State Bank"
    assert (await add(app, buyer, type="cod", isDefault=True)).data["paymentMethod"]["isDefault"] is True
    assert [one["type"] for one in await mine(app, buyer)] == ["cod", "netBanking", "wallet", "upi", "creditCard"]
    whole = (await app.get("/payment-methods", as_=buyer)).body.decode()
    assert "token_4lsd" not in whole
    assert "asha" not in whole
    assert "9876543210" not in whole


@pytest.mark.parametrize(
    "body",
    [
        CARD | {"cvv": "123"},
        CARD | {"cardNumber": "4111 1111 1111 1111"},
        CARD | {"cardNumber": "4111111111111111"},
        CARD | {"token": "4111111111111111"},
        CARD | {"token": "4111-1111-1111-1111"},
        UPI | {"cardNumber": "4111111111111111"},
        {"type": "cod", "cvv": "123"},
    ],
    ids=["cvv", "number", "no spaces", "as token", "as dashed token", "beside a UPI ID", "cvv of cash"],
)
async def test_card_data_is_refused_and_kept_nowhere(
    app: TestApp, buyer: Buyer, body: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await app.post("/payment-methods", json=body, as_=buyer, headers={"X-Idempotency-Key": "card"})
    assert (answer.status, answer.code) == (422, "CARD_DATA")
    assert b"4111" not in answer.body
    assert await mine(app, buyer) == []
    for dump in (await app.db.fetchval(DUMP), await app.db.fetchval(KEPT), capfd.readouterr().out):
        assert "4111" not in dump.replace(" ", "").replace("-", "")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "creditCard"},
        {"type": "creditCard", "token": "t_1"},
        {"type": "upi"},
        {"type": "upi", "upiId": "nobody"},
        {"type": "wallet"},
        {"type": "cheque"},
        {},
    ],
    ids=["bare card", "card without digits", "bare upi", "no upi id", "bare wallet", "unknown", "nothing"],
)
async def test_what_lacks_something_is_refused(app: TestApp, buyer: Buyer, body: dict[str, Any]) -> None:
    assert (await add(app, buyer, **body)).status == 400


async def test_the_default_moves_and_is_followed_by_the_newest(app: TestApp, buyer: Buyer) -> None:
    ids = [(await add(app, buyer, **UPI)).data["paymentMethod"]["id"] for _ in range(3)]
    assert [one["isDefault"] for one in await mine(app, buyer)] == [True, False, False]
    answer = await app.post(f"/payment-methods/{ids[1]}/default", as_=buyer)
    assert answer.data["paymentMethod"]["isDefault"] is True
    assert (await app.post(f"/payment-methods/{ids[1]}/default", as_=buyer)).status == 200
    assert (await app.delete(f"/payment-methods/{ids[1]}", as_=buyer)).status == 200
    assert [(one["id"], one["isDefault"]) for one in await mine(app, buyer)] == [(ids[2], True), (ids[0], False)]
    assert (await app.delete(f"/payment-methods/{ids[1]}", as_=buyer)).status == 404


async def test_nobody_reaches_anothers(app: TestApp, buyer: Buyer, staff: Buyer) -> None:
    own = (await add(app, buyer, **UPI)).data["paymentMethod"]["id"]
    assert (await app.delete(f"/payment-methods/{own}", as_=staff)).status == 404
    assert (await app.post(f"/payment-methods/{own}/default", as_=staff)).status == 404
    assert await mine(app, staff) == []


async def test_there_are_ten_at_most_and_one_default_whoever_comes_at_once(app: TestApp, buyer: Buyer) -> None:
    answers = await asyncio.gather(*(add(app, buyer, **UPI, isDefault=True) for _ in range(12)))
    assert sorted({answer.status for answer in answers} - {503}) in ([201], [201, 422])
    while (last := await add(app, buyer, **UPI)).status == 201:
        pass
    assert last.code == "PAYMENT_METHODS"
    found = await mine(app, buyer)
    assert (len(found), sum(one["isDefault"] for one in found)) == (10, 1)
