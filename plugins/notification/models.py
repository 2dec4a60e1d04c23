"""What the domain holds, and its rules as pure functions."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

import attrs

from core.types import UserId
from plugins.notification.ports import Action, EntryType, Medium

RETRY_AFTER = (5, 30, 120, 600, 3600)
"""Seconds between the attempts of one delivery (RELIABILITY 4.7)."""
MAX_WAIT = 3600
"""Seconds that a provider may make us wait at most, whatever its Retry-After says."""


@attrs.frozen(kw_only=True)
class Entry:
    """One line of a customer's list."""

    id: UUID
    user_id: UserId
    event_id: UUID
    """What it tells of: a repeated event finds its entry and adds none."""
    type: EntryType
    title: str
    body: str
    action_type: Action | None
    action_data: Mapping[str, str]
    created_at: datetime


@attrs.frozen(kw_only=True)
class EntryView:
    """An entry as its owner sees it, with the keys that the app parses (CONTRACT A.7)."""

    id: UUID
    type: str
    title: str
    body: str
    image_url: str | None
    action_type: str | None
    action_data: dict[str, str] | None
    is_read: bool
    created_at: datetime


@attrs.frozen(kw_only=True)
class Preferences:
    """What a customer wants to get outside the app. The defaults are CONTRACT B.7's."""

    push_enabled: bool = True
    email_enabled: bool = True
    sms_enabled: bool = False
    order_updates: bool = True
    promotional_offers: bool = True
    delivery_alerts: bool = True

    def wants(self, type_: EntryType) -> bool:
        """Whether messages of this type may leave the process at all."""
        match type_:
            case EntryType.DELIVERY_UPDATE:
                return self.delivery_alerts
            case EntryType.PROMOTIONAL:
                return self.promotional_offers
            case EntryType.ORDER_UPDATE | EntryType.PAYMENT_CONFIRMATION:
                return self.order_updates

    def media(self, type_: EntryType, available: Collection[Medium]) -> tuple[Medium, ...]:
        """The media for a message of this type, out of those that are available."""
        switch = {Medium.PUSH: self.push_enabled, Medium.SMS: self.sms_enabled, Medium.EMAIL: self.email_enabled}
        return tuple(m for m in Medium if m in available and switch[m]) if self.wants(type_) else ()


@attrs.frozen(kw_only=True)
class Delivery:
    """One message to be sent once. `device_id` only for push."""

    id: UUID
    user_id: UserId
    entry_id: UUID
    medium: Medium
    device_id: UUID | None
    template: str
    variables: Mapping[str, str]
    traceparent: str | None = None
    """Of the work that wrote it, while traces are on."""


@attrs.frozen(kw_only=True)
class Claimed:
    """A delivery that this replica may send until its lease ends."""

    id: UUID
    user_id: UserId
    entry_id: UUID
    template: str
    variables: Mapping[str, str]
    attempts: int
    """This one included."""
    expires_in: int
    """Seconds; not above 0 means too late."""
    token: str | None = attrs.field(repr=False)
    """Of the device, while it is still this customer's."""
    preferences: Preferences
    """As they are now, not as they were when it was written."""
    traceparent: str | None = None


def wait_before_next(attempts: int, retry_after: float = 0) -> float | None:
    """Seconds until the next attempt after `attempts` failed ones; None when there is none."""
    if attempts > len(RETRY_AFTER):
        return None
    return max(RETRY_AFTER[attempts - 1], min(retry_after, MAX_WAIT))


def rupee_text(paise: int) -> str:
    """An amount as people in India write it: 123456700 is ₹12,34,567 and 49950 is ₹499.50."""
    whole, rest = divmod(abs(paise), 100)
    head, tail = str(whole)[:-3], str(whole)[-3:]
    groups = [tail]
    while head:
        head, group = head[:-2], head[-2:]
        groups.insert(0, group)
    return ("-" if paise < 0 else "") + "₹" + ",".join(groups) + (f".{rest:02d}" if rest else "")
