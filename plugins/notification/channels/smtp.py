"""Email through an SMTP server: STARTTLS, TLS or, for a relay on the same machine, neither."""

import asyncio
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

import aiosmtplib
import attrs

from core.observe.tracing import outgoing
from plugins.notification.ports import Message, Permanent, Sent, Temporary

PROVIDER = "smtp"
SECURITY = ("starttls", "tls", "none")
GOODBYE = "\n\nYour friends at Vurksha\nYou get this because email is switched on in the app's notification settings.\n"


@attrs.frozen(kw_only=True)
class Server:
    """How to reach and greet the mail server. `timeout` in seconds for the whole exchange."""

    host: str
    port: int
    security: str
    user: str
    password: str = attrs.field(repr=False)
    ca_file: str
    timeout: float
    sender: str
    unsubscribe: str


class Smtp:
    """A channel for email. One connection a message: shops send few, and a stale connection is one trouble less."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def send(self, message: Message) -> Sent:
        """One message to one mailbox."""
        mail = compose(self._server, message)
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=server.timeout,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            cert_bundle=server.ca_file or None,
        )
        try:
            with outgoing("SEND", f"smtp://{server.host}:{server.port}", PROVIDER):
                async with asyncio.timeout(server.timeout):
                    await client.connect()
                    await client.send_message(mail)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            raise _refused([r.code for r in refused.recipients]) from None
        except aiosmtplib.SMTPDataError as refused:
            raise _refused([refused.code], dead=False) from None
        except TimeoutError:
            raise Temporary(PROVIDER, "timeout") from None
        except (aiosmtplib.SMTPException, OSError):
            raise Temporary(PROVIDER, "unavailable") from None
        finally:
            client.close()
        return Sent(PROVIDER, str(mail["Message-ID"]))


def compose(server: Server, message: Message) -> EmailMessage:
    """The Message-ID is the delivery's own, so that a mailbox folds a repeat. Raises Permanent for a bad address."""
    mail = EmailMessage()
    sender = parseaddr(server.sender)[1]
    try:
        mail["To"] = message.to
    except ValueError:
        raise Permanent(PROVIDER, "bad_address") from None
    mail["From"] = server.sender
    mail["Subject"] = message.title
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{message.key}@{sender.rpartition('@')[2]}>"
    mail["List-Unsubscribe"] = server.unsubscribe
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text + GOODBYE)
    return mail


def _refused(codes: list[int], *, dead: bool = True) -> Temporary | Permanent:
    """A 4yz reply is worth another try, a 5yz reply is not (RFC 5321, 4.2.1)."""
    if all(500 <= code < 600 for code in codes):  # noqa: PLR2004  the protocol's own numbers
        return Permanent(PROVIDER, "bad_address" if dead else "refused", dead_address=dead)
    return Temporary(PROVIDER, "deferred")
