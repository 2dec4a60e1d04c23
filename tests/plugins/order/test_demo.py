"""The demonstration, played against the real app."""

from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner

from plugins.order.commands import JOURNAL, demo_command
from plugins.order.demo import Failed, newest_code, play, rupees
from tests.plugins.order.conftest import Shop

CLOSED = "http://127.0.0.1:1"


async def test_the_whole_journey_is_told_step_by_step(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.product(name="Tomato", paise=15_000)
    await play(shop.app.url, shop.app.kernel.data_dir / JOURNAL)
    told = capsys.readouterr().out
    assert told.count("✓") == 15
    for words in ("Signing in", "'tamato' finds Tomato", "VRK-", "no second order", "CONFIRMED", "stock returned"):
        assert words in told
    assert told.rstrip().endswith(" s.")


async def test_a_server_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"127\.0\.0\.1:1/api/v1 does not answer"):
        await play(CLOSED, tmp_path / JOURNAL, phone="9876543210")


def test_the_command_fails_with_one_clear_line(shop: Shop) -> None:
    result = CliRunner().invoke(demo_command(shop.app.kernel), ["--url", CLOSED])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("Error: http://127.0.0.1:1/api/v1 does not answer")


def test_production_has_no_demonstration(shop: Shop) -> None:
    kernel = attrs.evolve(shop.app.kernel, settings=attrs.evolve(shop.app.kernel.settings, environment="production"))
    result = CliRunner().invoke(demo_command(kernel), [])
    assert (result.exit_code, "only development" in result.output) == (1, True)


def test_the_newest_code_of_a_phone_is_found_past_half_written_lines() -> None:
    lines = [
        b'{"to":"+919876543210","code":"111111"}',
        b'{"to":"+919876543210","code":"222222"}',
        b'{"to":"+919876543210","text":"hello"}',
        b'{"to":"+919000000000","code":"333333"}',
        b'{"to":"+91987',
    ]
    assert newest_code(lines, "+919876543210") == "222222"
    assert newest_code(lines, "+918888888888") is None


def test_money_is_written_as_people_write_it() -> None:
    assert rupees(1234.5) == "₹1,234.50"
