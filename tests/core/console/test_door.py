"""Opening: who may, with which reason, one at a time, for how long; and what is left open: nothing."""

import asyncio
import os
import stat
from pathlib import Path

import aiohttp
import pytest

from core.audit import Acting
from core.console import asking, door, session
from core.console.asking import NoConsole, local
from core.console.door import is_here
from core.settings import Secret
from tests.core.console.conftest import WHO, WHY, Talk, ask, come, gone, noted, talking
from tests.core.harness import NewProbe, Probe


def listening() -> set[str]:
    """TCP ports on which this process listens."""
    mine = {str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.exists()}
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/self/net/{name}").read_text().splitlines()]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in mine}


async def refused(probe: Probe, status: int, body: bytes = b"", **headers: str) -> str:
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{probe.app.operations.address}/console", data=body, headers=headers) as answer,
    ):
        assert answer.status == status
        return await answer.text()


async def test_opening_and_closing_are_audited_with_who_and_why(probe: Probe) -> None:
    async with talking(probe) as talk:
        assert "until" in talk.hello["hello"]
        assert probe.app.console.visit is not None
    (who, opened, replica, said), (_, closed, same, told) = await noted(probe)
    assert (who, opened, closed) == (f"console:{WHO}", "console.open", "console.close")
    assert replica == same
    assert str(os.getpid()) in replica
    assert said == {"reason": WHY, "minutes": 15.0}
    assert (told["reason"], told["end"]) == (WHY, session.LEFT)


async def test_without_the_token_nothing_opens(probe: Probe) -> None:
    with pytest.raises(NoConsole, match="refuses this token"):
        await ask(probe, token=Secret("w" * 40))
    assert await refused(probe, 401) == "Show the operators' token.\n"
    assert probe.app.console.visit is None


@pytest.mark.parametrize(
    ("who", "why", "said"),
    [
        ("asha", WHY, "an account and its machine"),
        ("a b@c", WHY, "an account and its machine"),
        (WHO, "", "for the audit log"),
        (WHO, " x ", "for the audit log"),
        (WHO, "y" * 201, "for the audit log"),
        (WHO, "slow\0orders", "that can be seen"),
        (WHO, "slow \x1b[2J orders", "that can be seen"),
        (f"{WHO}\0", WHY, "an account and its machine"),
    ],
)
async def test_who_and_why_must_be_said(probe: Probe, who: str, why: str, said: str) -> None:
    with pytest.raises(NoConsole, match=said):
        await ask(probe, who, why)
    assert probe.app.console.visit is None


async def test_what_the_audit_log_can_never_take_holds_nothing_up(
    probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, by = probe.app.console.ledger, Acting(f"console:{WHO}", WHY)
    for unwritable in ("\0", "\ud800"):
        assert not await ledger.note("log.level", "replica:here", by, logger=f"private{unwritable}")
        assert ledger.waiting == 0
        assert "log.level by console:asha@desk is not in the audit log" in caplog.messages[-1]
        assert "private" not in caplog.messages[-1]
    assert await ledger.note("log.level", "replica:here", by, logger="core")
    assert (await noted(probe))[-1][3] == {"reason": WHY, "logger": "core"}


async def test_what_is_no_question_is_refused(probe: Probe) -> None:
    token = f"Bearer {probe.app.settings.operations.token.reveal()}"
    for body in (b"", b"[]", b"{", b'{"who": 1, "reason": 2}'):
        assert "as JSON" in await refused(probe, 400, body, Authorization=token)


@pytest.mark.parametrize(
    ("theirs", "ours", "here"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.8.8.8", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", True),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.8", "10.0.0.7", False),
        ("::ffff:10.0.0.8", "::ffff:10.0.0.7", False),
    ],
)
def test_only_this_machine_may_open_a_console(theirs: str, ours: str, here: bool) -> None:
    assert is_here(theirs, ours) is here


async def test_somebody_on_another_machine_is_refused_with_the_token(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "is_here", lambda *_: False)
    with pytest.raises(NoConsole, match="own machine"):
        await ask(probe)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.8:9100", "http://shop.example", "ftp://127.0.0.1", "127.0.0.1:9100", ""]
)
def test_the_token_is_shown_to_nobody_elsewhere(url: str) -> None:
    with pytest.raises(NoConsole, match="not on this machine"):
        local(url, "10.0.0.7")


def test_the_own_listener_is_found_by_any_of_its_names() -> None:
    for url in ("http://127.0.0.1:9100", "http://[::1]:9100", "http://localhost:9100", "http://10.0.0.7:9100"):
        assert local(f"{url}/", "10.0.0.7") == url


async def test_two_consoles_at_once_are_one_too_many(probe: Probe) -> None:
    async with talking(probe):
        with pytest.raises(NoConsole, match=f"console:{WHO} has the console since .* for: {WHY}"):
            await ask(probe)
    async with talking(probe) as second:
        assert "postgres" in await second.says("breakers")


async def test_no_port_is_opened_and_only_the_account_may_enter(probe: Probe) -> None:
    before = listening()
    console = await ask(probe)
    assert listening() == before
    path = Path(console.socket)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    talk = await come(probe, console)
    assert listening() == before
    talk.writer.close()
    await gone(probe)
    assert not path.parent.exists()


async def test_the_key_is_good_for_one_terminal(probe: Probe) -> None:
    console = await ask(probe)
    for wrong in ("", "x" * 43):
        assert (await come(probe, console, wrong)).hello == {}
    first = await come(probe, console)
    assert "hello" in first.hello
    with pytest.raises(OSError, match=r"refused|No such file"):
        await come(probe, console)
    assert "postgres" in await first.says("breakers")
    first.writer.close()
    await gone(probe)


async def test_whoever_guesses_keys_ends_the_console(probe: Probe) -> None:
    console = await ask(probe)
    for _ in range(session.WRONG_KEYS):
        assert (await come(probe, console, "guess")).hello == {}
    await gone(probe)
    assert (await noted(probe))[-1][3]["end"] == "somebody came with wrong keys"


async def test_who_says_nothing_is_let_go(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HELLO", 0.05)
    console = await ask(probe)
    reader, writer = await asyncio.open_unix_connection(console.socket)
    assert await reader.read() == b""
    writer.close()
    talk = await come(probe, console)
    assert "hello" in talk.hello
    talk.writer.close()
    await gone(probe)


async def test_a_console_to_which_nobody_comes_is_closed(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CAME_WITHIN", 0.05)
    await ask(probe)
    await gone(probe)
    assert (await noted(probe))[-1][3]["end"] == "nobody came"


async def test_it_closes_at_its_time_with_a_notice_before(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LAST_MINUTE", 1.0)
    async with talking(probe, life=2.0) as talk:
        assert await talk.heard() == {"note": "this console closes in a minute"}
        assert await talk.heard() == {"end": session.EXPIRED}
        assert await talk.heard() == {}
    assert (await noted(probe))[-1][3]["end"] == session.EXPIRED


async def test_a_replica_that_ends_says_so(new_probe: NewProbe) -> None:
    async with new_probe() as probe:
        talk = await come(probe, await ask(probe))
    assert await talk.heard() == {"end": door.ENDS}
    assert probe.app.console.visit is None
    talk.writer.close()


async def test_no_folder_for_a_socket_is_told(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(NoConsole, match="No socket can be made in /nowhere"):
        await ask(probe)
    monkeypatch.setattr("tempfile.tempdir", "/tmp/" + "d" * 120)
    with pytest.raises(NoConsole, match="No socket can be made"):
        await ask(probe)
    assert probe.app.console.visit is None


async def test_a_console_that_cannot_begin_leaves_the_way_free(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("core.console.monitor.ConsoleMonitor.start", lambda _: 1 / 0)
        with pytest.raises(NoConsole, match="500"):
            await ask(probe)
        assert probe.app.console.visit is None
    async with talking(probe) as talk:
        assert await talk.says("help")


async def test_nobody_there_and_somebody_else_are_told(probe: Probe) -> None:
    token = Secret("t" * 40)
    with pytest.raises(NoConsole, match="no replica answers"):
        await asking.opened("http://127.0.0.1:9", token, WHO, WHY)
    with pytest.raises(NoConsole, match="not its public one"):
        await asking.opened(probe.url, token, WHY, WHY)


async def test_lines_that_are_no_lines_end_the_conversation(talk: Talk) -> None:
    talk.writer.write(b"x" * 20_000 + b"\n")
    assert await talk.heard() == {"end": session.LEFT}
