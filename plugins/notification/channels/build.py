"""Channels from settings. What is switched on but not set up is a mistake in production and journalled elsewhere."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import attrs

from core.extensions import Extends
from core.resilience.breaker import Breaker, Breakers
from core.settings import BadSettings, Secret
from core.types import utc_now
from plugins.notification.channels import fcm, smtp
from plugins.notification.channels.fcm import Fcm, ServiceAccount
from plugins.notification.channels.guarded import Guarded
from plugins.notification.channels.http import Http
from plugins.notification.channels.in_turn import InTurn
from plugins.notification.channels.journal import Journal, Journaled
from plugins.notification.channels.pace import unusable
from plugins.notification.channels.sms import Gateway, Msg91
from plugins.notification.channels.smtp import SECURITY, Server, Smtp
from plugins.notification.ports import CHANNELS, Channel, ChannelOffer, Medium
from plugins.notification.settings import NotificationSettings
from plugins.notification.templates import BUILT_IN, SIGN_IN_CODE

Guard = Callable[[str, Channel], Channel]
SLOW = 0.8
"""Of the time a call may take: from there on it is a slow one to the provider's breaker."""
NEEDED = {
    Medium.PUSH: "notification.fcm_service_account is not set",
    Medium.SMS: "notification.msg91_authkey and notification.sms_gateway_key are not set: one of the two is needed",
    Medium.EMAIL: "notification.smtp_host is not set",
}


@attrs.frozen
class Channels:
    """The channels of the media that are switched on, and the session they share."""

    http: Http
    by_medium: Mapping[Medium, Channel]
    journal: Journal | None = None
    """Where messages are written down too: in development."""
    lacking: Mapping[Medium, str] = attrs.field(factory=dict)
    """What production cannot do without, and nobody here provides."""

    def declared(self) -> Sequence[Extends[ChannelOffer]]:
        """For the hook `extends`: these are contributed as any plugin's."""
        return [Extends(CHANNELS, ChannelOffer(medium=m, channel=c)) for m, c in self.by_medium.items()]

    def check(self, offered: Collection[Medium]) -> None:
        """Raises BadSettings with every medium that nobody provides."""
        if mistakes := [text for medium, text in self.lacking.items() if medium not in offered]:
            raise BadSettings(mistakes)


def build(
    settings: NotificationSettings, *, development: bool, data_dir: Path, breakers: Breakers | None = None
) -> Channels:
    """Raises BadSettings with every mistake; what is lacking another plugin may provide, so `check` asks that later.

    Nothing is opened yet. Each provider's breaker is added to `breakers`.
    """
    mistakes = unusable(settings)
    known = breakers if breakers is not None else Breakers()

    def guarded(provider: str, channel: Channel) -> Channel:
        return Guarded(channel, known.add(Breaker(provider, slow=SLOW * settings.call_timeout)))

    http = Http(settings.call_timeout)
    media = _media(settings, mistakes)
    makers: Mapping[Medium, Callable[[], Channel | None]] = {
        Medium.PUSH: lambda: _push(settings, http, guarded, mistakes),
        Medium.SMS: lambda: _sms(settings, http, guarded, mistakes),
        Medium.EMAIL: lambda: _email(settings, guarded, mistakes),
    }
    made = {medium: makers[medium]() for medium in media}
    journal: Journal | None = None
    lacking: dict[Medium, str] = {}
    if development:
        journal = Journal(data_dir / "messages.jsonl", utc_now)
        found: dict[Medium, Channel] = {m: Journaled(journal, channel) for m, channel in made.items()}
    else:
        found = {medium: channel for medium, channel in made.items() if channel is not None}
        lacking = {m: f"{NEEDED[m]}, or take {m.value} out of notification.media" for m in media if m not in found}
        if Medium.SMS not in media:
            lacking[Medium.SMS] = "notification.media must hold sms in production: sign-in codes go that way"
    if mistakes:
        raise BadSettings(mistakes)
    return Channels(http, found, journal, lacking)


def _media(settings: NotificationSettings, mistakes: list[str]) -> list[Medium]:
    unknown = [m for m in settings.media if m not in {*Medium}]
    mistakes += [f"notification.media: {name!r} is not one of {', '.join(Medium)}" for name in unknown]
    return [medium for medium in Medium if medium in settings.media]


def _push(settings: NotificationSettings, http: Http, guarded: Guard, mistakes: list[str]) -> Channel | None:
    if settings.fcm_service_account is None:
        return None
    try:
        account = ServiceAccount.read(settings.fcm_service_account.reveal())
    except ValueError as error:
        mistakes.append(f"notification.fcm_service_account {error}")
        return None
    return guarded(fcm.PROVIDER, Fcm(http, account, url=settings.fcm_url, token_url=settings.google_token_url))


def _sms(settings: NotificationSettings, http: Http, guarded: Guard, mistakes: list[str]) -> Channel | None:
    providers: list[Channel] = []
    if settings.msg91_authkey is not None:
        templates = dict(part.split("=", 1) for part in settings.msg91_templates if "=" in part)
        missing = [name for name in (SIGN_IN_CODE, *BUILT_IN) if name not in templates]
        if missing:
            mistakes.append(f"notification.msg91_templates lacks {', '.join(missing)}")
        authkey = settings.msg91_authkey.reveal()
        msg91 = Msg91(http, url=settings.msg91_url, authkey=authkey, templates=templates)
        providers.append(guarded(msg91.provider, msg91))
    if settings.sms_gateway_key is not None:
        if not settings.sms_gateway_url:
            mistakes.append("notification.sms_gateway_url is not set")
        gateway = Gateway(http, url=settings.sms_gateway_url, key=settings.sms_gateway_key.reveal())
        providers.append(guarded(gateway.provider, gateway))
    return InTurn(providers) if providers else None


def _email(settings: NotificationSettings, guarded: Guard, mistakes: list[str]) -> Channel | None:
    if not settings.smtp_host:
        return None
    if settings.smtp_security not in SECURITY:
        mistakes.append(f"notification.smtp_security is not one of {', '.join(SECURITY)}")
    if settings.smtp_security == "none" and settings.smtp_user:
        mistakes.append("notification.smtp_security must be starttls or tls where a password is sent")
    server = Server(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=_text(settings.smtp_password),
        ca_file=settings.smtp_ca_file,
        timeout=settings.call_timeout,
        sender=settings.email_from,
        unsubscribe=settings.email_unsubscribe,
    )
    return guarded(smtp.PROVIDER, Smtp(server))


def _text(secret: Secret | None) -> str:
    return secret.reveal() if secret is not None else ""
