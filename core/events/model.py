"""What an event is, and how a domain subscribes to one."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID

import attrs

if TYPE_CHECKING:
    from core.store.db import Tx


class Event:
    """Base of every event type: `attrs.frozen(kw_only=True)` classes in the owner's `ports.py`.

    The attributes are the payload, in camelCase on the wire. An event says what happened, never what to do.
    """

    event_type: ClassVar[str]
    """Also the routing key, as in `order.created`."""
    aggregate_type: ClassVar[str]
    aggregate_key: ClassVar[str]
    """The attribute that holds the aggregate's id: events of one aggregate are delivered in order."""
    version: ClassVar[int] = 1


@attrs.frozen(kw_only=True)
class EventMeta:
    """Everything about an event but its payload."""

    event_id: UUID
    aggregate_id: str
    occurred_at: datetime
    correlation_id: str
    user_id: UUID | None


E = TypeVar("E", bound=Event)
Handler = Callable[["Tx", Any, EventMeta], Awaitable[None]]
"""Takes the transaction that also holds the inbox row, the typed event and its meta. It must survive a repeat."""


@attrs.frozen
class Subscription:
    """One consumer's interest in one event type. `consumer` names a queue, such as `order.notifications`.

    Each consumer sees each event id once in effect: its inbox row and its work are one transaction.
    """

    consumer: str
    event: type[Event]
    handler: Handler
