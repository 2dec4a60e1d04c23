"""Takes queued codes to the sender: every replica works on the one queue in PostgreSQL (RELIABILITY 4.5)."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from core.errors import Problem
from plugins.user.code_queries import Codes, Message
from plugins.user.codes import CodeBook
from plugins.user.counts import FAILED, SENT, Counts
from plugins.user.ports import CodeSender

log = logging.getLogger(__name__)

POLL = 1.0
AT_ONCE = 40
"""Hand-overs under way per replica: a provider that hangs holds up nobody else's code."""
SEND_LIMIT = 6.5
"""Seconds for one hand-over: below the lease, above the three that each of two providers is given."""


class Courier:
    """The worker and its wake-up."""

    def __init__(self, codes: Codes, book: CodeBook, attempts: int, counts: Counts | None = None) -> None:
        """A code that was tried `attempts` times is sent no more."""
        self._codes, self._book, self._attempts, self._counts = codes, book, attempts, counts or Counts()
        self._wake = asyncio.Event()
        self._flying = 0

    def poke(self) -> None:
        """There is something to send."""
        self._wake.set()

    async def run(self, sender: CodeSender) -> None:
        """Send for ever: at once when poked, else every second."""
        self._flying = 0
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                free = AT_ONCE - self._flying
                messages = await self._claim(free) if free else []
                for message in messages:
                    self._flying += 1
                    group.create_task(self._carry(sender, message))
                if not free or len(messages) < free:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL):
                            await self._wake.wait()

    async def _claim(self, limit: int) -> Sequence[Message]:
        try:
            return await self._codes.claim(limit, self._attempts)
        except Problem:
            log.warning("the queue of codes could not be read")
            return ()

    async def _carry(self, sender: CodeSender, message: Message) -> None:
        """Hand one over and settle it. If settling fails the lease runs out and it goes out again: one repeat."""
        try:
            if await self._hand_over(sender, message):
                await self._codes.delivered(message.challenge)
            else:
                await self._codes.retry(message.challenge)
        except Problem:
            log.warning("the queue of codes could not be written")
        finally:
            self._flying -= 1
            self._wake.set()

    async def _hand_over(self, sender: CodeSender, message: Message) -> bool:
        """Whether the message is done with: sent, or of no use any more. Neither phone nor code reaches the log."""
        try:
            code = self._book.open(message.challenge.bytes, message.sealed)
        except ValueError:
            log.error("a queued code was sealed with another pepper and was dropped")  # noqa: TRY400  nothing more to say
            return True
        left = message.expires_in - 1.0  # it was rounded up
        if left <= 0:
            return True
        try:
            async with asyncio.timeout(min(SEND_LIMIT, left)):
                await sender.send(message.phone, code, message.expires_in)
        except Exception as error:  # noqa: BLE001  a provider's client may raise anything
            log.warning("a code could not be handed over: %s", type(error).__name__)
            self._counts.codes_sent.add(FAILED)
            return False
        self._counts.codes_sent.add(SENT)
        return True
