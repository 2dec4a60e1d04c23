"""Wiring of the payment domain."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.events.subscription import Subscription
from core.extensions import Extends
from core.hookspecs import hookimpl
from core.http.health import HealthCheck
from core.http.routing import Files, Route
from core.jobs import Job
from core.kernel import Kernel, Manifest
from core.observe.counts import Count
from core.privacy.model import PersonalData
from core.services import Provided
from core.tasks import SILENCE
from plugins.order.ports import ORDERS, PAYMENT_METHODS
from plugins.payment import commands, method_routes, routes, subscribers
from plugins.payment.booking import Booking
from plugins.payment.counts import Counts
from plugins.payment.errands import Doing
from plugins.payment.methods import MethodBook
from plugins.payment.personal import PersonalPaymentData
from plugins.payment.ports import PAYMENT_PROVIDERS, Provider
from plugins.payment.providers import Providers
from plugins.payment.refunding import Refunding
from plugins.payment.service import PaymentService
from plugins.payment.settings import PaymentSettings
from plugins.payment.working import Pace, Worker
from plugins.user.ports import USERS

if TYPE_CHECKING:
    from plugins.payment.sandbox.provider import SandboxProvider

HOUR = 3_600.0
STOP_BUDGET = 3.5
"""Seconds that the workers get to finish what is under way."""
LATE = 300
"""Seconds an errand may be due before the health page says so."""


class PaymentPlugin:
    """The payment domain: optional, by public names of the kernel and doors of other domains alone."""

    manifest = Manifest(
        name="payment",
        version="1.0.0",
        schema="payments",
        requires=("order", "user"),
        owner="payments team",
        paths=("payments", "payment-methods", "webhooks"),
        # The types of payment.* are order's, who needs them; this domain has none of its own.
        events=("payments",),
        settings=PaymentSettings,
    )

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """Nothing behind a port: orders and payments speak by events, and by what this extends."""
        self._kernel, self._settings = kernel, kernel.section(PaymentSettings)
        self._sandbox: SandboxProvider | None = None
        self._own = self._build()
        self._providers = Providers(kernel.extensions)
        self._counts = Counts(self._providers.names)
        refunding, orders = Refunding(), kernel.services.get(ORDERS)
        self._service = PaymentService(
            db=kernel.db,
            orders=orders,
            providers=self._providers,
            refunding=refunding,
            counts=self._counts,
        )
        self._methods = MethodBook(kernel.db, self._settings.max_methods)
        users = kernel.services.get(USERS)
        doing = Doing(kernel.db, self._providers, users, orders, Booking(refunding, self._counts), refunding)
        pace = Pace(concurrency=self._settings.concurrency, lease=self._settings.lease, poll=self._settings.poll)
        self._callers, self._readers = (Worker(kernel.db, doing, pace, notices=notices) for notices in (False, True))
        self._service.on_errand, self._service.on_notice = self._callers.poke, self._readers.poke
        return ()

    def _build(self) -> Provider | None:
        """The provider of this package that the settings choose; only that one is imported."""
        settings, kernel = self._settings, self._kernel
        chosen = settings.provider
        if not chosen and (settings.razorpay_key_id or settings.razorpay_key_secret):
            chosen = "razorpay"
        elif not chosen and kernel.settings.development:
            chosen = "sandbox"
        if chosen == "razorpay":
            from plugins.payment.razorpay import provider as razorpay  # noqa: PLC0415  only where it is used

            return razorpay.build(settings, kernel.breakers)
        if chosen == "sandbox":
            from plugins.payment.sandbox import provider as sandbox  # noqa: PLC0415  only where it is used

            self._sandbox = sandbox.build(settings, kernel.settings)
            return self._sandbox
        return None

    @hookimpl
    def extends(self) -> Sequence[Extends[Any]]:
        """The provider of this package, and the methods that all providers together offer to orders."""
        own = () if self._own is None else (Extends(PAYMENT_PROVIDERS, self._own),)
        return (*own, Extends(PAYMENT_METHODS, self._providers))

    @hookimpl
    def migrations(self) -> Path:
        """Schema payments."""
        return Path(__file__).parent / "migrations"

    @hookimpl
    def routes(self) -> Sequence[Route | Files]:
        """See routes.py and method_routes.py; with the sandbox, its page."""
        own = (
            *routes.routes(self._service, self._methods, self._settings.webhook_rate),
            *method_routes.routes(self._methods),
        )
        if self._sandbox is None:
            return own
        from plugins.payment.sandbox import routes as sandbox_routes  # noqa: PLC0415  only where it is used

        return (*own, *sandbox_routes.routes(self._sandbox, routes.WEBHOOK.format(provider="sandbox")))

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        """See subscribers.py."""
        return subscribers.subscriptions(self._service)

    @hookimpl
    def personal_data(self) -> PersonalData:
        """Payments, and saved ways to pay."""
        return PersonalPaymentData().declared()

    @hookimpl
    def jobs(self) -> Sequence[Job]:
        """Deleting old notices. Checks are errands: each is due at a time of its own."""
        return (Job(name="payment.housekeeping", every=HOUR, run=self._housekeep, single=True),)

    async def _housekeep(self) -> None:
        await self._service.housekeep(self._settings.keep_notices_days)

    @hookimpl
    def health_checks(self) -> Sequence[HealthCheck]:
        """Whether the workers keep up."""
        return (HealthCheck(name="payments", check=self._not_late),)

    async def _not_late(self) -> None:
        waited = await self._service.oldest_errand()
        if waited > LATE:
            raise RuntimeError(f"payments have been waiting for {waited:.0f} s")

    @hookimpl
    def metrics(self) -> Sequence[Count]:
        """See counts.py."""
        return self._counts.all()

    @hookimpl
    def commands(self) -> Sequence[click.Command]:
        """`vurksha payments`."""
        return (commands.payments_command(self._kernel, self._service),)

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """The providers, and the workers, which finish what they hold before those close."""
        return self._serving()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        tasks, workers = self._kernel.tasks, (self._callers, self._readers)
        async with self._providers.opened():
            for name, worker in zip(("calls", "notices"), workers, strict=True):
                tasks.forever(f"payment {name}", worker.run, silence=SILENCE)
            try:
                yield
            finally:
                await asyncio.gather(*(worker.stop(STOP_BUDGET) for worker in workers))
                await tasks.stop(1.0)


plugin = PaymentPlugin
