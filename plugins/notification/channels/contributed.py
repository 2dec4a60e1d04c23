"""The channels that plugins contribute, as one channel a medium."""

from collections.abc import Sequence

from core.extensions import Extension, Extensions
from core.isolation.guards import Guards
from plugins.notification.channels.in_turn import InTurn
from plugins.notification.ports import CHANNELS, Channel, ChannelOffer, Medium, Message, NotSent, Sent, Temporary

BUDGET = 3.0
"""Seconds for one call to a provider of an optional plugin (RELIABILITY 3)."""


class Contributed:
    """Whoever is available now for one medium, in the plugins' order."""

    def __init__(self, medium: Medium, extensions: Extensions, guards: Guards) -> None:
        self._medium, self._extensions, self._guards = medium, extensions, guards
        self._of: Sequence[Extension[ChannelOffer]] = ()
        self._turn = InTurn(())

    def slowest(self, call_timeout: float) -> float:
        """Seconds that one send may take through all.

        One call more than there are providers: for FCM's access token, or the second gateway of SMS.
        """
        return call_timeout + sum(BUDGET if self._is_watched(one) else call_timeout for one in self._offers())

    async def send(self, message: Message) -> Sent:
        """Raises what `InTurn` does."""
        offers = self._offers()
        if offers != self._of:
            self._of, self._turn = offers, InTurn([self._channel(one) for one in offers])
        return await self._turn.send(message)

    def _offers(self) -> Sequence[Extension[ChannelOffer]]:
        return [one for one in self._extensions.of(CHANNELS) if one.item.medium is self._medium]

    def _is_watched(self, one: Extension[ChannelOffer]) -> bool:
        return one.plugin in self._guards.optional

    def _channel(self, one: Extension[ChannelOffer]) -> Channel:
        return Watched(one, self._guards) if self._is_watched(one) else one.item.channel


class Watched:
    """A channel of an optional plugin: what it does beside sending and refusing counts against the plugin."""

    def __init__(self, offer: Extension[ChannelOffer], guards: Guards) -> None:
        self._offer, self._guards = offer, guards

    async def send(self, message: Message) -> Sent:
        """What the channel says, or Temporary."""
        plugin, what = self._offer.plugin, f"channel {self._offer.item.medium}"
        try:
            answer = await self._guards.call(plugin, what, self._asked, message, timeout=BUDGET)
        except Exception:  # noqa: BLE001  counted by `call`; its text may name the receiver
            raise Temporary(plugin, "internal") from None
        if isinstance(answer, NotSent):
            raise answer
        return answer

    async def _asked(self, message: Message) -> Sent | NotSent:
        """That a provider does not take a message is an answer, not a failure of the plugin."""
        try:
            answer: object = await self._offer.item.channel.send(message)
        except NotSent as refusal:
            return refusal
        if not isinstance(answer, Sent):
            raise TypeError("a channel answers Sent")
        return answer
