"""The channels against servers that speak the providers' own protocols."""

import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest

from core.settings import BadSettings, Secret
from plugins.notification.channels.build import Channels, build
from plugins.notification.channels.http import Http
from plugins.notification.codes import CodesBySms
from plugins.notification.ports import Medium, Message, Permanent, Sent, Temporary
from plugins.notification.settings import NotificationSettings
from plugins.notification.templates import SIGN_IN_CODE, TEMPLATES
from tests.providers import server, sms
from tests.providers.google import Google
from tests.providers.mail import PASSWORD, USER, MailServer
from tests.providers.sms import GatewayServer, Msg91Server

PHONE = "+919876543210"
TEMPLATE_IDS = [f"{name}=flow-{n}" for n, name in enumerate((SIGN_IN_CODE, *TEMPLATES), 1)]


@attrs.frozen
class World:
    """Every provider, and the settings that lead to them."""

    google: Google
    msg91: Msg91Server
    gateway: GatewayServer
    mail: MailServer
    settings: NotificationSettings


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    google, msg91, gateway, mail = Google(), Msg91Server(), GatewayServer(), MailServer(tmp_path)
    async with google.running(), msg91.running(), gateway.running(), mail.running():
        settings = NotificationSettings(
            call_timeout=0.5,
            fcm_service_account=Secret(google.account()),
            fcm_url=google.url,
            google_token_url=f"{google.url}/token",
            msg91_authkey=Secret(sms.AUTHKEY),
            msg91_url=msg91.url,
            msg91_templates=TEMPLATE_IDS,
            sms_gateway_url=gateway.url,
            sms_gateway_key=Secret(sms.KEY),
            smtp_host="127.0.0.1",
            smtp_port=mail.port,
            smtp_user=USER,
            smtp_password=Secret(PASSWORD),
            smtp_ca_file=str(mail.ca_file),
        )
        yield World(google, msg91, gateway, mail, settings)


@pytest.fixture
async def channels(world: World, tmp_path: Path) -> AsyncIterator[Channels]:
    built = build(world.settings, development=False, data_dir=tmp_path)
    async with built.http.opened():
        yield built


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


async def test_a_push_reaches_the_device_with_one_access_token_for_many(world: World, channels: Channels) -> None:
    push = channels.by_medium[Medium.PUSH]
    first, _ = await push.send(PUSH), await push.send(PUSH)
    assert first == Sent("fcm", "projects/farm-shop/messages/1")
    assert world.google.token_calls == 1
    got = world.google.delivered[0]
    assert got["token"] == "device-1"
    assert got["notification"] == {"title": PUSH.title, "body": PUSH.text}
    assert got["data"] == PUSH.data
    assert got["android"]["notification"]["tag"] == got["apns"]["headers"]["apns-collapse-id"] == PUSH.key


async def test_an_access_token_is_replaced_before_it_ends_or_when_it_is_refused(
    world: World, channels: Channels
) -> None:
    push = channels.by_medium[Medium.PUSH]
    world.google.lifetime = 100  # below the margin: never kept
    await push.send(PUSH)
    world.google.lifetime = 3599
    await push.send(PUSH)
    assert world.google.token_calls == 2
    world.google.access.clear()
    with pytest.raises(Temporary):
        await push.send(PUSH)
    await push.send(PUSH)
    assert world.google.token_calls == 3


@pytest.mark.parametrize(
    ("where", "reason"), [("gone", "unregistered"), ("foreign", "sender_id_mismatch"), ("odd", "invalid_argument")]
)
async def test_a_dead_token_is_refused_for_good(world: World, channels: Channels, where: str, reason: str) -> None:
    getattr(world.google, where).add("device-1")
    with pytest.raises(Permanent) as refused:
        await channels.by_medium[Medium.PUSH].send(PUSH)
    assert (refused.value.reason, refused.value.dead_address) == (reason, True)


async def test_a_message_of_ours_that_is_wrong_leaves_the_device_alone(channels: Channels) -> None:
    wrong = attrs.evolve(PUSH, expires_in=10**9)
    with pytest.raises(Permanent) as refused:
        await channels.by_medium[Medium.PUSH].send(wrong)
    assert (refused.value.reason, refused.value.dead_address) == ("invalid_argument", False)


async def test_an_unknown_account_gets_no_access_token(world: World, channels: Channels) -> None:
    world.google._key = Google()._key
    with pytest.raises(Temporary) as refused:
        await channels.by_medium[Medium.PUSH].send(PUSH)
    assert refused.value.reason == "no_access_token"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (429, "throttled"),
        (500, "unavailable"),
        (503, "unavailable"),
        (404, "misconfigured"),
        (server.DROP, "unreachable"),
    ],
)
async def test_googles_trouble_is_temporary(world: World, channels: Channels, fault: int | str, reason: str) -> None:
    push = channels.by_medium[Medium.PUSH]
    await push.send(PUSH)  # so that the access token is there
    world.google.fault, world.google.retry_after = fault, "77"
    with pytest.raises(Temporary) as refused:
        await push.send(PUSH)
    assert refused.value.reason == reason
    assert refused.value.retry_after == (77 if fault in (429, 500, 503) else 0)


async def test_retry_after_may_be_a_date_or_nonsense(world: World, channels: Channels) -> None:
    world.google.fault = 503
    for said, low, high in (
        ("Wed, 21 Oct 2099 07:28:00 GMT", 10**6, 10**10),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("soon", 0, 0),
    ):
        world.google.retry_after = said
        with pytest.raises(Temporary) as refused:
            await channels.by_medium[Medium.PUSH].send(PUSH)
        assert low <= refused.value.retry_after <= high


@pytest.mark.parametrize("medium", [Medium.PUSH, Medium.SMS, Medium.EMAIL])
async def test_a_hanging_provider_is_left_within_the_limit(world: World, channels: Channels, medium: Medium) -> None:
    world.google.fault = world.msg91.fault = world.gateway.fault = server.HANG
    world.mail.hang = True
    began = time.monotonic()
    with pytest.raises(Temporary) as refused:
        await channels.by_medium[medium].send({Medium.PUSH: PUSH, Medium.SMS: SMS, Medium.EMAIL: MAIL}[medium])
    assert refused.value.reason == "timeout"
    assert time.monotonic() - began < 1.5, "0.5 s a call, and two providers for SMS"


def test_the_limit_is_three_seconds_unless_set() -> None:
    assert NotificationSettings().call_timeout == 3.0


async def test_an_sms_goes_to_msg91_with_its_registered_template(world: World, channels: Channels) -> None:
    sent = await channels.by_medium[Medium.SMS].send(SMS)
    assert sent.provider == "msg91"
    expected = {"template_id": "flow-4", "mobiles": "919876543210", "orderNumber": "VRK-2026-000001"}
    assert world.msg91.delivered == [expected]
    assert world.gateway.delivered == []


@pytest.mark.parametrize("fault", [500, 429, 418, server.DROP, server.HANG, server.GARBAGE])
async def test_the_second_provider_takes_over_and_the_first_rests(
    world: World, channels: Channels, fault: int | str
) -> None:
    world.msg91.fault = fault
    provider = channels.by_medium[Medium.SMS]
    assert (await provider.send(SMS)).provider == "sms_gateway"
    assert (await provider.send(SMS)).provider == "sms_gateway"
    assert world.msg91.calls == 1
    assert world.gateway.delivered[0] == {"to": PHONE, "text": SMS.text, "template": SMS.template, "reference": SMS.key}


async def test_a_bad_number_is_bad_for_both(world: World, channels: Channels) -> None:
    world.msg91.bad_numbers.add("919876543210")
    with pytest.raises(Permanent) as refused:
        await channels.by_medium[Medium.SMS].send(SMS)
    assert (refused.value.provider, refused.value.dead_address) == ("msg91", True)
    assert world.gateway.calls == 0


async def test_when_both_fail_the_last_word_counts(world: World, channels: Channels) -> None:
    world.msg91.fault = 503
    world.gateway.bad_numbers.add(PHONE)
    with pytest.raises(Permanent) as refused:
        await channels.by_medium[Medium.SMS].send(SMS)
    assert refused.value.provider == "sms_gateway"
    world.gateway.fault = 401
    with pytest.raises(Temporary) as waits:
        await channels.by_medium[Medium.SMS].send(SMS)
    assert waits.value.provider == "msg91"


async def test_a_text_that_msg91_does_not_know_goes_by_the_other(world: World, channels: Channels) -> None:
    assert (await channels.by_medium[Medium.SMS].send(attrs.evolve(SMS, template="NEW"))).provider == "sms_gateway"
    unknown = [t for t in TEMPLATE_IDS if not t.startswith("ORDER_SHIPPED")]
    settings = attrs.evolve(world.settings, msg91_templates=[*unknown, "ORDER_SHIPPED=elsewhere"], sms_gateway_key=None)
    built = build(settings, development=False, data_dir=Path("unused"))
    async with built.http.opened():
        with pytest.raises(Temporary) as refused:
            await built.by_medium[Medium.SMS].send(SMS)
    assert refused.value.reason == "refused"


async def test_a_code_goes_out_and_nowhere_else(
    world: World, channels: Channels, caplog: pytest.LogCaptureFixture
) -> None:
    codes = CodesBySms(channels.sms)
    with caplog.at_level(logging.DEBUG):
        await codes.send(PHONE, "482913", 300)
        world.msg91.fault = world.gateway.fault = 500
        with pytest.raises(Temporary) as refused:
            await codes.send(PHONE, "482913", 300)
    assert world.msg91.delivered[0]["code"] == "482913"
    assert world.msg91.delivered[0]["minutes"] == "5"
    assert "482913" not in caplog.text + repr(refused.value)
    assert PHONE not in caplog.text + repr(refused.value)


async def test_a_code_that_expired_is_not_sent(world: World, channels: Channels) -> None:
    with pytest.raises(Permanent):
        await CodesBySms(channels.sms).send(PHONE, "482913", 0)
    assert world.msg91.calls == 0


async def test_a_mail_arrives_whole_over_tls_with_login(world: World, channels: Channels) -> None:
    sent = await channels.by_medium[Medium.EMAIL].send(MAIL)
    (mail,) = world.mail.mails
    assert sent.reference == mail["Message-ID"] == "<0199-key@vurksha.example>"
    assert mail["To"] == "asha@example.com"
    assert mail["Subject"] == MAIL.title
    assert mail["List-Unsubscribe"] == "<mailto:unsubscribe@vurksha.example>"
    assert MAIL.text in mail.get_content()


@pytest.mark.parametrize(
    ("reply", "kind", "dead"),
    [("550 no such user", Permanent, True), ("450 try later", Temporary, False)],
)
async def test_a_mailbox_that_refuses(world: World, channels: Channels, reply: str, kind: type, *, dead: bool) -> None:
    world.mail.recipient = reply
    with pytest.raises(kind) as refused:
        await channels.by_medium[Medium.EMAIL].send(MAIL)
    assert getattr(refused.value, "dead_address", False) is dead


@pytest.mark.parametrize(("reply", "kind"), [("554 spam", Permanent), ("452 full", Temporary)])
async def test_a_mail_that_is_refused_says_nothing_of_the_mailbox(
    world: World, channels: Channels, reply: str, kind: type
) -> None:
    world.mail.data = reply
    with pytest.raises(kind) as refused:
        await channels.by_medium[Medium.EMAIL].send(MAIL)
    assert not getattr(refused.value, "dead_address", False)


async def test_a_wrong_password_or_an_unknown_certificate_is_our_trouble(world: World, tmp_path: Path) -> None:
    for change in ({"smtp_password": Secret("wrong")}, {"smtp_ca_file": ""}, {"smtp_port": 1}):
        built = build(attrs.evolve(world.settings, **change), development=False, data_dir=tmp_path)
        with pytest.raises(Temporary) as refused:
            await built.by_medium[Medium.EMAIL].send(MAIL)
        assert refused.value.reason == "unavailable"


async def test_an_address_with_a_line_break_never_becomes_a_header(channels: Channels) -> None:
    with pytest.raises(Permanent) as refused:
        await channels.by_medium[Medium.EMAIL].send(attrs.evolve(MAIL, to="a@example.com\nBcc: b@example.com"))
    assert refused.value.reason == "bad_address"


async def test_before_the_session_is_open_everything_waits() -> None:
    with pytest.raises(Temporary):
        await Http(1).post("x", "http://127.0.0.1:1", headers={})


async def test_development_writes_down_what_it_would_have_sent(tmp_path: Path) -> None:
    built = build(NotificationSettings(), development=True, data_dir=tmp_path / "data")
    await CodesBySms(built.sms).send(PHONE, "482913", 300)
    assert await built.by_medium[Medium.PUSH].send(PUSH) == Sent("journal")
    journal = tmp_path / "data/messages.jsonl"
    code, push = map(orjson.loads, journal.read_bytes().splitlines())
    assert (code["channel"], code["to"], code["code"], code["template"]) == ("sms", PHONE, "482913", SIGN_IN_CODE)
    assert code["at"].endswith("Z")
    assert "482913" in code["text"]
    assert (push["channel"], push["to"], push["code"]) == ("push", "device-1", None)
    assert journal.stat().st_mode & 0o777 == 0o600


async def test_development_with_providers_sends_and_writes_down_what_was_sent(world: World, tmp_path: Path) -> None:
    built = build(world.settings, development=True, data_dir=tmp_path)
    world.msg91.fault = world.gateway.fault = 500
    async with built.http.opened():
        with pytest.raises(Temporary):
            await built.by_medium[Medium.SMS].send(SMS)
        assert not (tmp_path / "messages.jsonl").exists()
        world.msg91.fault = world.gateway.fault = None
        await built.by_medium[Medium.SMS].send(SMS)
    assert len((tmp_path / "messages.jsonl").read_bytes().splitlines()) == 1


def test_production_lists_everything_that_is_not_set_up(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        build(NotificationSettings(), development=False, data_dir=tmp_path)
    assert [m.split()[0] for m in refused.value.mistakes] == [
        "notification.fcm_service_account",
        "notification.msg91_authkey",
        "notification.smtp_host",
    ]


async def test_a_medium_may_be_left_out_but_not_sms_in_production(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        build(NotificationSettings(media=[]), development=False, data_dir=tmp_path)
    assert "sign-in codes" in str(refused.value)
    built = build(NotificationSettings(media=[]), development=True, data_dir=tmp_path)
    with pytest.raises(Temporary):
        await CodesBySms(built.sms).send(PHONE, "482913", 300)


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"media": ["fax"]}, "'fax' is not one of push, sms, email"),
        ({"fcm_service_account": Secret("{")}, "fcm_service_account is not JSON"),
        ({"fcm_service_account": Secret('{"project_id": "p"}')}, "client_email, private_key_id, private_key missing"),
        ({"msg91_authkey": Secret("k")}, "msg91_templates lacks SIGN_IN_CODE"),
        ({"sms_gateway_key": Secret("k")}, "sms_gateway_url is not set"),
        ({"smtp_host": "mail", "smtp_security": "maybe"}, "smtp_security is not one of"),
        ({"smtp_host": "mail", "smtp_security": "none", "smtp_user": "u"}, "must be starttls or tls"),
    ],
)
def test_mistakes_are_named_in_every_environment(change: dict[str, Any], mistake: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        build(NotificationSettings(**change), development=True, data_dir=tmp_path)
    assert mistake in str(refused.value)
