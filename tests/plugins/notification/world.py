"""Every provider on this machine, and messages to send through them."""

from typing import Any

import attrs

from plugins.notification.ports import Medium, Message
from plugins.notification.settings import NotificationSettings
from plugins.notification.templates import BUILT_IN, SIGN_IN_CODE
from tests.providers.google import Google
from tests.providers.mail import MailServer
from tests.providers.sms import GatewayServer, Msg91Server

PHONE = "+919876543210"
TEMPLATE_IDS = [f"{name}=flow-{n}" for n, name in enumerate((SIGN_IN_CODE, *BUILT_IN), 1)]


@attrs.frozen
class World:
    """Every provider, and the settings that lead to them."""

    google: Google
    msg91: Msg91Server
    gateway: GatewayServer
    mail: MailServer
    settings: NotificationSettings


def message(medium: Medium, to: str, **more: Any) -> Message:
    known: dict[str, Any] = {
        "key": "0199-key",
        "medium": medium,
        "to": to,
        "template": "ORDER_SHIPPED",
        "title": "Your order is on its way",
        "text": "Order VRK-2026-000001 has left.",
        "variables": {"orderNumber": "VRK-2026-000001"},
        "data": {"actionType": "track_order", "actionData": '{"orderId":"1"}', "notificationId": "n"},
        "expires_in": 86_400,
    }
    return Message(**{**known, **more})


PUSH = message(Medium.PUSH, "device-1")
SMS = message(Medium.SMS, PHONE)
MAIL = message(Medium.EMAIL, "asha@example.com")
