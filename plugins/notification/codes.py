"""One-time codes by SMS."""

from core.types import uuid7
from plugins.notification.ports import Channel, Medium, Message, Permanent
from plugins.notification.templates import SIGN_IN_CODE, SIGN_IN_TEXT


class CodesBySms:
    """The user domain's way to a phone. Codes are in no log and no error."""

    def __init__(self, sms: Channel) -> None:
        self._sms = sms

    async def send(self, phone: str, code: str, expires_in: int) -> None:
        """One try through every provider; raises Temporary or Permanent. `expires_in` in seconds."""
        if expires_in <= 0:
            raise Permanent("none", "expired")
        variables = {"code": code, "minutes": str(max(1, round(expires_in / 60)))}
        message = Message(
            key=str(uuid7()),
            medium=Medium.SMS,
            to=phone,
            template=SIGN_IN_CODE,
            title="",
            text=SIGN_IN_TEXT.format_map(variables),
            variables=variables,
            expires_in=expires_in,
            code=code,
        )
        await self._sms.send(message)
