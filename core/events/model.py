"""What an event is."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import attrs


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
