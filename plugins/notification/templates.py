"""The texts, as data. `{words}` are variables; every template here can use those of `VARIABLES`.

An SMS provider in India sends only texts that were registered with the operators (TRAI's DLT rules): what is here under
`sms` must be registered there, and its id named in the setting `msg91_templates`.
"""

from collections.abc import Mapping

from plugins.notification.ports import Action, EntryType, Template

VARIABLES = ("orderNumber", "amount", "expected", "refund")
LIFETIME = 24 * 3600
"""Seconds after which a message about an order is no news any more and is dropped."""
SIGN_IN_CODE = "SIGN_IN_CODE"
SIGN_IN_TEXT = (
    "{code} is your Vurksha sign-in code. It is valid for {minutes} minutes. Please do not share it with anyone."
)


BUILT_IN: Mapping[str, Template] = {
    "ORDER_PLACED": Template(
        type=EntryType.ORDER_UPDATE,
        action=Action.ORDER_DETAILS,
        title="We have your order",
        body="Thank you! Order {orderNumber} for {amount} has reached us. We will tell you once it is confirmed.",
        sms="Vurksha: thank you! We have your order {orderNumber} for {amount}.",
        email="Thank you for shopping with us. Your order {orderNumber} for {amount} has reached us, and we will write "
        "again as soon as it is confirmed.",
    ),
    "ORDER_CONFIRMED": Template(
        type=EntryType.ORDER_UPDATE,
        action=Action.ORDER_DETAILS,
        title="Your order is confirmed",
        body="Good news: order {orderNumber} is confirmed and will be with you {expected}.",
        sms="Vurksha: your order {orderNumber} is confirmed and will be with you {expected}.",
        email="Good news: your order {orderNumber} for {amount} is confirmed. We are packing it now, and it will be "
        "with you {expected}.",
    ),
    "ORDER_SHIPPED": Template(
        type=EntryType.DELIVERY_UPDATE,
        action=Action.TRACK_ORDER,
        title="Your order is on its way",
        body="Order {orderNumber} has left the farm store. You can follow it in the app.",
        sms="Vurksha: your order {orderNumber} is on its way. Follow it in the app.",
        email="Your order {orderNumber} has left the farm store and is on its way. You can follow it in the app.",
    ),
    "ORDER_DELIVERED": Template(
        type=EntryType.DELIVERY_UPDATE,
        action=Action.RATE_ORDER,
        title="Delivered. Enjoy!",
        body="Order {orderNumber} has arrived. How did we do? A rating helps our farmers.",
        sms="Vurksha: your order {orderNumber} has been delivered. Enjoy!",
        email="Your order {orderNumber} has arrived. We hope you enjoy it. If you have a minute, tell us in the app "
        "how we did: it helps our farmers.",
    ),
    "ORDER_CANCELLED": Template(
        type=EntryType.ORDER_UPDATE,
        action=Action.ORDER_DETAILS,
        title="Your order is cancelled",
        body="Order {orderNumber} for {amount} is cancelled.{refund}",
        sms="Vurksha: your order {orderNumber} for {amount} is cancelled.{refund}",
        email="Your order {orderNumber} for {amount} is cancelled.{refund} If you did not expect this, please write to "
        "us from the app.",
    ),
    "PAYMENT_SUCCESS": Template(
        type=EntryType.PAYMENT_CONFIRMATION,
        action=Action.ORDER_DETAILS,
        title="Payment received",
        body="We received {amount} for order {orderNumber}. Thank you!",
        sms="Vurksha: we received {amount} for order {orderNumber}. Thank you!",
        email="We received your payment of {amount} for order {orderNumber}. Thank you!",
    ),
    "PAYMENT_FAILED": Template(
        type=EntryType.PAYMENT_CONFIRMATION,
        action=Action.ORDER_DETAILS,
        title="Payment did not go through",
        body="The payment of {amount} for order {orderNumber} did not go through. Open the order to see what to do.",
        sms="Vurksha: the payment of {amount} for order {orderNumber} did not go through. Open the order in the app.",
        email="The payment of {amount} for your order {orderNumber} did not go through. Please open the order in the "
        "app to see what you can do. If money has left your account, your bank will return it.",
    ),
    "PAYMENT_REFUNDED": Template(
        type=EntryType.PAYMENT_CONFIRMATION,
        action=Action.ORDER_DETAILS,
        title="Your refund is on its way",
        body="We have sent {amount} for order {orderNumber} back to you. Banks usually take 5 to 7 working days.",
        sms="Vurksha: we have sent {amount} for order {orderNumber} back to you.",
        email="We have sent {amount} for your order {orderNumber} back to you. Banks usually take 5 to 7 working days "
        "to show it.",
    ),
}
