"""Couriers: they claim deliveries, send them outside any transaction, and mark what became of each."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from uuid import UUID

import orjson

from core.errors import Problem
from core.observe.tracing import continued
from core.store.db import Db
from core.types import UserId
from plugins.notification.channels.pace import Pace
from plugins.notification.counts import EXPIRED, FAILED, RETRIED, SENT, Counts
from plugins.notification.models import Claimed, wait_before_next
from plugins.notification.outgoing import Deliveries
from plugins.notification.ports import Channel, Medium, Message, NotSent, Permanent, Sent, Template, Temporary
from plugins.notification.templates import BUILT_IN, VARIABLES
from plugins.notification.texts import filled, target
from plugins.user.ports import Contact, Users

log = logging.getLogger(__name__)

OWN = "notification"
MARK_TRIES = 5
MARK_PAUSE = 0.5
"""Seconds between the tries to mark."""


class Courier:
    """Carries the deliveries of one medium. One on each replica; leases keep them apart."""

    def __init__(
        self,
        medium: Medium,
        channel: Channel,
        db: Db,
        users: Users,
        pace: Pace,
        find: Callable[[str], Template | None] = BUILT_IN.get,
        counts: Counts | None = None,
    ) -> None:
        """`find` answers the text of a name."""
        self.medium, self._channel, self._pace, self._find = medium, channel, pace, find
        self._counts = counts or Counts()
        self._db, self._deliveries, self._users = db, Deliveries(db), users
        self._awake = asyncio.Event()
        self._busy = asyncio.Lock()

    def poke(self) -> None:
        """There may be something to carry."""
        self._awake.set()

    async def stop(self, budget: float) -> None:
        """Claim nothing more, and wait at most `budget` seconds until what is under way has been marked."""
        with suppress(TimeoutError):
            async with asyncio.timeout(budget):
                await self._busy.acquire()  # never given back: the loop ends here

    async def run(self) -> None:
        """Carry for ever. A database that is away is waited for."""
        while True:
            carried = 0
            async with self._busy:
                try:
                    carried = await self.round()
                except Problem as problem:
                    log.warning("%s deliveries wait for the database: %s", self.medium, problem.code.name)
            if carried < self._pace.concurrency:
                await self._rest()

    async def round(self) -> int:
        """Claim as many as may be under way at once, and carry them; how many there were."""
        started = time.monotonic()
        lease, claimed = await self._deliveries.claim(self.medium, self._pace.concurrency, self._pace.lease)
        contacts = await self._contacts(claimed)
        last_start = started + self._pace.lease - self._pace.slowest
        async with asyncio.TaskGroup() as group:
            for delivery in claimed:
                to = _address(self.medium, delivery, contacts.get(delivery.user_id))
                group.create_task(self._traced(delivery, lease, to, last_start))
        return len(claimed)

    async def _contacts(self, claimed: list[Claimed]) -> Mapping[UserId, Contact]:
        if self.medium is Medium.PUSH or not claimed:
            return {}
        return await self._users.contacts(self._db, {d.user_id for d in claimed})

    async def _traced(self, delivery: Claimed, lease: UUID, to: str | None, last_start: float) -> None:
        """Nothing that goes wrong with one delivery may cancel those beside it: they would be sent and not marked."""
        try:
            with continued(delivery.traceparent, f"deliver {self.medium}", OWN):
                await self._carry(delivery, lease, to, last_start)
        except Exception as error:  # noqa: BLE001  its text may name the receiver: only its type is told
            log.error("%s delivery %s failed with %s", self.medium, delivery.id, type(error).__name__)  # noqa: TRY400  as above

    async def _carry(self, delivery: Claimed, lease: UUID, to: str | None, last_start: float) -> None:
        """Send one and mark it. What cannot be marked is found again when its lease ends: that is the one repeat."""
        try:
            sent = await self._send(delivery, to, last_start)
        except NotSent as problem:
            await self._mark(partial(self._not_sent, delivery, lease, problem))
        else:
            if sent is not None and await self._mark(partial(self._deliveries.sent, delivery.id, sent)):
                self._counts.sent.add(self.medium, SENT)

    async def _not_sent(self, delivery: Claimed, lease: UUID, problem: NotSent) -> None:
        wait = wait_before_next(delivery.attempts, problem.retry_after) if isinstance(problem, Temporary) else None
        if wait is not None:
            await self._deliveries.waits(delivery.id, lease, wait, problem.reason)
            outcome = RETRIED
        else:
            dead = isinstance(problem, Permanent) and problem.dead_address
            await self._deliveries.failed(delivery.id, lease, problem.reason, dead_device=dead)
            outcome = EXPIRED if problem.reason == EXPIRED else FAILED
        self._counts.sent.add(self.medium, outcome)
        log.warning(
            "%s delivery %s: %s said %s at attempt %d, %s",
            self.medium,
            delivery.id,
            problem.provider,
            problem.reason,
            delivery.attempts,
            "given up" if wait is None else f"next in {wait:.0f} s",
        )

    async def _send(self, delivery: Claimed, to: str | None, last_start: float) -> Sent | None:
        """None when this process slept through its lease: another has the delivery now."""
        if delivery.expires_in <= 0:
            raise Permanent("none", EXPIRED)
        if to is None:
            raise Permanent("none", "no_address")
        template = self._find(delivery.template)
        if template is None:  # a plugin that told it is not loaded now
            raise Temporary("none", "no_template")
        if not delivery.preferences.media(template.type, (self.medium,)):
            raise Permanent("none", "not_wanted")
        message = _filled(self.medium, delivery, template, to)
        return None if time.monotonic() > last_start else await self._hand_over(message)

    async def _hand_over(self, message: Message) -> Sent:
        """Bounded, whatever the channel waits for: after the lease another replica would send it too."""
        try:
            async with asyncio.timeout(self._pace.slowest):
                return await self._channel.send(message)
        except NotSent:
            raise
        except TimeoutError:
            raise Temporary(self.medium, "timeout") from None
        except Exception as error:  # noqa: BLE001  its text may name the receiver: only its type is told
            log.error("the %s channel failed with %s", self.medium, type(error).__name__)  # noqa: TRY400  a provider's text may name people
            raise Temporary(self.medium, "internal") from None

    async def _mark(self, write: Callable[[], Awaitable[None]]) -> bool:
        """Whether it is marked. The database may be away just now; a few tries save most repeats."""
        for left in reversed(range(MARK_TRIES)):
            try:
                await write()
            except Problem:
                if left:
                    await asyncio.sleep(MARK_PAUSE)
            else:
                return True
        log.warning("a %s delivery could not be marked and may be repeated", self.medium)
        return False

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.poll):
                await self._awake.wait()
        self._awake.clear()


def _address(medium: Medium, delivery: Claimed, contact: Contact | None) -> str | None:
    if medium is Medium.PUSH:
        return delivery.token
    if contact is None:
        return None
    return contact.phone if medium is Medium.SMS else contact.email


def _filled(medium: Medium, delivery: Claimed, template: Template, to: str) -> Message:
    """Raises Permanent for what cannot be filled. Texts are checked when they are read; words may be older."""
    try:
        return _message(medium, delivery, template, to)
    except Exception as error:  # noqa: BLE001  its text may name the receiver: only its type is told
        log.error("the text %s cannot be filled: %s", delivery.template, type(error).__name__)  # noqa: TRY400  as above
        raise Permanent("none", "bad_text") from None


def _message(medium: Medium, delivery: Claimed, template: Template, to: str) -> Message:
    """The text as it is now; the app's own data goes with a push only (CONTRACT B.7)."""
    words = dict.fromkeys(VARIABLES, "") | dict(delivery.variables)
    words.pop("orderId", None)
    data: dict[str, str] = {}
    text = template.email
    if medium is Medium.PUSH:
        text = template.body
        data = {
            "notificationId": str(delivery.entry_id),
            "type": template.type.value,
            "actionType": template.action.value if template.action else "",
            "actionData": orjson.dumps(target(delivery.variables)).decode(),
        }
    elif medium is Medium.SMS:
        text = template.sms
        # A rupee sign would turn the whole text into UCS-2 with 70 characters a part instead of 160 (3GPP TS 23.038).
        words = {name: word.replace("₹", "Rs. ") for name, word in words.items()}
    return Message(
        key=str(delivery.id),
        medium=medium,
        to=to,
        template=delivery.template,
        title=filled(template.title, words),
        text=filled(text, words),
        variables=words,
        data=data,
        expires_in=delivery.expires_in,
    )
