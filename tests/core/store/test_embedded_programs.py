"""Finding, running and ending programs."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.store import embedded_process, embedded_programs
from core.store.embedded_process import EmbeddedError, Process, end_leftover
from core.store.embedded_programs import Programs, service_account

ROOT = os.geteuid() == 0


async def test_a_pid_file_whose_process_is_a_stranger_is_removed_and_the_stranger_spared(folder: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    file = folder / "pid"
    file.write_text(f"{stranger.pid}\n")
    await end_leftover(file, str(folder))
    assert not file.exists()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


async def test_a_zombie_does_not_block_a_start(folder: Path) -> None:
    zombie = subprocess.Popen([sys.executable, "-c", "", str(folder)])
    while embedded_process.command_of(zombie.pid):
        await asyncio.sleep(0.01)
    file = folder / "pid"
    file.write_text(str(zombie.pid))
    await end_leftover(file, str(folder))
    assert not file.exists()
    zombie.wait()


async def test_a_leftover_that_does_not_listen_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_process, "GRACE", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", deaf, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    await asyncio.to_thread(process.stdout.readline)
    process.stdout.close()
    (folder / "pid").write_text(str(process.pid))
    reaped = asyncio.create_task(asyncio.to_thread(process.wait))
    await end_leftover(folder / "pid", str(folder))
    assert await reaped == -signal.SIGKILL


@pytest.mark.skipif(not ROOT, reason="only root changes its account")
def test_the_servers_never_run_as_root() -> None:
    account = service_account(None)
    assert account is not None
    assert account.uid != 0
    with pytest.raises(EmbeddedError, match="no account no-such-account"):
        service_account("no-such-account")


def test_an_ordinary_user_stays_who_he_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert service_account("postgres") is None


def test_missing_servers_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_programs, "find_spec", lambda _: None)
    monkeypatch.setattr(embedded_programs.shutil, "which", lambda _: None)
    with pytest.raises(EmbeddedError, match="no Redis here"):
        Programs.find(folder, None, system=False)
    monkeypatch.setattr(embedded_programs.shutil, "which", lambda name: "/bin/true" if name == "redis-server" else None)
    monkeypatch.setattr(embedded_programs, "SYSTEM_POSTGRES", folder)
    with pytest.raises(EmbeddedError, match="no PostgreSQL here"):
        Programs.find(folder, None, system=False)


def test_a_cluster_of_another_major_release_is_named(folder: Path) -> None:
    (folder / "pg").mkdir()
    (folder / "pg" / ".init-done").touch()
    (folder / "pg" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match="was made by PostgreSQL 9"):
        Programs.find(folder, None, system=False)


def test_the_systems_servers_come_first_when_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = folder / "15" / "bin"
    system.mkdir(parents=True)
    monkeypatch.setattr(embedded_programs, "SYSTEM_POSTGRES", folder)
    monkeypatch.setattr(embedded_programs.shutil, "which", lambda name: f"/usr/bin/{name}")
    found = Programs.find(folder, None, system=True)
    assert found == Programs(system, Path("/usr/bin/valkey-server"))
    assert Programs.find(folder, None, system=False).postgres != system


async def test_a_program_that_fails_is_named_with_its_last_words(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"sh ended with 3; .*log ends: so sad"):
        await Process(["/bin/sh", "-c", "echo so sad; exit 3"], None, folder / "log").run()
    with pytest.raises(EmbeddedError, match="log ends: nothing"):
        await Process(["/bin/sh", "-c", "exit 3"], None, folder / "log").start(lambda _: False, 5)
    with pytest.raises(EmbeddedError, match="cannot be run"):
        await Process([folder / "missing"], None, folder / "log").run()


async def test_a_program_that_never_gets_ready_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_process, "GRACE", 0.2)
    deaf = Process(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"], None, folder / "log")
    with pytest.raises(EmbeddedError, match="was not ready within 0 s"):
        await deaf.start(lambda _: False, 0.3)
    assert deaf._process is not None
    assert deaf._process.returncode == -signal.SIGKILL


def test_without_proc_the_command_line_comes_from_ps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_process, "PROC", folder / "missing")
    monkeypatch.setenv("PATH", str(folder))
    assert embedded_process.command_of(1) == ""
    (folder / "ps").write_text("#!/bin/sh\necho asked $*\n")
    (folder / "ps").chmod(0o755)
    assert embedded_process.command_of(7) == "asked -o command= -p 7\n"
