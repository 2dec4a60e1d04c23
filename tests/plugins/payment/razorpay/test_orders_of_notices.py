"""Whatever Razorpay tells, in whatever order and however often: payments go forward only and end where they are."""

import random

from hypothesis import given
from hypothesis import strategies as st

from plugins.payment.ports import AttemptState
from plugins.payment.razorpay.notices import verify
from plugins.payment.states import FORWARD, State, after
from tests.providers.razorpay_book import Book, Refusal
from tests.providers.razorpay_webhooks import SECRET, headers

DEEDS = st.lists(
    st.sampled_from(("pay", "decline", "authorize", "capture", "refund", "auto_refund")), min_size=1, max_size=14
)
AMOUNT = {"amount": 500, "currency": "INR"}


def lived(deeds: list[str], chance: random.Random) -> Book:
    """An order to which such things happened; what Razorpay refuses did not happen."""
    book = Book()
    order = book.create_order(AMOUNT)
    for deed in deeds:
        payments = list(book.payments)
        try:
            if deed == "pay":
                book.pay({"order_id": order["id"], "amount": 500}, "upi")
            elif payments:
                _do(book, deed, chance.choice(payments))
        except Refusal:
            pass
    return book


def _do(book: Book, deed: str, payment_id: str) -> None:
    status = book.payments[payment_id]["status"]
    if deed == "capture":
        book.capture(payment_id, AMOUNT)
    elif deed == "refund":
        book.refund(payment_id, {"amount": 200})
    elif deed == "auto_refund":
        book.auto_refund(payment_id)
    elif deed == "decline" and status == "created":
        book.decline(payment_id)
    elif deed == "authorize" and status in ("created", "failed"):
        book.authorize(payment_id)


@given(deeds=DEEDS, seed=st.integers(0, 2**32), repeats=st.integers(1, 3))
def test_every_order_of_notices_ends_in_the_same_state(deeds: list[str], seed: int, repeats: int) -> None:
    chance = random.Random(seed)
    book = lived(["pay", *deeds], chance)
    delivered = [event for event in book.events for _ in range(repeats)]
    chance.shuffle(delivered)
    state, seen = State.STARTED, [State.STARTED]
    for event in delivered:
        notice = verify(event.body, headers(event), [SECRET])
        assert notice.attempt or notice.refund
        state = after(state, notice.attempt.state) if notice.attempt else state
        seen.append(state)
    places = [FORWARD.index(one) for one in seen]
    assert places == sorted(places)
    assert state is truth(book)


def truth(book: Book) -> State:
    """By what happened, not by what was told: the furthest that any attempt ever came."""
    state = State.STARTED
    for event in book.events:
        attempt = verify(event.body, headers(event), [SECRET]).attempt
        if attempt is not None:
            state = max(state, after(State.STARTED, attempt.state), key=FORWARD.index)
    assert (state is State.CAPTURED) is any(payment["captured"] for payment in book.payments.values())
    return state


@given(notices=st.lists(st.sampled_from(AttemptState), max_size=30), seed=st.integers(0, 2**32))
def test_news_of_attempts_may_come_in_any_order(notices: list[AttemptState], seed: int) -> None:
    mixed = random.Random(seed).sample(notices, len(notices))
    ends = []
    for order in (notices, mixed, mixed * 2):
        state = State.CREATED
        for one in order:
            later = after(state, one)
            assert FORWARD.index(later) >= FORWARD.index(state)
            state = later
        ends.append(state)
    assert len(set(ends)) == 1
