"""The door of the gifts."""

from typing import ClassVar
from uuid import UUID

import attrs

from core.events.model import Event
from core.extensions import Point
from core.services import Port

CARDS: Port[str] = Port("gift.cards")
WRAPS: Point[str] = Point("gift.wraps")


@attrs.frozen(kw_only=True)
class GiftGiven(Event):
    """Somebody gave something."""

    event_type: ClassVar[str] = "gift.given"
    aggregate_type: ClassVar[str] = "gift"
    aggregate_key: ClassVar[str] = "gift_id"

    gift_id: UUID
