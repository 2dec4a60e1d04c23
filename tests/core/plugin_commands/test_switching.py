"""`vurksha plugins disable|enable|uninstall`, with the real program: dry run first, then for real, audited."""

from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from core.store.embedded import Servers
from core.types import uuid7
from tests.conftest import NewDatabase
from tests.core.program import Program

GIFT = "[vurksha.plugins]\ngift = tests.core.gifts.plugin:plugin\ncard = tests.core.gifts.cards.plugin:plugin\n"
INBOX = """
INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at)
VALUES ('gift.ears', $1, 1, 'parcel.arrived', 1, 'parcel', 'x', '{}', '{}', now())
"""


@pytest.fixture(scope="module")
async def url(new_database: NewDatabase) -> str:
    """One for all of them."""
    return await new_database()


@pytest.fixture(scope="module")
def program(url: str, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """With the probe, which is required, and the gifts, which are not; cards require them."""
    folder = tmp_path_factory.mktemp("program")
    made = Program(folder, DATABASE_URL=url, REDIS_URL=servers.redis_url, VURKSHA_PLUGINS="probe,gift,card")
    package = folder / "site" / "gift-2.1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: gift\nVersion: 2.1.0\n")
    (package / "entry_points.txt").write_text(GIFT)
    assert made.call("migrate").returncode == 0
    return made


@pytest.fixture
def call(program: Program) -> Callable[..., str]:
    """What `vurksha plugins ...` prints."""

    def run(*words: str, code: int = 0) -> str:
        done = program.call("plugins", *words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


async def execute(url: str, sql: str, *args: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    rows: list[asyncpg.Record] = await connection.fetch(sql, *args)
    await connection.close()
    return rows


def test_a_dry_run_says_what_would_be_lost_and_changes_nothing(call: Callable[..., str]) -> None:
    told = call("disable", "gift")
    assert told.startswith("Without gift:\n")
    assert "  routes that answer 503             GET /gifts, GET /gifts/kept, " in told
    assert "  ports that others use              gift.cards\n" in told
    assert "  events that wait for it            parcel.arrived\n" in told
    assert "  jobs that stop                     gift.wrap\n" in told
    assert "  contributions that are left out    gift.wraps (1), party.guests (1)\n" in told
    assert "  stays as it is, and readable       the schema gifts, and what other domains keep\n" in told
    assert "  plugins that go with it            card\n" in told
    assert "Without card, which requires gift:\n  routes that answer 503             GET /cards\n" in told
    assert "Nothing was changed." in told
    assert "gift   2.1.0    gift team  optional  loaded" in call("list")


async def test_disable_and_enable_are_done_with_yes_and_audited(call: Callable[..., str], url: str) -> None:
    assert call("disable", "gift", "--reason", "stock-taking", "--yes") == (
        "disabled on every replica within 2 s: gift, card\n"
    )
    assert "gift is disabled already" in call("disable", "gift", "--yes")
    assert "disabled  stock-taking (cli:" in call("list")
    assert "disabled  requires gift, which is disabled: stock-taking (cli:" in call("list")
    assert "note   gift: disabled: stock-taking (cli:" in call("doctor", code=1)
    assert "enable what it requires first: gift" in call("enable", "card", code=1)
    event = uuid7()
    await execute(url, INBOX, event)
    told = call("enable", "gift")
    assert "gift is disabled since " in told
    assert "card comes back with it" in told
    assert "1 events wait for it. Nothing was changed" in told
    assert "gift is used again on every replica within 2 s; 1 events waited for it" in call("enable", "gift", "--yes")
    assert "gift is neither disabled nor quarantined" in call("enable", "gift", code=1)
    await execute(url, "DELETE FROM kernel.inbox WHERE event_id = $1", event)
    acts = await execute(url, "SELECT action FROM kernel.audit WHERE subject = 'plugin:gift' ORDER BY number")
    assert [row["action"] for row in acts][-2:] == ["plugin.disable", "plugin.enable"]


async def test_who_was_put_aside_for_another_reason_stays(call: Callable[..., str]) -> None:
    call("disable", "card", "--reason", "out of paper", "--yes")
    call("disable", "gift", "--yes")
    assert "card stays put aside: out of paper" in call("enable", "gift", "--yes")
    assert "disabled  out of paper" in call("list")
    call("enable", "card", "--yes")


async def test_a_quarantine_is_ended_by_enable_too(call: Callable[..., str], url: str) -> None:
    await execute(url, "INSERT INTO kernel.plugin_states VALUES ('gift', 'quarantined', 'too slow', 'kernel')")
    assert "gift is quarantined since" in call("enable", "gift", "--yes")
    assert "loaded" in call("list").splitlines()[-1]


@pytest.mark.parametrize("act", ["disable", "enable", "uninstall"])
def test_who_is_required_or_unknown_is_refused(call: Callable[..., str], act: str) -> None:
    assert "probe is required: without it nothing is served" in call(act, "probe", "--yes", code=1)
    if act != "uninstall":
        assert "there is no plugin nobody: probe, gift, card" in call(act, "nobody", "--yes", code=1)


async def test_uninstall_lets_go_of_a_disabled_plugin_and_leaves_its_data(call: Callable[..., str], url: str) -> None:
    assert "disable it first: vurksha plugins disable gift" in call("uninstall", "gift", code=1)
    await execute(url, "INSERT INTO kernel.plugin_consumers VALUES ('gift.ears', 'parcel.arrived', 'gift')")
    await execute(url, INBOX, uuid7())
    call("disable", "gift", "--yes")
    assert "1 events that wait for it stay in the inbox" in call("uninstall", "gift")
    assert "Nothing was changed" in call("uninstall", "gift")
    assert "Now take gift out of `plugins`" in call("uninstall", "gift", "--yes")
    assert await execute(url, "SELECT consumer FROM kernel.plugin_consumers") == []
    await execute(url, "DELETE FROM kernel.inbox")
    call("enable", "gift", "--yes")
    (row,) = await execute(url, "SELECT to_regclass('gifts.gifts') IS NOT NULL AS there")
    assert row["there"]


def test_without_a_database_the_rest_is_shown(program: Program, call: Callable[..., str]) -> None:
    away = program.call("plugins", "list", env={"DATABASE_URL": "postgresql://127.0.0.1:1/none"})
    assert away.returncode == 0
    assert away.stderr == "what is put aside is not known: the database does not answer, or is not migrated\n"
    assert "gift   2.1.0    gift team  optional  loaded" in away.stdout
    assert call("list", "--offline").splitlines()[0].startswith("NAME")
    assert call().splitlines()[0].startswith("NAME")
    assert call("graph").startswith("REQUIRES\n└─ probe\n   └─ gift\n      └─ card\n")


def test_a_plugin_that_does_not_import_is_named_and_the_rest_runs(program: Program, tmp_path: Path) -> None:
    package = tmp_path / "broken-1.0.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0.0\n")
    (package / "entry_points.txt").write_text("[vurksha.plugins]\nbroken = no_such_module:plugin\n")
    path = f"{tmp_path}:{program.env['PYTHONPATH']}"
    done = program.run("plugins", "list", "--offline", env={"VURKSHA_PLUGINS": "probe,broken", "PYTHONPATH": path})
    assert done.returncode == 0
    assert (
        "broken  -        -      -         left out  cannot be imported: ModuleNotFoundError: No module" in done.stdout
    )
    assert program.run("routes", env={"VURKSHA_PLUGINS": "probe,broken", "PYTHONPATH": path}).returncode == 0
