"""Which channels the settings make, and what holds for all of them."""

import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from core.settings import BadSettings, Secret
from plugins.notification.channels.build import Channels, build
from plugins.notification.channels.contributed import Contributed
from plugins.notification.channels.http import Http
from plugins.notification.codes import CodesBySms
from plugins.notification.ports import Medium, Sent, Temporary
from plugins.notification.settings import NotificationSettings
from plugins.notification.templates import SIGN_IN_CODE
from tests.plugins.notification.conftest import contributed
from tests.plugins.notification.world import MAIL, PHONE, PUSH, SMS, World
from tests.providers import server


def sms_of(built: Channels) -> Contributed:
    """As the plugin makes it."""
    return Contributed(Medium.SMS, *contributed(*(("notification", one) for one in built.declared())))


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


async def test_before_the_session_is_open_everything_waits() -> None:
    with pytest.raises(Temporary):
        await Http(1).post("x", "http://127.0.0.1:1", headers={})


async def test_development_writes_down_what_it_would_have_sent(tmp_path: Path) -> None:
    built = build(NotificationSettings(), development=True, data_dir=tmp_path / "data")
    await CodesBySms(sms_of(built)).send(PHONE, "482913", 300)
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
        build(NotificationSettings(), development=False, data_dir=tmp_path).check(())
    assert [m.split()[0] for m in refused.value.mistakes] == [
        "notification.fcm_service_account",
        "notification.msg91_authkey",
        "notification.smtp_host",
    ]


async def test_a_medium_may_be_left_out_but_not_sms_in_production(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        build(NotificationSettings(media=[]), development=False, data_dir=tmp_path).check((Medium.PUSH,))
    assert "sign-in codes" in str(refused.value)
    built = build(NotificationSettings(media=[]), development=True, data_dir=tmp_path)
    with pytest.raises(Temporary):
        await CodesBySms(sms_of(built)).send(PHONE, "482913", 300)


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
