"""What clients send about orders: accepted in the shapes of the app and of the earlier backend (CONTRACT A.6, B.6)."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

import attrs

from core.errors import FieldError, Invalid
from core.http.fields import ManyOf, Moment, Number, OneOf, Schema, Text, Whole
from core.types import INDIA
from plugins.order.models import MAX_QUANTITY, Address, DoorInstructions
from plugins.order.standing import Method
from plugins.order.states import METHOD_NAMES, WORDS

Pin = Annotated[str, Text(pattern=r"\d{6}", hint="must be a six-digit pin code")]
Note = Annotated[str, Text(max=500)]
EXACT = {word: word for word in WORDS}
ANY_CASE = {word.casefold(): word for word in WORDS}
Reference = Annotated[str, Text(min=1, max=100)]


@attrs.frozen(kw_only=True)
class OrderItemBody:
    """A product and how many. Name, price and picture of the client are hints that never bind."""

    product_id: UUID
    quantity: Annotated[int, Whole(1, MAX_QUANTITY)]


@attrs.frozen
class StatusWord:
    """A status in any of the three vocabularies. Exact spelling counts where case alone tells two words apart."""

    def read(self, value: object) -> str:
        """A word of WORDS."""
        word = EXACT.get(value, ANY_CASE.get(value.casefold())) if isinstance(value, str) else None
        if word is None:
            raise ValueError("must be one of " + ", ".join(WORDS))
        return word

    def parse(self, text: str) -> object:
        """As it is."""
        return text

    def schema(self) -> Schema:
        """Enum of the exact spellings."""
        return {"type": "string", "enum": list(WORDS)}


@attrs.frozen(kw_only=True)
class OrderInstructionsBody:
    """What the person at the door should know."""

    special_notes: Note | None = None
    security_code: Annotated[str, Text(max=40)] | None = None
    preferred_time_slot: Annotated[str, Text(max=60)] | None = None

    def instructions(self) -> DoorInstructions:
        """The entity."""
        return DoorInstructions(
            special_notes=self.special_notes,
            security_code=self.security_code,
            preferred_time_slot=self.preferred_time_slot,
        )


@attrs.frozen(kw_only=True)
class OrderAddressBody:
    """A whole address. Any `id` that the client made for it does not bind."""

    either: ClassVar = ("pin_code", "pincode")

    full_name: Annotated[str, Text(1, 100)]
    phone_number: Annotated[str, Text(pattern=r"\+?[\d(][\d ()\-]{8,18}\d", hint="must be a phone number")]
    address_line1: Annotated[str, Text(1, 200)]
    address_line2: Annotated[str, Text(max=200)] | None = None
    landmark: Annotated[str, Text(max=100)] | None = None
    city: Annotated[str, Text(1, 100)]
    state: Annotated[str, Text(1, 100)]
    pin_code: Pin | None = None
    pincode: Pin | None = None
    country: Annotated[str, Text(1, 100)] | None = None
    type: Annotated[str, Text(max=20)] | None = None
    label: Annotated[str, Text(max=20)] | None = None
    latitude: Annotated[float, Number(-90, 90)] | None = None
    longitude: Annotated[float, Number(-180, 180)] | None = None
    delivery_instructions: OrderInstructionsBody | None = None

    def address(self) -> Address:
        """The entity, or Invalid when neither spelling of the pin code was sent."""
        pin = self.pin_code or self.pincode
        if pin is None:
            raise Invalid([FieldError("deliveryAddress.pinCode", "is required", "required")])
        door, kind = self.delivery_instructions, (self.type or self.label or "home").casefold()
        return Address(
            full_name=self.full_name,
            phone_number=self.phone_number,
            address_line1=self.address_line1,
            address_line2=self.address_line2 or "",
            landmark=self.landmark or "",
            city=self.city,
            state=self.state,
            pin_code=pin,
            country=self.country or "India",
            type=kind if kind in ("home", "work") else "other",
            latitude=self.latitude,
            longitude=self.longitude,
            delivery_instructions=None if door is None else door.instructions(),
        )


@attrs.frozen(kw_only=True)
class PlaceOrderBody:
    """An order to place. Without `items` it takes the lines of the caller's cart.

    One of `delivery_address` and `address_id` (one of the caller's own) is needed; the id wins, unless the client made
    it up, so that no address here can have it. `expected_total`, in rupees, is what the customer was shown: another
    total is refused and nothing reserved (RELIABILITY 4.3).
    """

    either: ClassVar = ("delivery_address", "address_id")

    items: Annotated[list[OrderItemBody], ManyOf(1, 200)] | None = None
    delivery_address: OrderAddressBody | None = None
    address_id: Annotated[str, Text(1, 64)] | None = None
    payment_method: Annotated[str, OneOf(tuple(m.value for m in Method), METHOD_NAMES)]
    scheduled_delivery_date: Annotated[datetime, Moment(INDIA)] | None = None
    delivery_slot: Annotated[str, Text(max=60)] | None = None
    customer_note: Note | None = None
    coupon_code: Annotated[str, Text(max=40)] | None = None
    expected_total: Annotated[float, Number(0, 100_000_000)] | None = None


@attrs.frozen(kw_only=True)
class CancelOrderBody:
    """Why, if the customer says so."""

    reason: Note | None = None


@attrs.frozen(kw_only=True)
class MoveOrderBody:
    """A move by staff. `status` in any of the three vocabularies."""

    status: Annotated[str, StatusWord()]
    tracking_id: Reference | None = None
    delivery_partner_id: Reference | None = None
    notes: Note | None = None


@attrs.frozen(kw_only=True)
class OrderListQuery:
    """A page of a list, optionally of some statuses only."""

    page: Annotated[int, Whole(1, 100_000)] = 1
    limit: Annotated[int, Whole(1, 100)] = 20
    status: Annotated[str, StatusWord()] | None = None
