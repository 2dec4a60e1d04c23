"""The door: what a provider of messages must be able to do, and how it says no; what others may contribute.

CHANNELS takes providers, TEMPLATES the texts that tell of a plugin's own events. The domain's own are contributed
alike.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import attrs

from core.events.model import Event
from core.extensions import Point
from core.types import UserId

E = TypeVar("E", bound=Event)
LONGEST = 200
"""Characters of what a provider says that are kept."""


def plain(said: str) -> str:
    """What a provider said, as a text that can be stored: whoever wrote the channel may say anything."""
    return str(said)[:LONGEST].replace("\0", "").encode(errors="replace").decode()


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
    """A provider took the message; `reference` is its own id for it. Both are cut and cleaned to be stored."""

    provider: str = attrs.field(converter=plain)
    reference: str = attrs.field(default="", converter=plain)


class NotSent(Exception):
    """A provider did not take the message.

    `reason` is a word of ours, never the provider's text, which may hold a phone number.
    """

    def __init__(self, provider: str, reason: str) -> None:
        self.provider, self.reason = plain(provider), plain(reason)
        super().__init__(f"{self.provider}: {self.reason}")


class Temporary(NotSent):
    """Worth another try, after `retry_after` seconds if the provider named them."""

    def __init__(self, provider: str, reason: str, *, retry_after: float = 0) -> None:
        super().__init__(provider, reason)
        said: object = retry_after
        self.retry_after = said if isinstance(said, int | float) else 0


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


@attrs.frozen(kw_only=True)
class ChannelOffer:
    """A provider for one medium. Those of one medium are asked in the plugins' order, until one takes the message.

    What it raises beside Temporary and Permanent counts against its plugin, and the next one is asked.
    """

    medium: Medium
    channel: Channel


CHANNELS: Point[ChannelOffer] = Point("notification.channels")
"""Providers. `Extends(CHANNELS, ChannelOffer(medium=Medium.SMS, channel=self._gateway))`."""


class EntryType(StrEnum):
    """The types that the app knows (CONTRACT A.7)."""

    ORDER_UPDATE = "ORDER_UPDATE"
    PAYMENT_CONFIRMATION = "PAYMENT_CONFIRMATION"
    DELIVERY_UPDATE = "DELIVERY_UPDATE"
    PROMOTIONAL = "PROMOTIONAL"


class Action(StrEnum):
    """What a tap on an entry opens."""

    ORDER_DETAILS = "order_details"
    TRACK_ORDER = "track_order"
    RATE_ORDER = "rate_order"


@attrs.frozen(kw_only=True)
class Template:
    """One thing to tell. `body` serves the list and push, `sms` the phone, `email` the mailbox under the title.

    `{words}` are filled in; one that is not told leaves nothing. SMS goes out only as it was registered (templates.py).
    """

    type: EntryType
    action: Action | None = None
    title: str
    body: str
    sms: str
    email: str


@attrs.frozen(kw_only=True)
class Told:
    """Whom an event is told to, and the words of its texts. `orderId` among them is what a tap opens."""

    user_id: UserId
    words: Mapping[str, str]


@attrs.frozen(kw_only=True)
class Telling(Generic[E]):
    """An event that customers are told of, in these texts. Only one plugin tells of an event."""

    name: str
    """Of the text, unique, such as `SLOT_MOVED`: it stands in the messages that wait."""
    event: type[E]
    template: Template
    tell: Callable[[E], Told | None]
    """Pure. None: nobody is told."""


TEMPLATES: Point[Telling[Any]] = Point("notification.templates")
"""Texts for events. `Extends(TEMPLATES, Telling(name="SLOT_MOVED", event=SlotMoved, template=..., tell=...))`."""
