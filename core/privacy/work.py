"""The workers: they make the copies that were asked for, and erase who is to be forgotten, owner by owner.

Each owner answers within a time, and what goes wrong counts against it: one that fails, hangs or is put aside keeps no
other from erasing. What it holds is erased once it answers again.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from core.isolation.guards import Guards, PutAside
from core.jobs import Job
from core.privacy.exports import ANSWER, WHAT, Exports, Withheld, document, kind_of
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
TURN = 300.0
"""Seconds for which an owner is asked for more at a stretch: others wait to be erased meanwhile."""

Owner = tuple[str, PersonalData]


class Privacy:
    """Who holds which personal data, and what is done about it. Any number of replicas share the work."""

    def __init__(self, db: "Db", plugins: "Plugins", guards: Guards) -> None:
        self._db, self._plugins, self._guards = db, plugins, guards
        self.erasures, self.exports = Erasures(), Exports()

    @cached_property
    def owners(self) -> Sequence[Owner]:
        """Those who need others first: they may ask these what to erase. The kernel, which all lean on, is the last."""
        declared: list[Owner] = [(m.name, data) for m, data in self._plugins.ask("personal_data")]
        payloads = defaultdict[str, tuple[str, ...]](tuple)
        for _, data in declared:
            for event, keys in data.payloads.items():
                payloads[event] += tuple(keys)
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
        """The JSON document with everything that is the user's. Raises Withheld."""
        if self._plugins.left_out:  # what they hold only their code knows
            raise Withheld(", ".join(f"{name}: left out" for name in sorted(self._plugins.left_out)))
        return await document(self._db, self._guards, reversed(self.owners), user_id)

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
            name = str(error) if isinstance(error, Withheld) else kind_of(error)
            log.error("export %s failed: %s", export_id, name)  # noqa: TRY400  a row may be in its text
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
        waits, failed = await self._erase(erasure)
        if failed:
            await self._write(lambda tx: self.erasures.postpone(tx, erasure, AGAIN, ", ".join(failed)))
        elif waits:
            await self._write(lambda tx: self.erasures.postpone(tx, erasure, LATER, None))
        else:
            await self._write(lambda tx: self.erasures.done(tx, erasure))
            log.info("account %s is erased", erasure.user_id)
        return True

    async def _erase(self, erasure: Erasure) -> tuple[bool, list[str]]:
        """One owner after the other; whether one of them still needs something, and which of them failed with what."""
        failed: list[str] = []
        waits = bool(self._plugins.left_out)  # what they hold is erased once they can be loaded again
        for name, data in self.owners:
            if name in erasure.finished:
                continue
            try:
                waits |= await self._erase_at(erasure, name, data) is not Step.DONE
            except PutAside:
                waits = True
            except Exception as error:  # noqa: BLE001  whatever it raises: what is done stays done, the rest is tried again
                failed.append(f"{name}: {kind_of(error)}")
                log.error("erasure %s failed at attempt %d: %s", erasure.id, erasure.attempts, failed[-1])  # noqa: TRY400  a stack may quote data
        return waits, failed

    async def _erase_at(self, erasure: Erasure, name: str, data: PersonalData) -> Step:
        """Batch by batch, each with its progress in one commit."""
        subject, step, until = Subject(erasure.user_id, erasure.final), Step.MORE, time.monotonic() + TURN
        limit = None if name == OWNER else ANSWER  # the kernel's own goes through whole queues
        # Which events a plugin that cannot be loaded has, only its code knows: the kernel goes through all again then.
        ends = name != OWNER or not self._plugins.left_out
        await self._guards.call(name, WHAT, data.elsewhere, erasure.user_id, timeout=limit)
        while step is Step.MORE and time.monotonic() < until:
            async with self._db.transaction() as tx:
                step = await self._guards.call(name, WHAT, data.erase, tx, subject, timeout=limit)
                await self.erasures.progress(tx, erasure, name if step is Step.DONE and ends else None)
        return step

    async def _write(self, write: "Callable[[Tx], Awaitable[None]]") -> None:
        async with self._db.transaction() as tx:
            await write(tx)


PRIVACY: Port[Privacy] = Port("kernel.privacy")
