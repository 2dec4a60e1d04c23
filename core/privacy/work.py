"""The workers: they make the copies that were asked for, and erase who is to be forgotten, owner by owner."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from core.jobs import Job
from core.privacy.exports import Exports, document
from core.privacy.kernel import OWNER, KernelData
from core.privacy.model import PersonalData, Step, Subject
from core.privacy.requests import Erasure, Erasures
from core.services import Port
from core.types import UserId

if TYPE_CHECKING:
    from core.events.model import EventMeta
    from core.events.subscription import Handler, Subscription
    from core.plugins import Plugins
    from core.store.db import Db, Tx

log = logging.getLogger("core.privacy")

ERASE_EVERY, EXPORT_EVERY = 60.0, 30.0
"""Seconds between looks, on every replica."""
AGAIN = timedelta(minutes=1)
"""After a failure: what is done stays done."""
LATER = timedelta(minutes=10)
"""When an owner still needs something."""

Owner = tuple[str, PersonalData]


class Privacy:
    """Who holds which personal data, and what is done about it. Any number of replicas share the work."""

    def __init__(self, db: "Db", plugins: "Plugins") -> None:
        self._db, self._plugins = db, plugins
        self.erasures, self.exports = Erasures(), Exports()

    @cached_property
    def owners(self) -> Sequence[Owner]:
        """Those who need others first: they may ask these what to erase. The kernel, which all lean on, is the last."""
        declared: list[Owner] = [(m.name, data) for m, data in self._plugins.ask("personal_data")]
        payloads = {event: keys for _, data in declared for event, keys in data.payloads.items()}
        kernel = KernelData(self._db, payloads, self._plugins.declared("subscriptions"))
        return [*reversed(declared), (OWNER, kernel.declared())]

    def guarded(self, subscriptions: "Iterable[Subscription]") -> "list[Subscription]":
        """The same, but an event about somebody who was erased reaches no handler that could write them down anew."""
        return [
            each if each.after_erasure else attrs.evolve(each, handler=self._unless_erased(each.handler))
            for each in subscriptions
        ]

    def _unless_erased(self, handler: "Handler") -> "Handler":
        async def handle(tx: "Tx", event: Any, meta: "EventMeta") -> None:
            user = getattr(event, "user_id", None) or meta.user_id
            if user is None or not await self.erasures.is_erased(tx, user):
                await handler(tx, event, meta)

        return handle

    def jobs(self) -> list[Job]:
        """On every replica: they share by SKIP LOCKED."""
        return [
            Job(name="privacy.erase", every=ERASE_EVERY, run=self.erase_due),
            Job(name="privacy.export", every=EXPORT_EVERY, run=self.export_due),
        ]

    # -- exports

    async def export(self, user_id: UserId) -> str:
        """The JSON document with everything that is the user's."""
        return await document(self._db, reversed(self.owners), user_id)

    async def export_due(self) -> None:
        """Make the copies that are waited for, and delete those that were kept long enough."""
        async with self._db.transaction() as tx:
            await self.exports.delete_old(tx)
        while await self._export_one():
            pass

    async def _export_one(self) -> bool:
        async with self._db.transaction() as tx:
            claimed = await self.exports.claim(tx)
        if claimed is None:
            return False
        export_id, user_id = claimed
        try:
            text = await self.export(user_id)
            async with self._db.transaction() as tx:
                await self.exports.ready(tx, export_id, text)
        except Exception as error:  # noqa: BLE001  its lease ends and it is tried again; others need not wait for it
            log.error("export %s failed: %s", export_id, type(error).__name__)  # noqa: TRY400  a row may be in its text
        return True

    # -- erasures

    async def erase_due(self) -> None:
        """End the undo windows that are over, and go on with every erasure that is due."""
        async with self._db.transaction() as tx:
            await self.erasures.begin_due(tx)
        while await self.erase_one():
            pass

    async def erase_one(self) -> bool:
        """Claim one erasure and bring it as far as it goes now; False when none is due."""
        async with self._db.transaction() as tx:
            erasure = await self.erasures.claim(tx)
        if erasure is None:
            return False
        try:
            waits = await self._erase(erasure)
        except Exception as error:  # noqa: BLE001  whatever an owner raises: what is done stays done, the rest is tried again
            name = type(error).__name__
            log.error("erasure %s failed at attempt %d: %s", erasure.id, erasure.attempts, name)  # noqa: TRY400  a stack may quote data
            await self._write(lambda tx: self.erasures.postpone(tx, erasure, AGAIN, name))
        else:
            if waits:
                await self._write(lambda tx: self.erasures.postpone(tx, erasure, LATER, None))
            else:
                await self._write(lambda tx: self.erasures.done(tx, erasure))
                log.info("account %s is erased", erasure.user_id)
        return True

    async def _erase(self, erasure: Erasure) -> bool:
        """One owner after the other; whether one of them still needs something."""
        waits = bool(self._plugins.left_out)  # what they hold is erased once they can be loaded again
        for name, data in self.owners:
            if name not in erasure.finished:
                waits |= await self._erase_at(erasure, name, data) is Step.LATER
        return waits

    async def _erase_at(self, erasure: Erasure, name: str, data: PersonalData) -> Step:
        """Batch by batch, each with its progress in one commit."""
        subject, step = Subject(erasure.user_id, erasure.final), Step.MORE
        await data.elsewhere(erasure.user_id)
        while step is Step.MORE:
            async with self._db.transaction() as tx:
                step = await data.erase(tx, subject)
                await self.erasures.progress(tx, erasure, name if step is Step.DONE else None)
        return step

    async def _write(self, write: "Callable[[Tx], Awaitable[None]]") -> None:
        async with self._db.transaction() as tx:
            await write(tx)


PRIVACY: Port[Privacy] = Port("kernel.privacy")
