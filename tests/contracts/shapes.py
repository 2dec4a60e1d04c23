"""What the wire contract says of answers beyond the app's own parsers: every field that must be there, and its type.

Each reader throws CastError where a client would; `fields` of `tests.journeys.dart` reads a missing key as null.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from tests.journeys import dart
from tests.journeys.dart import CastError, fields, flag, listing, mapping, maybe, moment, number, text, whole

Reader = Callable[[Any], Any]


def key(value: object) -> str:
    """An id of ours."""
    return str(UUID(text(value)))


def many(read: Reader) -> Reader:
    """A list of these."""
    return lambda value: listing(value, read)


def word(*words: str) -> Reader:
    """One of a few."""

    def read(value: object) -> str:
        if value not in words:
            raise CastError(f"not one of {words}: {value!r}")
        return text(value)

    return read


def filled(value: object) -> str:
    """Text that says something."""
    if not text(value).strip():
        raise CastError("empty")
    return text(value)


def alike(value: Mapping[str, Any], *pairs: tuple[str, str]) -> None:
    """Two names of one thing."""
    for one, other in pairs:
        if value[one] != value[other]:
            raise CastError(f"{one} is {value[one]!r} and {other} is {value[other]!r}")


def both(*readers: Reader, names: tuple[tuple[str, str], ...] = ()) -> Reader:
    """One value that two clients read, and the names that they have for one thing."""

    def read(value: Any) -> Any:
        for reader in readers:
            reader(value)
        alike(value, *names)
        return value

    return read


STATUSES = (
    "PENDING",
    "CONFIRMED",
    "PROCESSING",
    "READY_FOR_PICKUP",
    "OUT_FOR_DELIVERY",
    "DELIVERED",
    "CANCELLED",
    "REFUNDED",
)
METHODS = ("COD", "UPI", "CARD", "NET_BANKING", "WALLET")
PAYMENTS = ("PENDING", "PROCESSING", "COMPLETED", "FAILED", "REFUNDED", "PARTIALLY_REFUNDED")
ENTRY_TYPES = ("ORDER_UPDATE", "PAYMENT_CONFIRMATION", "DELIVERY_UPDATE", "PROMOTIONAL", "SYSTEM")

# A.2, B.1
meta = fields(requestId=text, timestamp=moment, version=word("1.0.0"))
page = fields(page=whole, limit=whole, total=whole, totalPages=whole, hasMore=flag)
error = fields(code=text, message=filled, retryable=flag, retryAfter=maybe(whole), details=maybe(mapping))
failure = fields(success=flag, error=error, requestId=text, meta=meta)
success = fields(success=flag, data=mapping, requestId=text, meta=meta)

# A.3, B.3
message = fields(message=filled)
code_sent = fields(message=filled, expiresIn=whole)
tokens = fields(accessToken=filled, refreshToken=filled, expiresIn=whole)
pair = fields(accessToken=filled, refreshToken=filled, tokens=tokens)
user = both(
    dart.user,
    fields(id=key, phoneNumber=filled, isVerified=flag, role=text, createdAt=moment),
    names=(("phone", "phoneNumber"), ("profilePicture", "profileImageUrl")),
)
address = both(
    dart.address,
    fields(id=key, label=word("Home", "Work", "Other"), type=word("home", "work", "other"), pincode=filled),
    names=(("pinCode", "pincode"),),
)

# A.4, B.4
named = fields(id=key, name=filled, slug=filled)
product = both(
    dart.product,
    fields(
        id=key, slug=filled, category=filled, categoryId=key, categoryInfo=named, price=number,
        compareAtPrice=maybe(number), unit=filled, image=text, imageUrl=text, stock=whole, inStock=flag,
        isActive=flag, isOrganic=flag, rating=number, averageRating=number, reviewCount=whole,
        farmSource=text, tags=many(text), description=text,
    ),
    names=(("image", "imageUrl"), ("rating", "averageRating")),
)  # fmt: skip
picture = fields(id=key, url=filled, altText=maybe(text), sortOrder=whole, isPrimary=flag)
review = fields(
    id=key, rating=whole, title=maybe(text), comment=maybe(text), isVerified=flag, createdAt=moment, userName=filled
)
product_detail = both(
    product,
    fields(
        shortDescription=maybe(text), minOrderQuantity=whole, maxOrderQuantity=whole, quantityStep=number,
        shelfLife=maybe(text), storageInstructions=maybe(text), nutritionInfo=maybe(mapping), isFeatured=flag,
        images=many(picture), reviews=many(review),
    ),
)  # fmt: skip
child = fields(id=key, name=filled, slug=filled, imageUrl=maybe(text))
category = fields(
    id=key, name=filled, slug=filled, description=maybe(text), imageUrl=maybe(text), productCount=whole,
    children=many(child),
)  # fmt: skip
category_detail = both(category, fields(parent=maybe(child)))
categories = fields(categories=many(filled), items=many(category))
banner = fields(
    id=key, title=filled, subtitle=maybe(text), imageUrl=filled,
    linkType=maybe(word("product", "category", "external")), linkValue=maybe(text),
)  # fmt: skip

# A.5, B.5
cart = both(
    dart.cart, fields(items=many(fields(productId=key, maxQuantity=maybe(whole))), itemCount=whole, updatedAt=moment)
)
checked = fields(productId=key, valid=flag, available=whole, requested=whole)
validity = fields(valid=flag, items=many(checked), invalidItems=many(checked))

# A.6, B.6
line = fields(
    productId=key, productName=filled, quantity=whole, unit=filled, unitPrice=number, total=number, productImage=text
)
step = fields(event=filled, status=word(*STATUSES), timestamp=moment, notes=maybe(text))
order = both(
    dart.order,
    fields(
        id=key, status=word(*STATUSES), statusKey=word("processing", "in_transit", "delivered", "cancelled"),
        statusLabel=word("Pending", "Processing", "Shipped", "Delivered", "Cancelled", "Refunded"),
        paymentMethod=word(*METHODS), paymentStatus=word(*PAYMENTS), items=many(line), discount=number,
        deliveryAddress=filled, deliveryAddressDetails=mapping, itemCount=whole, timeline=many(step),
        deliverySlot=maybe(text), customerNote=maybe(text), confirmedAt=maybe(moment),
        shippedAt=maybe(moment), deliveredAt=maybe(moment),
    ),
)  # fmt: skip

# A.7, B.7
entry = both(
    dart.notification,
    fields(
        id=key, type=word(*ENTRY_TYPES), isRead=flag, actionType=word("order_details", "track_order", "rate_order"),
        actionData=fields(orderId=key),
    ),
)  # fmt: skip
preferences = fields(
    pushEnabled=flag, emailEnabled=flag, smsEnabled=flag, orderUpdates=flag, promotionalOffers=flag, deliveryAlerts=flag
)  # fmt: skip

# B.2
dependency = fields(status=word("up", "down"), latencyMs=whole)
dependencies = fields(postgres=dependency, redis=dependency)
live = fields(status=word("ok"), timestamp=moment)
ready = fields(status=word("ready", "degraded"), timestamp=moment, dependencies=dependencies)
health = fields(
    status=word("healthy", "degraded"), timestamp=moment, uptime=whole, version=filled, dependencies=dependencies
)
