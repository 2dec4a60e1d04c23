"""How a domain subscribes to events."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from core.events.model import Event, EventMeta
from core.store.db import Tx

Handler = Callable[[Tx, Any, EventMeta], Awaitable[None]]
"""Takes the transaction that also holds the inbox row, the typed event and its meta. It must survive a repeat."""


@attrs.frozen
class Subscription:
    """One consumer's interest in one event type. `consumer` names a queue, such as `order.notifications`.

    Each consumer sees each event id once in effect: its inbox row and its work are one transaction.
    """

    consumer: str
    event: type[Event]
    handler: Handler
    after_erasure: bool = False
    """Called also for somebody who was erased (RELIABILITY 4.15): it writes nothing about people, such as payments."""
    plugin: str = ""
    """Whose it is; the kernel fills this in."""
