"""A provider in this process: it keeps orders, attempts and refunds in memory, and does what tests tell it to."""

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID

import attrs
import orjson

from core.convert import wire
from core.errors import Problem
from core.extensions import Extends
from core.hookspecs import hookimpl
from core.kernel import Kernel, Manifest
from core.services import Provided
from core.types import Paise, uuid7
from plugins.payment.ports import (
    PAYMENT_PROVIDERS,
    Attempt,
    AttemptState,
    Intent,
    Notice,
    NoticeForged,
    ProviderAway,
    ProviderError,
    ProviderRefused,
    RefundNews,
    RefundOrder,
    RefundState,
    Started,
    Way,
)

SECRET = b"fake"
SIGNATURE = "x-fake-signature"


class FakeProvider:
    """Speaks `Provider`. `failing` is raised by the next calls of a method, one each."""

    name = "fake"
    methods = frozenset({"UPI", "CARD"})

    def __init__(self) -> None:
        self.intents: dict[str, Intent] = {}
        """By gateway order."""
        self.asked: list[Intent] = []
        self.attempts: dict[str, Attempt] = {}
        self.refunded: dict[UUID, RefundNews] = {}
        self.failing: dict[str, list[ProviderError]] = {}
        self.calls: Counter[str] = Counter()
        self.refund_state = RefundState.PROCESSED
        self.is_open = False
        self.answering = asyncio.Event()
        """Cleared: what `fetch` has found is not answered before it is set."""
        self.answering.set()

    def opened(self) -> AbstractAsyncContextManager[None]:
        """While the app serves."""

        @asynccontextmanager
        async def context() -> AsyncIterator[None]:
            self.is_open = True
            yield
            self.is_open = False

        return context()

    def away(self, method: str, times: int = 1) -> None:
        """The next calls get no answer."""
        self.failing.setdefault(method, []).extend(ProviderAway(self.name, "timeout") for _ in range(times))

    def refuses(self, method: str, reason: str = "bad_request") -> None:
        """The next call is refused."""
        self.failing.setdefault(method, []).append(ProviderRefused(self.name, reason))

    def _called(self, method: str) -> None:
        self.calls[method] += 1
        if self.failing.get(method):
            raise self.failing[method].pop(0)

    async def create(self, intent: Intent) -> Started:
        """A gateway order, or the same with a UPI link or request."""
        self._called("create")
        self.asked.append(intent)
        gateway_order_id = intent.gateway_order_id or f"order_{intent.payment_id.hex}"
        self.intents[gateway_order_id] = intent
        return Started(
            gateway_order_id=gateway_order_id,
            key="fake_key",
            upi_link="upi://pay?pa=shop@fake" if intent.way is Way.UPI_INTENT else None,
            asked=intent.way is Way.UPI_COLLECT,
        )

    async def fetch(self, gateway_order_id: str) -> Sequence[Attempt]:
        """As they stand."""
        self._called("fetch")
        found = [one for one in self.attempts.values() if one.gateway_order_id == gateway_order_id]
        await self.answering.wait()
        return found

    async def capture(self, attempt: Attempt) -> Attempt:
        """Take it."""
        self._called("capture")
        return self.turn(attempt, AttemptState.CAPTURED)

    async def refund(self, order: RefundOrder) -> RefundNews:
        """Once per refund id."""
        self._called("refund")
        back = sum(r.amount for r in self.refunded.values() if r.gateway_payment_id == order.gateway_payment_id)
        if order.refund_id not in self.refunded:
            if back + order.amount > self.attempts[order.gateway_payment_id].amount:
                raise ProviderRefused(self.name, "more than was captured")
            self.refunded[order.refund_id] = RefundNews(
                gateway_refund_id=f"rfnd_{order.refund_id.hex}",
                gateway_payment_id=order.gateway_payment_id,
                amount=order.amount,
                currency=order.currency,
                state=self.refund_state,
                refund_id=order.refund_id,
            )
        return self.refunded[order.refund_id]

    async def refunds(self, gateway_payment_id: str) -> Sequence[RefundNews]:
        """As they stand."""
        return [one for one in self.refunded.values() if one.gateway_payment_id == gateway_payment_id]

    def verify(self, raw: bytes, headers: Mapping[str, str]) -> Notice:
        """HMAC over the raw bytes, then read."""
        digest = hmac.new(SECRET, raw, hashlib.sha256).hexdigest()
        given = next((value for name, value in headers.items() if name.lower() == SIGNATURE), "")
        if not hmac.compare_digest(digest.encode(), given.encode()):
            raise NoticeForged(self.name, "signature")
        try:
            return wire.structure(orjson.loads(raw), Notice)
        except (Problem, ValueError):
            raise NoticeForged(self.name, "unreadable") from None

    def pay(self, gateway_order_id: str, state: AttemptState = AttemptState.CAPTURED, **other: Any) -> Attempt:
        """A customer tries to pay; `other` changes what the attempt says."""
        intent = self.intents[gateway_order_id]
        attempt = Attempt(
            gateway_payment_id=f"pay_{uuid7().hex}",
            gateway_order_id=gateway_order_id,
            amount=intent.amount,
            currency=intent.currency,
            state=state,
            method=intent.method,
            reason="declined" if state is AttemptState.FAILED else None,
        )
        attempt = attrs.evolve(attempt, **other)
        self.attempts[attempt.gateway_payment_id] = attempt
        return attempt

    def turn(self, attempt: Attempt, state: AttemptState) -> Attempt:
        """The attempt in another state."""
        self.attempts[attempt.gateway_payment_id] = attempt = attrs.evolve(attempt, state=state)
        return attempt


def notice_of(subject: Attempt | RefundNews, event_id: str = "") -> bytes:
    """The body of a webhook."""
    attempt = subject if isinstance(subject, Attempt) else None
    refund = subject if isinstance(subject, RefundNews) else None
    kind = "payment.news" if attempt else "refund.news"
    return wire.dump(Notice(event_id=event_id or uuid7().hex, kind=kind, attempt=attempt, refund=refund))


def signed(raw: bytes, secret: bytes = SECRET) -> dict[str, str]:
    """The header that proves it."""
    return {"X-Fake-Signature": hmac.new(secret, raw, hashlib.sha256).hexdigest()}


def paise(rupees: float) -> Paise:
    """From what the app shows."""
    return Paise(round(rupees * 100))


PROVIDER = FakeProvider()
"""The one of this process: the plugin below is built anew with each app."""


class FakePayPlugin:
    """A provider in a plugin of its own, as others would bring one."""

    manifest: ClassVar = Manifest(name="fakepay", version="1", schema="fakepay", requires=("payment",))

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """Nothing."""
        assert kernel is not None
        return ()

    @hookimpl
    def extends(self) -> Sequence[Extends[Any]]:
        """The provider."""
        return (Extends(PAYMENT_PROVIDERS, PROVIDER),)
