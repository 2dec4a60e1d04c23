"""Events of a made-up domain."""

from typing import ClassVar
from uuid import UUID

import attrs

from core.events.model import Event


@attrs.frozen(kw_only=True)
class ParcelMoved(Event):
    event_type: ClassVar[str] = "parcel.moved"
    aggregate_type: ClassVar[str] = "parcel"
    aggregate_key: ClassVar[str] = "parcel_id"

    parcel_id: UUID
    step_number: int


@attrs.frozen(kw_only=True)
class ParcelArrived(Event):
    event_type: ClassVar[str] = "parcel.arrived"
    aggregate_type: ClassVar[str] = "parcel"
    aggregate_key: ClassVar[str] = "parcel_id"

    parcel_id: UUID
