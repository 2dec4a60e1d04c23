"""The state machine, walked at random, and the words that people use for its states."""

from itertools import product

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from plugins.order.standing import Actor, Method, Payment, State, Status
from plugins.order.states import LABELS, METHOD_NAMES, WORDS, key, meanings, target
from plugins.order.transitions import FORWARD, Machine, NotAllowed

MACHINE = Machine()
MOVES = {status: MACHINE.moves(status) for status in Status}
OWNER_CANCELS = MACHINE.starts(Status.CANCELLED, Actor.CUSTOMER)
advance, pay = MACHINE.advance, MACHINE.pay
EVERY = [State(*parts) for parts in product(Status, Method, Payment)]


class OrderLife(RuleBasedStateMachine):
    """Any news in any order: what can never be true never is."""

    @initialize(method=st.sampled_from(Method))
    def place(self, method: Method) -> None:
        waiting = Payment.PENDING if method is Method.COD else Payment.PROCESSING
        self.state = State(Status.PENDING, method, waiting)
        self.seen = [self.state]

    @rule(to=st.sampled_from(Status))
    def move(self, to: Status) -> None:
        try:
            self.state = advance(self.state, to)
        except NotAllowed:
            return
        self.seen.append(self.state)

    @rule(to=st.sampled_from(Payment))
    def hear(self, to: Payment) -> None:
        self.state = pay(self.state, to)
        self.seen.append(self.state)

    @invariant()
    def nothing_is_prepared_unsettled(self) -> None:
        if not hasattr(self, "state"):
            return
        inside = {Status.CONFIRMED, Status.PROCESSING, Status.READY_FOR_PICKUP, Status.OUT_FOR_DELIVERY}
        if self.state.status in inside and self.state.payment is not Payment.REFUNDED:
            assert self.state.settled

    @invariant()
    def payments_never_move_back(self) -> None:
        ranks = [FORWARD.index(state.payment) for state in getattr(self, "seen", [])]
        assert ranks == sorted(ranks)

    @invariant()
    def the_cancelled_never_return(self) -> None:
        statuses = [state.status for state in getattr(self, "seen", [])]
        if Status.CANCELLED in statuses:
            assert {*statuses[statuses.index(Status.CANCELLED) :]} <= {Status.CANCELLED, Status.REFUNDED}


TestOrderLife = OrderLife.TestCase


@pytest.mark.parametrize("to", Status)
def test_a_move_is_in_the_table_or_refused(to: Status) -> None:
    for state in EVERY:
        refused = (to is Status.CONFIRMED and not state.settled) or (to is Status.REFUNDED and not state.paid)
        if refused or to not in MOVES[state.status]:
            with pytest.raises(NotAllowed):
                advance(state, to)
            continue
        after = advance(state, to)
        assert (after.status, after.method) == (to, state.method)
        if to is Status.REFUNDED:
            assert after.payment is Payment.REFUNDED
        elif to is Status.DELIVERED and state.method is Method.COD:
            given_back = state.payment in {Payment.PARTIALLY_REFUNDED, Payment.REFUNDED}
            assert after.payment is (state.payment if given_back else Payment.COMPLETED)
        else:
            assert after.payment is state.payment


@pytest.mark.parametrize("to", Payment)
def test_news_of_a_payment_counts_if_it_is_new_and_confirms_what_waited_for_it(to: Payment) -> None:
    for state in EVERY:
        if FORWARD.index(to) <= FORWARD.index(state.payment):
            assert pay(state, to) is state
            continue
        paid = to in {Payment.COMPLETED, Payment.PARTIALLY_REFUNDED}
        confirmed = paid and state.status is Status.PENDING
        assert pay(state, to) == State(Status.CONFIRMED if confirmed else state.status, state.method, to)


def test_the_shop_holds_the_money_or_gets_it_at_the_door() -> None:
    for state in EVERY:
        assert state.paid == (state.payment in {Payment.COMPLETED, Payment.PARTIALLY_REFUNDED})
        assert state.settled == (state.paid or state.method is Method.COD)


def test_payments_have_one_way_to_go() -> None:
    assert " ".join(FORWARD) == "PENDING PROCESSING FAILED COMPLETED PARTIALLY_REFUNDED REFUNDED"


def test_an_order_has_these_moves_and_no_others() -> None:
    assert {f"{start} {end}" for start, ends in MOVES.items() for end in ends} == {
        "PENDING CONFIRMED",
        "PENDING CANCELLED",
        "CONFIRMED PROCESSING",
        "CONFIRMED CANCELLED",
        "PROCESSING READY_FOR_PICKUP",
        "PROCESSING OUT_FOR_DELIVERY",
        "PROCESSING CANCELLED",
        "READY_FOR_PICKUP OUT_FOR_DELIVERY",
        "READY_FOR_PICKUP CANCELLED",
        "OUT_FOR_DELIVERY DELIVERED",
        "DELIVERED REFUNDED",
        "CANCELLED REFUNDED",
    }


def test_every_status_has_its_moves_and_only_refunded_is_an_end() -> None:
    assert set(MOVES) == set(Status)
    assert [status for status in Status if not MOVES[status]] == [Status.REFUNDED]


def test_an_unpaid_online_order_is_not_confirmed() -> None:
    with pytest.raises(NotAllowed, match=r"^not paid yet$"):
        advance(State(Status.PENDING, Method.UPI, Payment.FAILED), Status.CONFIRMED)


def test_a_move_that_is_not_there_is_named() -> None:
    with pytest.raises(NotAllowed, match=r"^DELIVERED -> PENDING$"):
        advance(State(Status.DELIVERED, Method.COD, Payment.COMPLETED), Status.PENDING)


def test_refunding_needs_money() -> None:
    with pytest.raises(NotAllowed, match=r"^nothing was paid$"):
        advance(State(Status.CANCELLED, Method.UPI, Payment.FAILED), Status.REFUNDED)
    after = advance(State(Status.CANCELLED, Method.UPI, Payment.COMPLETED), Status.REFUNDED)
    assert after.payment is Payment.REFUNDED


def test_cash_is_paid_on_delivery() -> None:
    assert advance(State(Status.OUT_FOR_DELIVERY, Method.COD, Payment.PENDING), Status.DELIVERED).payment is (
        Payment.COMPLETED
    )


def test_each_status_has_three_words() -> None:
    assert {status.value: f"{key(status)} {LABELS[status]}" for status in Status} == {
        "PENDING": "processing Pending",
        "CONFIRMED": "processing Pending",
        "PROCESSING": "processing Processing",
        "READY_FOR_PICKUP": "processing Processing",
        "OUT_FOR_DELIVERY": "in_transit Shipped",
        "DELIVERED": "delivered Delivered",
        "CANCELLED": "cancelled Cancelled",
        "REFUNDED": "cancelled Refunded",
    }
    assert {*WORDS} == {word for status in Status for word in (status.value, LABELS[status], key(status))}


def test_the_app_says_these_ways_of_paying() -> None:
    assert " ".join(Method) == "COD UPI CARD NET_BANKING WALLET"
    assert METHOD_NAMES == {
        "creditCard": "CARD",
        "debitCard": "CARD",
        "netBanking": "NET_BANKING",
        "netbanking": "NET_BANKING",
    }


def test_customers_cancel_what_nobody_packs_yet() -> None:
    assert {status for status in Status if status in OWNER_CANCELS} == {Status.PENDING, Status.CONFIRMED}


@pytest.mark.parametrize(
    ("word", "statuses"),
    [
        ("PROCESSING", {Status.PROCESSING}),
        ("Processing", {Status.PROCESSING, Status.READY_FOR_PICKUP}),
        ("processing", {Status.PENDING, Status.CONFIRMED, Status.PROCESSING, Status.READY_FOR_PICKUP}),
        ("Pending", {Status.PENDING, Status.CONFIRMED}),
        ("in_transit", {Status.OUT_FOR_DELIVERY}),
        ("Shipped", {Status.OUT_FOR_DELIVERY}),
        ("delivered", {Status.DELIVERED}),
        ("cancelled", {Status.CANCELLED, Status.REFUNDED}),
    ],
)
def test_a_filter_word_means_what_its_screen_shows(word: str, statuses: set[Status]) -> None:
    assert {*meanings(word)} == statuses


@pytest.mark.parametrize("word", WORDS)
def test_every_word_means_something_and_leads_staff_to_a_status_that_it_shows(word: str) -> None:
    assert meanings(word)
    for state in EVERY:
        to = target(state, word)
        if to is not None:
            assert word.casefold() in {to.value.casefold(), LABELS[to].casefold(), key(to).casefold()}


def test_a_word_for_where_the_order_is_moves_nothing() -> None:
    ready = State(Status.READY_FOR_PICKUP, Method.COD, Payment.PENDING)
    assert target(ready, "processing") is target(ready, "Processing") is None
    assert target(ready, "PROCESSING") is Status.PROCESSING
    assert target(ready, "Shipped") is target(ready, "in_transit") is Status.OUT_FOR_DELIVERY


@pytest.mark.parametrize("payment", [Payment.PARTIALLY_REFUNDED, Payment.REFUNDED])
def test_cash_at_the_door_takes_no_refund_back(payment: Payment) -> None:
    assert advance(State(Status.OUT_FOR_DELIVERY, Method.COD, payment), Status.DELIVERED).payment is payment
