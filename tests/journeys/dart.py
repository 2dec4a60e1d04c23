"""What the mobile app's parsers accept: its casts throw where these do (CONTRACT A.2 to A.8)."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

DART_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")


class CastError(TypeError):
    """The app would have thrown here."""


def text(value: object) -> str:
    """`as String`."""
    if not isinstance(value, str):
        raise CastError(f"not a String: {value!r}")
    return value


def whole(value: object) -> int:
    """`as int`: 5.0 throws, and so does null."""
    if type(value) is not int:
        raise CastError(f"not an int: {value!r}")
    return value


def number(value: object) -> float:
    """`as num`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CastError(f"not a num: {value!r}")
    return value


def flag(value: object) -> bool:
    """`as bool`."""
    if not isinstance(value, bool):
        raise CastError(f"not a bool: {value!r}")
    return value


def moment(value: object) -> datetime:
    """`DateTime.parse`."""
    if not DART_TIME.fullmatch(text(value)):
        raise CastError(f"DateTime.parse: {value!r}")
    return datetime.fromisoformat(text(value))


def mapping(value: object) -> dict[str, Any]:
    """`as Map<String, dynamic>`."""
    if not isinstance(value, dict):
        raise CastError(f"not a Map: {value!r}")
    return value


def listing(value: object, read: Callable[[Any], Any]) -> list[Any]:
    """`as List`, each element read."""
    if not isinstance(value, list):
        raise CastError(f"not a List: {value!r}")
    return [read(element) for element in value]


def maybe(read: Callable[[Any], Any], default: Any = None) -> Callable[[Any], Any]:
    """`as T?`, with what the app puts in place of null."""
    return lambda value: default if value is None else read(value)


def fields(**readers: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """A `fromJson`: every field it names is read."""
    return lambda value: {name: read(mapping(value).get(name)) for name, read in readers.items()}


user = fields(id=text, name=maybe(text), email=maybe(text), phone=maybe(text), profilePicture=maybe(text, ""))
product = fields(
    id=text,
    name=text,
    description=maybe(text, ""),
    category=text,
    price=number,
    unit=maybe(text, "kg"),
    image=maybe(text, ""),
    stock=maybe(whole, 0),
    isActive=maybe(flag, True),
    isOrganic=maybe(flag, False),
    rating=maybe(number, 0),
    reviewCount=maybe(whole, 0),
    farmSource=maybe(text, ""),
    tags=maybe(lambda v: listing(v, text), []),
    discountPercentage=maybe(number),
)
cart_item = fields(
    productId=text,
    productName=text,
    unitPrice=number,
    quantity=whole,
    productImage=maybe(text, ""),
    unit=maybe(text, "kg"),
)
cart = fields(items=lambda v: listing(v, cart_item), subtotal=number)
order_item = fields(
    productName=text, quantity=whole, unitPrice=number, unit=maybe(text, "kg"), productImage=maybe(text, "")
)
order = fields(
    id=text,
    orderNumber=text,
    status=text,
    createdAt=moment,
    total=number,
    deliveryFee=number,
    subtotal=number,
    deliveryAddress=text,
    scheduledDeliveryDate=moment,
    paymentMethod=maybe(text, "COD"),
    items=lambda v: listing(v, order_item),
)
notification = fields(
    id=text,
    type=text,
    title=text,
    body=text,
    createdAt=moment,
    imageUrl=maybe(text),
    actionType=maybe(text),
    actionData=maybe(mapping),
    isRead=maybe(flag, False),
)
address = fields(
    id=text,
    fullName=text,
    phoneNumber=text,
    addressLine1=text,
    addressLine2=text,
    city=text,
    state=text,
    pinCode=text,
    country=text,
    type=text,
    isDefault=maybe(flag, False),
    latitude=maybe(number),
    longitude=maybe(number),
    deliveryInstructions=maybe(
        fields(specialNotes=maybe(text), securityCode=maybe(text), preferredTimeSlot=maybe(text))
    ),
    createdAt=moment,
    updatedAt=moment,
)
pagination = fields(page=maybe(whole, 1), limit=maybe(whole, 20), total=maybe(whole, 0))
