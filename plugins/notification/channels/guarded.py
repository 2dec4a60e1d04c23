"""A provider behind its breaker: one that is down or hangs is left alone for a while (RELIABILITY 3)."""

from core.resilience.breaker import Breaker, Open
from plugins.notification.ports import Channel, Message, NotSent, Permanent, Sent, Temporary


class Guarded:
    """A channel that refuses at once while its provider's breaker is open, so that the next one is asked instead."""

    def __init__(self, channel: Channel, breaker: Breaker) -> None:
        self._channel, self._breaker = channel, breaker

    async def send(self, message: Message) -> Sent:
        """What the provider says. That it will never take this message is an answer, not a failure."""
        try:
            began = self._breaker.enter()
        except Open:
            raise Temporary(self._breaker.name, "resting", retry_after=self._breaker.retry_in) from None
        verdict = self._breaker.ignored  # a cancellation
        try:
            sent = await self._channel.send(message)
            verdict = self._breaker.succeeded
        except Permanent:
            verdict = self._breaker.succeeded
            raise
        except NotSent:
            verdict = self._breaker.failed
            raise
        finally:
            verdict(began)
        return sent
