"""Webhooks: what proves them, what they say, and what is never believed or kept."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.payment.ports import AttemptState, NoticeForged, RefundState
from plugins.payment.razorpay import notices
from plugins.payment.razorpay.notices import read, verify
from plugins.payment.razorpay.reading import MOST
from tests.providers.razorpay_book import Book, Event
from tests.providers.razorpay_webhooks import FORGED, SECRET, headers, sign

NEXT = "whsec-" + "n" * 32
PERSON = ("asha@example.com", "9876543210", "asha@upi")


def book_of_a_payment() -> Book:
    """One payment from its order to a refund that failed at first."""
    book = Book()
    book.instant_refunds = False
    order = book.create_order({"amount": 29_700, "currency": "INR"})
    asked = {"order_id": order["id"], "amount": 29_700, "email": PERSON[0], "contact": PERSON[1]}
    payment = book.pay(asked, "upi", {"vpa": PERSON[2]})
    book.decline(payment["id"], "payment_timed_out")
    book.authorize(payment["id"])
    book.capture(payment["id"], {"amount": 29_700, "currency": "INR"})
    book.settle(book.refund(payment["id"], {"amount": 700})["id"], ok=False)
    book.settle(book.refund(payment["id"], {})["id"])
    return book


def event(name: str) -> Event:
    return next(one for one in book_of_a_payment().events if one.name == name)


CAPTURED = event("payment.captured")


def body(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A captured payment's webhook, changed."""
    value = orjson.loads(CAPTURED.body)
    change(value)
    return orjson.dumps(value)


def test_every_event_of_a_payment_is_read() -> None:
    told = [verify(one.body, headers(one), [SECRET]) for one in book_of_a_payment().events]
    assert [(one.kind, one.attempt and one.attempt.state, one.refund and one.refund.state) for one in told] == [
        ("payment.failed", AttemptState.FAILED, None),
        ("payment.authorized", AttemptState.AUTHORIZED, None),
        ("payment.captured", AttemptState.CAPTURED, None),
        ("order.paid", AttemptState.CAPTURED, None),
        ("refund.created", None, RefundState.PENDING),
        ("refund.failed", None, RefundState.FAILED),
        ("refund.created", None, RefundState.PENDING),
        ("refund.processed", None, RefundState.PROCESSED),
    ]
    assert len({one.event_id for one in told}) == len(told)
    assert told[0].attempt is not None
    assert (told[0].attempt.method, told[0].attempt.reason) == ("UPI", "payment_timed_out")
    assert not any(person in repr(one) for one in told for person in PERSON)


def test_an_event_is_known_by_its_signed_body_not_by_a_header() -> None:
    one = CAPTURED
    first = verify(one.body, headers(one), [SECRET])
    other = verify(one.body, headers(attrs.evolve(one, id="another")), [SECRET])
    assert first.event_id == other.event_id == hashlib.sha256(one.body).hexdigest()


@pytest.mark.parametrize("live", [[SECRET], [SECRET, NEXT], [NEXT, SECRET]], ids=["one", "old first", "old last"])
def test_each_live_secret_proves(live: list[str]) -> None:
    one = CAPTURED
    assert verify(one.body, headers(one), live).kind == one.name
    names = {name.upper(): value for name, value in headers(one).items()}
    assert verify(one.body, names, live).kind == one.name


@pytest.mark.parametrize(
    "given_headers",
    [
        {},
        {"X-Razorpay-Signature": ""},
        {"X-Razorpay-Signature": "é" * 64},
        {"X-Razorpay-Signature": "\udcff"},
        headers(CAPTURED, FORGED),
    ],
    ids=["none", "empty", "not ascii", "no text", "wrong secret"],
)
def test_without_a_proof_nothing_is_read(given_headers: Mapping[str, str]) -> None:
    with pytest.raises(NoticeForged) as forged:
        verify(CAPTURED.body, given_headers, [SECRET])
    assert forged.value.reason == "signature"


def test_without_a_live_secret_nothing_is_believed() -> None:
    one = CAPTURED
    with pytest.raises(NoticeForged):
        verify(one.body, headers(one), [])


@given(data=st.data())
def test_no_altered_byte_passes(data: st.DataObject) -> None:
    one = CAPTURED
    at = data.draw(st.integers(0, len(one.body) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != one.body[at]))
    altered = one.body[:at] + bytes([byte]) + one.body[at + 1 :]
    with pytest.raises(NoticeForged):
        verify(altered, headers(one), [SECRET])


@given(raw=st.binary(max_size=300))
def test_signed_rubbish_is_refused_and_never_a_crash(raw: bytes) -> None:
    with pytest.raises(NoticeForged):
        verify(raw, {"X-Razorpay-Signature": sign(raw, SECRET)}, [SECRET])


def entity(**changes: object) -> bytes:
    return body(lambda value: value["payload"]["payment"]["entity"].update(changes))


@pytest.mark.parametrize(
    "raw",
    [
        entity(amount="29700"),
        entity(amount=True),
        entity(amount=0),
        entity(amount=-1),
        entity(amount=1.0),
        entity(amount=MOST + 1),
        entity(currency=None),
        entity(status="odd"),
        entity(id="../x"),
        entity(order_id=5),
        entity(method=None),
        body(lambda value: value["payload"].update(payment={"entity": None})),
        body(lambda value: value["payload"].clear()),
        body(lambda value: value["payload"].update(payment=[])),
        body(lambda value: value.update(payload=[])),
        body(lambda value: value.update(event="refund.processed")),
        body(lambda value: value.update(event=5)),
        body(lambda value: value.update(event="e" * 61)),
        body(lambda value: value.pop("event")),
        body(
            lambda value: value.update(
                event="refund.failed", payload={"refund": {"entity": {"id": "rfnd_1", "status": "odd"}}}
            )
        ),
    ],
)
def test_a_body_that_is_not_as_documented_is_refused(raw: bytes) -> None:
    with pytest.raises(NoticeForged):
        read(raw)


def test_events_of_other_things_say_nothing() -> None:
    dispute = read(body(lambda value: value.update(event="payment.dispute.created")))
    assert (dispute.attempt, dispute.refund) == (None, None)
    assert read(b'{"event":"payment.downtime.started"}').attempt is None
    assert read(entity(order_id=None)).attempt is None


def test_a_reason_is_a_short_code_or_none() -> None:
    for said, kept in (
        ("Call Asha on 98765", "failed"),
        (None, "failed"),
        ("x" * 61, "failed"),
        ("otp_bad", "otp_bad"),
    ):
        attempt = read(entity(status="failed", error_reason=said)).attempt
        assert attempt is not None
        assert attempt.reason == kept


@pytest.mark.parametrize("receipt", ["no id", None, 5])
def test_a_refund_that_people_made_has_no_id_of_ours(receipt: object) -> None:
    value = orjson.loads(event("refund.processed").body)
    value["payload"]["refund"]["entity"]["receipt"] = receipt
    refund = read(orjson.dumps(value)).refund
    assert refund is not None
    assert refund.refund_id is None


def test_every_secret_is_tried_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def mac(raw: bytes, secret: str) -> bytes:
        tried.append(secret)
        return sign(raw, secret).encode()

    monkeypatch.setattr(notices, "mac", mac)
    one = CAPTURED
    verify(one.body, headers(one), [SECRET, NEXT])
    assert tried == [SECRET, NEXT]
