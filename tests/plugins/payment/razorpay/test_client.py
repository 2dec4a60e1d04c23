"""What goes wrong on the way to Razorpay, in the domain's words, and what its breaker makes of it."""

import logging
import time
from contextlib import suppress

import attrs
import pytest
from aiohttp import web

from core.resilience.breaker import Breakers, State
from core.settings import Secret
from plugins.payment.ports import Intent, ProviderAway, ProviderError, ProviderRefused, Way
from plugins.payment.razorpay.client import MAX_ANSWER
from plugins.payment.razorpay.provider import RazorpayProvider, build
from plugins.payment.settings import PaymentSettings
from tests.providers import server
from tests.providers.razorpay import KEY_SECRET, Razorpay
from tests.providers.server import Provider


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (500, "unavailable"),
        (502, "unavailable"),
        (429, "throttled"),
        (409, "under_way"),
        (401, "misconfigured"),
        (302, "garbage"),
        (server.DROP, "unreachable"),
        (server.HANG, "timeout"),
        (server.GARBAGE, "garbage"),
    ],
)
async def test_trouble_may_pass(
    account: Razorpay, provider: RazorpayProvider, intent: Intent, fault: str | int, reason: str
) -> None:
    account.fault = fault
    with pytest.raises(ProviderAway) as away:
        await provider.create(intent)
    assert away.value.reason == reason
    account.fault = None
    assert (await provider.create(intent)).gateway_order_id in account.book.orders


async def test_wrong_keys_are_an_operators_matter(settings: PaymentSettings, intent: Intent) -> None:
    built = build(attrs.evolve(settings, razorpay_key_secret=Secret("another")), Breakers())
    async with built.opened():
        with pytest.raises(ProviderAway) as away:
            await built.create(intent)
    assert away.value.reason == "misconfigured"


async def test_a_refusal_keeps_the_code_and_no_text(provider: RazorpayProvider, account: Razorpay) -> None:
    with pytest.raises(ProviderRefused) as refused:
        await provider.fetch("order_unknown")
    assert str(refused.value) == "razorpay: input_validation_failed"
    account.fault = 400
    with pytest.raises(ProviderRefused) as plain:
        await provider.fetch("order_unknown")
    assert plain.value.reason == "server_error"


async def test_nobody_there_is_no_answer(settled: PaymentSettings, intent: Intent) -> None:
    built = build(settled, Breakers())
    with pytest.raises(ProviderAway) as closed:
        await built.create(intent)
    assert closed.value.reason == "not_open"
    async with built.opened():
        with pytest.raises(ProviderAway) as away:
            await built.create(intent)
    assert away.value.reason == "unreachable"


async def test_several_calls_share_one_budget(account: Razorpay, provider: RazorpayProvider, intent: Intent) -> None:
    account.delay = 0.3
    began = time.monotonic()
    with pytest.raises(ProviderAway) as away:
        await provider.create(attrs.evolve(intent, way=Way.UPI_INTENT))
    assert away.value.reason == "timeout"
    assert time.monotonic() - began < 5


async def test_what_has_no_time_left_is_not_asked(account: Razorpay, provider: RazorpayProvider) -> None:
    with pytest.raises(ProviderAway) as away:
        await provider._client.get("/orders", provider._client.until() - 1)
    assert (away.value.reason, account.calls) == ("timeout", 0)


async def test_an_account_that_is_down_is_left_alone(
    account: Razorpay, provider: RazorpayProvider, breakers: Breakers, intent: Intent
) -> None:
    account.fault = 500
    for _ in range(5):
        with pytest.raises(ProviderAway):
            await provider.create(intent)
    calls = account.calls
    with pytest.raises(ProviderAway) as away:
        await provider.create(intent)
    assert (away.value.reason, account.calls) == ("resting", calls)
    assert breakers.states["razorpay"] is State.OPEN


async def test_refusals_do_not_open_the_breaker(provider: RazorpayProvider, breakers: Breakers) -> None:
    for _ in range(12):
        with pytest.raises(ProviderRefused):
            await provider.fetch("order_unknown")
    assert breakers.states["razorpay"] is State.CLOSED


async def test_nothing_secret_is_logged(
    account: Razorpay, provider: RazorpayProvider, intent: Intent, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for fault in (None, 500, 400, server.DROP, server.GARBAGE):
            account.fault = fault
            with suppress(ProviderError):
                await provider.create(attrs.evolve(intent, way=Way.UPI_COLLECT, upi_id="asha@upi"))
    for secret in (KEY_SECRET, "asha@upi", "9876543210"):
        assert secret not in caplog.text


class Odd(Provider):
    """Answers what no Razorpay would."""

    answer: object = None

    def routes(self) -> list[web.RouteDef]:
        """Any."""
        return [web.route("*", "/{any:.*}", self._say)]

    async def _say(self, _: web.Request) -> web.Response:
        return web.json_response(self.answer)


ODD = [
    [],
    {},
    {"items": 1},
    {"items": ["order"]},
    {"items": [], "id": 5},
    {"items": [], "id": "../x"},
    {"items": [], "id": "order_1", "link": "http://x"},
    {"items": [{"id": "pay_1", "order_id": "order_1", "status": "captured", "amount": 1.5, "currency": "INR"}]},
    {"items": [{"id": "rfnd_1", "payment_id": "pay_1", "status": "odd", "amount": 100, "currency": "INR"}]},
    {"items": [], "pad": "x" * MAX_ANSWER},
]


@pytest.mark.parametrize("answer", ODD, ids=range(len(ODD)))
async def test_odd_answers_are_no_facts(settings: PaymentSettings, intent: Intent, answer: object) -> None:
    odd = Odd()
    odd.answer = answer
    async with odd.running():
        built = build(attrs.evolve(settings, razorpay_url=odd.url), Breakers())
        async with built.opened():
            told: list[object] = []
            for ask in (built.create(attrs.evolve(intent, way=Way.UPI_INTENT)), built.fetch("o"), built.refunds("p")):
                try:
                    told.append(await ask)
                except ProviderAway:
                    told.append([])
    assert told == [[], [], []]
