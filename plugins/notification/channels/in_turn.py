"""Several providers as one channel."""

import time
from collections.abc import Sequence

from plugins.notification.ports import Channel, Message, NotSent, Permanent, Sent, Temporary

RESTS = 10.0
"""Seconds for which a provider that did not answer is asked last."""


class InTurn:
    """Several providers as one channel: the first that takes the message wins (RELIABILITY 4.5).

    A number that one provider calls dead is dead; any other refusal may be that provider's own trouble, such as an
    empty balance: while another may yet take the message, it is worth another try.
    """

    def __init__(self, providers: Sequence[Channel]) -> None:
        self._providers = tuple(providers)
        self._rests_until = [0.0] * len(self._providers)

    async def send(self, message: Message) -> Sent:
        """Raises Temporary when any provider said so, else what the last one said."""
        failure: NotSent | None = None
        now = time.monotonic()
        for index in sorted(range(len(self._providers)), key=lambda i: self._rests_until[i] > now):
            try:
                return await self._providers[index].send(message)
            except Temporary as problem:
                failure = problem
                self._rests_until[index] = time.monotonic() + RESTS
            except Permanent as problem:
                if problem.dead_address:
                    raise
                if not isinstance(failure, Temporary):
                    failure = problem
        raise failure or Temporary("none", "no_provider")
