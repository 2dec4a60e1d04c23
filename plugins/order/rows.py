"""Rows of the order domain as what they stand for."""

from datetime import datetime
from uuid import UUID

import orjson

from core.convert import wire
from core.store.db import Row
from core.types import Paise, UserId
from plugins.order.contributions import Charge, Explained, Item, Phase
from plugins.order.models import Address, Bill, Entry, Order, Refund
from plugins.order.standing import Method, OrderLine, OrderSummary, Payment, State, Status


def order_of(row: Row) -> Order:
    """An order with all its parts."""
    return Order(
        id=row["id"],
        user_id=row["user_id"],
        number=row["number"],
        state=State(Status(row["status"]), Method(row["payment_method"]), Payment(row["payment_status"])),
        bill=_bill(row),
        items=[
            Item(
                product_id=UUID(product), name=name, image=image, unit=unit, unit_price=Paise(price), quantity=quantity
            )
            for product, name, image, unit, price, quantity in orjson.loads(row["items"])
        ],
        address=wire.structure(orjson.loads(row["address"]), Address),
        scheduled_for=row["scheduled_for"],
        estimated_delivery=row["estimated_delivery"],
        delivery_slot=row["delivery_slot"],
        note=row["note"],
        tracking_id=row["tracking_id"],
        delivery_partner_id=row["delivery_partner_id"],
        cancel_reason=row["cancel_reason"],
        created_at=row["created_at"],
        confirmed_at=row["confirmed_at"],
        shipped_at=row["shipped_at"],
        delivered_at=row["delivered_at"],
        cancelled_at=row["cancelled_at"],
        timeline=[
            Entry(event=event, status=Status(status), at=datetime.fromisoformat(at), notes=notes)
            for event, status, at, notes in orjson.loads(row["timeline"])
        ],
        refunded=Paise(row["refunded_paise"]),
        refunds=[] if row["refunds"] is None else _refunds(row["refunds"]),
    )


def _bill(row: Row) -> Bill:
    if row["charges"] is None:
        return Bill.of(
            subtotal=Paise(row["subtotal_paise"]),
            delivery_fee=Paise(row["delivery_fee_paise"]),
            discount=Paise(row["discount_paise"]),
        )
    return Bill(
        charges=tuple(
            Explained(
                phase=Phase(one["phase"]),
                plugin=one["plugin"],
                charge=Charge(
                    code=one["code"],
                    label=one["label"],
                    amount=Paise(one["amount"]),
                    product_id=one["productId"] and UUID(one["productId"]),
                    coupon=one["coupon"],
                ),
            )
            for one in orjson.loads(row["charges"])
        )
    )


def _refunds(text: str) -> list[Refund]:
    return [
        Refund(
            id=refund_id,
            amount=Paise(amount),
            lines=[(UUID(product), quantity, Paise(paise)) for product, quantity, paise in lines],
            reason=reason,
            at=datetime.fromisoformat(at),
        )
        for refund_id, amount, lines, reason, at in orjson.loads(text)
    ]


def summary_of(row: Row) -> OrderSummary:
    """An order as other domains see it."""
    bill = _bill(row)
    return OrderSummary(
        id=row["id"],
        user_id=UserId(row["user_id"]),
        number=row["number"],
        method=row["payment_method"],
        status=row["status"],
        payment_status=row["payment_status"],
        total=Paise(row["total_paise"]),
        delivery_fee=bill.beside_goods,
        refunded=Paise(row["refunded_paise"]),
        lines=[
            OrderLine(product_id=UUID(product), quantity=quantity, total=bill.of_line(UUID(product), Paise(price)))
            for product, quantity, price in orjson.loads(row["lines"])
        ],
    )
