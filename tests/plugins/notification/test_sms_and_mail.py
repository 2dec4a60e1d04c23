"""SMS and email against servers that speak the providers' protocols."""

import logging
from pathlib import Path

import attrs
import pytest

from core.settings import Secret
from plugins.notification.channels.build import Channels, build
from plugins.notification.codes import CodesBySms
from plugins.notification.ports import Medium, Permanent, Temporary
from tests.plugins.notification.world import MAIL, PHONE, SMS, TEMPLATE_IDS, World
from tests.providers import server


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
    codes = CodesBySms(channels.by_medium[Medium.SMS])
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
        await CodesBySms(channels.by_medium[Medium.SMS]).send(PHONE, "482913", 0)
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
