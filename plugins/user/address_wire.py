"""Bodies and answers of the address routes: the app's names and the earlier backend's, both ways (CONTRACT A.8)."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

import attrs

from core.errors import FieldError, Invalid
from core.http.fields import Number, OneOf, Text
from plugins.user.models import AddressDraft, AddressPatch
from plugins.user.ports import AddressView

KINDS = OneOf(("home", "work", "other"))
PHONE_FORM = r"\+? ?\(?[0-9](?:[ ()-]{0,2}[0-9]){9,14}"
PHONE = Text(min=10, max=20, pattern=PHONE_FORM, hint="must be a phone of 10 to 15 digits")
PINCODE = Text(min=6, max=6, pattern="[0-9]{6}", hint="must be six digits")
LATITUDE, LONGITUDE = Number(-90, 90), Number(-180, 180)
NAME = Text(min=2, max=100)
LINE1 = Text(min=1, max=200)
INDIA = "India"


@attrs.frozen(kw_only=True)
class Instructions:
    """What the rider should know."""

    special_notes: Annotated[str, Text(max=500)] | None = None
    security_code: Annotated[str, Text(max=50)] | None = None
    preferred_time_slot: Annotated[str, Text(max=100)] | None = None


NONE_GIVEN = Instructions()


@attrs.frozen(kw_only=True)
class NewAddress:
    """`type` and `label` mean the same, and so do `pinCode` and `pincode`. An id that the client made up is ignored."""

    either: ClassVar = ("pin_code", "pincode")

    full_name: Annotated[str, NAME]
    phone_number: Annotated[str, PHONE]
    address_line1: Annotated[str, LINE1]
    city: Annotated[str, NAME]
    state: Annotated[str, NAME]
    pin_code: Annotated[str, PINCODE] | None = None
    pincode: Annotated[str, PINCODE] | None = None
    type: Annotated[str, KINDS] | None = None
    label: Annotated[str, KINDS] | None = None
    address_line2: Annotated[str, Text(max=200)] | None = None
    landmark: Annotated[str, Text(max=100)] | None = None
    country: Annotated[str, Text(min=2, max=100)] | None = None
    latitude: Annotated[float, LATITUDE] | None = None
    longitude: Annotated[float, LONGITUDE] | None = None
    delivery_instructions: Instructions | None = None
    is_default: bool | None = None

    def draft(self) -> AddressDraft:
        """What to store; raises Invalid without a pin code."""
        pincode = self.pin_code or self.pincode
        if pincode is None:
            raise Invalid([FieldError("pinCode", "is required", "required")])
        told = self.delivery_instructions or NONE_GIVEN
        return AddressDraft(
            kind=self.type or self.label or "home",
            full_name=self.full_name,
            phone=self.phone_number,
            line1=self.address_line1,
            line2=self.address_line2 or "",
            landmark=self.landmark or None,
            city=self.city,
            state=self.state,
            pincode=pincode,
            country=self.country or INDIA,
            latitude=self.latitude,
            longitude=self.longitude,
            special_notes=told.special_notes or None,
            security_code=told.security_code or None,
            preferred_time_slot=told.preferred_time_slot or None,
        )


@attrs.frozen(kw_only=True)
class ChangeAddress:
    """What is absent or null stays as it is; an empty text clears a field that may be empty."""

    full_name: Annotated[str, NAME] | None = None
    phone_number: Annotated[str, PHONE] | None = None
    address_line1: Annotated[str, LINE1] | None = None
    address_line2: Annotated[str, Text(max=200)] | None = None
    landmark: Annotated[str, Text(max=100)] | None = None
    city: Annotated[str, NAME] | None = None
    state: Annotated[str, NAME] | None = None
    pin_code: Annotated[str, PINCODE] | None = None
    pincode: Annotated[str, PINCODE] | None = None
    type: Annotated[str, KINDS] | None = None
    label: Annotated[str, KINDS] | None = None
    country: Annotated[str, Text(min=2, max=100)] | None = None
    latitude: Annotated[float, LATITUDE] | None = None
    longitude: Annotated[float, LONGITUDE] | None = None
    delivery_instructions: Instructions | None = None
    is_default: bool | None = None

    def patch(self) -> AddressPatch:
        """The change."""
        told = self.delivery_instructions or NONE_GIVEN
        return AddressPatch(
            kind=self.type or self.label,
            full_name=self.full_name,
            phone=self.phone_number,
            line1=self.address_line1,
            line2=self.address_line2,
            landmark=self.landmark,
            city=self.city,
            state=self.state,
            pincode=self.pin_code or self.pincode,
            country=self.country,
            latitude=self.latitude,
            longitude=self.longitude,
            special_notes=told.special_notes,
            security_code=told.security_code,
            preferred_time_slot=told.preferred_time_slot,
        )


@attrs.frozen(kw_only=True)
class AddressOut:
    """An address under both families of names; `addressLine2` is never null."""

    id: UUID
    type: str
    label: str
    full_name: str
    phone_number: str
    address_line1: str
    address_line2: str
    landmark: str | None
    city: str
    state: str
    pin_code: str
    pincode: str
    country: str
    latitude: float | None
    longitude: float | None
    delivery_instructions: Instructions | None
    is_default: bool
    created_at: datetime
    updated_at: datetime


def address_out(view: AddressView) -> AddressOut:
    """An address as clients see it."""
    told = Instructions(
        special_notes=view.special_notes or None,
        security_code=view.security_code or None,
        preferred_time_slot=view.preferred_time_slot or None,
    )
    return AddressOut(
        id=view.id,
        type=view.kind,
        label=view.kind.capitalize(),
        full_name=view.full_name,
        phone_number=view.phone,
        address_line1=view.line1,
        address_line2=view.line2,
        landmark=view.landmark or None,
        city=view.city,
        state=view.state,
        pin_code=view.pincode,
        pincode=view.pincode,
        country=view.country,
        latitude=view.latitude,
        longitude=view.longitude,
        delivery_instructions=told if told != NONE_GIVEN else None,
        is_default=view.is_default,
        created_at=view.created_at,
        updated_at=view.updated_at,
    )


@attrs.frozen(kw_only=True)
class AddressAnswer:
    """One address."""

    address: AddressOut


@attrs.frozen(kw_only=True)
class AddressesAnswer:
    """All of a customer's addresses: the default first, then the newest."""

    addresses: list[AddressOut]
