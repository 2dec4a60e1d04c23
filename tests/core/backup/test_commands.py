"""Backups taken, looked at, restored to a moment, by the program as an operator runs it."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from core.backup.shelf import Shelf
from core.store.embedded_process import Process
from core.store.embedded_programs import Programs, service_account
from tests.core.backup.conftest import Shop
from tests.core.backup.test_shelf import NOW, labelled
from tests.core.program import LONG, ROOT, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@contextmanager
def streaming(shop: Shop) -> Iterator["subprocess.Popen[bytes]"]:
    """`vurksha backup stream` for the block."""
    process = subprocess.Popen([sys.executable, "-m", "core", "backup", "stream"], env=shop.program.env, cwd=ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0


@pytest.fixture(scope="module")
def taken(shop: Shop) -> str:
    """A base backup and the WAL since; a moment between something good and a mistake."""
    shop.ask("CREATE TABLE told (line text)")
    with streaming(shop):
        until(lambda: any(shop.shelf.spool.glob("*.partial")), "WAL to come")
        shop.ask("INSERT INTO told VALUES ('before the backup')")
        done = shop.program.call("backup", "take")
        assert "encrypted" in done.stdout, done.stderr
        shop.ask("INSERT INTO told VALUES ('before the mistake')")
        shop.ask("SELECT pg_switch_wal()")
        moment = str(shop.ask("SELECT clock_timestamp()::text"))
        time.sleep(0.1)
        shop.ask("TRUNCATE told")
        shop.ask("SELECT pg_switch_wal()")
        until(lambda: len(list(shop.shelf.wal.iterdir())) > 1, "whole segments to be sealed")
    return moment


def test_a_shop_comes_back_as_it_was_at_a_moment(shop: Shop, taken: str) -> None:
    target = shop.folder / "restored"
    words = ("restore", "--to", str(target), "--identity", str(shop.key), "--at", taken)
    done = shop.program.call(*words)
    assert "privacy reapply" in done.stdout, done.stderr
    assert restored(shop, target) == "before the backup, before the mistake"


def test_what_there_is_is_shown_and_was_audited(shop: Shop, taken: str) -> None:
    said = shop.program.call("backup", "status")
    assert said.returncode == 0, said.stderr
    assert "whole segments" in said.stdout
    assert taken
    assert shop.ask("SELECT subject FROM kernel.audit WHERE action = 'backup.take'") == only(shop)


def only(shop: Shop) -> str:
    """The name of the one base backup."""
    (label,) = shop.shelf.labels()
    return label.name


def restored(shop: Shop, target: Path) -> str:
    """What the table has in a server on the restored folder."""
    account = service_account(None)
    programs = Programs.find(shop.folder / "servers", account, system=False).postgres
    run = shop.folder / "servers" / "run"
    words: list[Path | str] = [
        programs / "postgres",
        "-D",
        target,
        "-k",
        run,
        "-p",
        "5433",
        "-c",
        "max_connections=200",
    ]
    words += ["-c", "listen_addresses=", "-c", "fsync=off"]
    server = Process(words, account, shop.folder / "restored.log", polite=signal.SIGINT)
    elsewhere = attrs.evolve(shop, url=shop.url.replace("port=5432", "port=5433"))
    try:
        asyncio.run(server.start(lambda _: not (target / "recovery.signal").exists(), LONG))
        return str(elsewhere.ask("SELECT string_agg(line, ', ') FROM told"))
    finally:
        asyncio.run(server.end())


@pytest.mark.usefixtures("taken")
def test_the_newest_backup_is_verified_and_one_that_was_touched_is_refused(shop: Shop) -> None:
    words = ("backup", "verify", "--identity", str(shop.key))
    assert "is whole" in shop.program.call(*words).stdout
    file = shop.shelf.base(only(shop)) / "base.tar.gz.age"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100] + bytes(100))
    done = shop.program.call(*words)
    file.write_bytes(whole)
    assert done.returncode == 1
    assert "age ended with 1" in done.stderr


@pytest.mark.usefixtures("taken")
def test_a_backup_says_nothing_to_who_lacks_the_key(shop: Shop) -> None:
    content = (shop.shelf.base(only(shop)) / "base.tar.gz.age").read_bytes()
    assert content.startswith(b"age-encryption.org/v1")
    assert not any(b"told" in path.read_bytes() for path in shop.shelf.wal.iterdir())


def test_what_cannot_be_done_is_one_line(shop: Shop, tmp_path: Path) -> None:
    call, key = shop.program.call, str(shop.key)
    labelled(Shelf(tmp_path / "made"), NOW, "0" * 24)
    full = call("restore", "--to", str(tmp_path), "--identity", key, "--from", str(tmp_path / "made"))
    assert "not empty" in full.stderr
    empty = call("restore", "--to", str(tmp_path / "x"), "--identity", key, "--from", str(tmp_path))
    assert "holds no base backup" in empty.stderr
    assert "is no time" in call("restore", "--to", str(tmp_path / "x"), "--identity", key, "--at", "noon").stderr
    early = call("restore", "--to", str(tmp_path / "x"), "--identity", key, "--at", "2020-01-01T00:00:00Z")
    assert "had ended by then" in early.stderr
    nowhere = {"VURKSHA_BACKUP__FOLDER": ""}
    assert "names no folder" in call("backup", "status", env=nowhere).stderr
    keyless = {"VURKSHA_BACKUP__RECIPIENTS": "", "VURKSHA_BACKUP__FOLDER": str(tmp_path / "y")}
    assert "names no key" in call("backup", "take", env=keyless).stderr
    fresh = call("backup", "status", env={"VURKSHA_BACKUP__FOLDER": str(tmp_path)})
    assert "no base backup within 26 hours; no WAL has come" in fresh.stderr


@pytest.mark.usefixtures("taken")
def test_pruning_keeps_the_newest(shop: Shop) -> None:
    assert "0 base backups and" in shop.program.call("backup", "prune").stdout
    assert only(shop)
