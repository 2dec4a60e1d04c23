"""The door: what a provider of messages must be able to do, and how it says no."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import attrs


class Medium(StrEnum):
    """A way out of the process."""

    PUSH = "push"
    SMS = "sms"
    EMAIL = "email"


@attrs.frozen(kw_only=True)
class Message:
    """One text for one person. What is personal or secret stays out of its printed form."""

    key: str
    """The same for every attempt of one delivery: phones and mailboxes fold a repeat by it."""
    medium: Medium
    to: str = attrs.field(repr=False)
    """A device token, a phone number as +91XXXXXXXXXX, or an email address."""
    template: str
    title: str = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    variables: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """What the template was filled with, for providers that hold the approved text themselves."""
    data: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """What the app gets with a push."""
    expires_in: int
    """Seconds after which nobody wants the message any more."""
    code: str | None = attrs.field(default=None, repr=False)
    """The one-time code that the text holds, if any."""


@attrs.frozen
class Sent:
    """A provider took the message; `reference` is its own id for it."""

    provider: str
    reference: str = ""


class NotSent(Exception):
    """A provider did not take the message.

    `reason` is a word of ours, never the provider's text, which may hold a phone number.
    """

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"{provider}: {reason}")
        self.provider = provider
        self.reason = reason


class Temporary(NotSent):
    """Worth another try, after `retry_after` seconds if the provider named them."""

    def __init__(self, provider: str, reason: str, *, retry_after: float = 0) -> None:
        super().__init__(provider, reason)
        self.retry_after = retry_after


class Permanent(NotSent):
    """Never worth another try. `dead_address`: nothing will ever reach this address again."""

    def __init__(self, provider: str, reason: str, *, dead_address: bool = False) -> None:
        super().__init__(provider, reason)
        self.dead_address = dead_address


class Channel(Protocol):
    """Speaks to one provider. Each call to it ends within 3 s (RELIABILITY 3)."""

    async def send(self, message: Message) -> Sent:
        """Hand the message over; raises Temporary or Permanent."""
        ...
