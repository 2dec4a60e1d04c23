"""PostgreSQL and Redis for a machine that has neither: private servers that live and die with this process.

For development and tests. Production gives `DATABASE_URL` and `REDIS_URL` and never gets here.

One data folder: `pg`, `redis`, `run` (0700, owned by the account that the servers run as), the folder itself 0711. The
first process on it holds a lock for life and owns the servers; any further process finds them through `servers.json`.
Neither SIGKILL nor a power cut needs a hand: the servers end with their parent, and the next start recovers.
"""

import asyncio
import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import signal
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import quote

import attrs
import orjson

from core.store.embedded_process import Account, Command, EmbeddedError, Process, end_leftover, pid_in
from core.store.embedded_programs import Programs, closed_parent, service_account

NAME = "vurksha"
"""Of the role and of the database."""
CREATE = "CREATE DATABASE vurksha\n"
READY = 60.0
"""Seconds for a start: recovery after a crash comes before the first connection."""
SOCKET_PATH = 103
"""Bytes of a unix socket's path that every platform takes: 104 with the end on macOS."""
ATTEMPTS = 3
"""Starts of PostgreSQL tried: backends of a postmaster that was just killed hold its memory for a moment."""
WATCH = 0.5
"""Seconds between looks at the servers."""
log = logging.getLogger("core.embedded")


@attrs.frozen
class Servers:
    """Where the two servers answer. The URLs hold the password, so they are never printed."""

    database_url: str = attrs.field(repr=False)
    redis_url: str = attrs.field(repr=False)


class Embedded:
    """The two servers of one data folder. Start them from the main thread: they end with the thread that began them."""

    def __init__(self, *, durable: bool = True, account: str | None = None, system: bool = False) -> None:
        """Tests give up durability for speed. `account` runs the servers when this process is root.

        `system` prefers the machine's own PostgreSQL and Redis to those of the wheels.
        """
        self._durable, self._wanted, self._system = durable, account, system
        self._account: Account | None = None
        self._data = self._run = Path()
        self._lock: IO[bytes] | None = None
        self._running: dict[str, Process] = {}
        self._starters: dict[str, Callable[[], Awaitable[None]]] = {}
        """How each of ours is started, also again."""

    async def start(self, data_dir: Path) -> Servers:
        """Start both servers, or find those that another process runs here. Raises EmbeddedError, in one line."""
        self._account = service_account(self._wanted)
        self._data = data_dir.absolute()
        try:
            _make_data_dir(self._data, self._account)
            return await self._take_or_find() or await self._start()
        except OSError as error:
            await self.stop()
            raise EmbeddedError(
                f"{self._data} cannot hold the embedded servers: {error}; set DATA_DIR to another folder"
            ) from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the servers that this object started; those of another process stay."""
        if self._lock is None:
            return
        self._card.unlink(missing_ok=True)
        running, self._running = self._running, {}
        for process in running.values():
            process.ask()
        for process in running.values():
            await process.end()
        self._lock.close()
        self._lock = None

    async def watch(self) -> None:
        """For ever: start a server of ours again that ended by itself. Clients find it where it was."""
        while True:
            await asyncio.sleep(WATCH)
            for name, start in self._starters.items():
                if not self._running[name].runs:
                    log.warning("%s ended: it is started again", name)
                    try:
                        await start()
                    except (EmbeddedError, OSError) as error:  # the next round tries again
                        log.error("%s", error)  # noqa: TRY400  one line says it

    @property
    def _card(self) -> Path:
        return self._data / "servers.json"

    async def _take_or_find(self) -> Servers | None:
        """Hold the folder's lock (None), or find the servers of who holds it."""
        lock = (self._data / "lock").open("ab")
        for _ in range(int(READY / 0.1)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with suppress(FileNotFoundError):
                    found = Servers(**orjson.loads(self._card.read_bytes()))
                    lock.close()
                    return found
                await asyncio.sleep(0.1)
            else:
                self._lock = lock
                self._card.unlink(missing_ok=True)
                return None
        lock.close()
        raise EmbeddedError(f"another process holds {self._data}, but its servers did not come up within {READY:.0f} s")

    async def _start(self) -> Servers:
        programs = Programs.find(self._data, self._account, system=self._system)
        self._run = _run_dir(self._data)
        for folder in (self._run, self._data / "pg", self._data / "redis"):
            _make_private(folder, self._account)
        await end_leftover(self._data / "pg" / "postmaster.pid", str(self._data / "pg"))
        await end_leftover(self._data / "redis" / "pid", str(self._run / "r.sock"))
        for stale in (*self._run.glob(".s.PGSQL.*"), *self._run.glob("r.sock")):
            stale.unlink()
        password = await self._make_cluster(programs.postgres)
        self._starters = {
            "redis": partial(self._start_redis, programs.redis),
            "postgres": partial(self._start_postgres, programs.postgres),
        }
        for start in self._starters.values():
            await start()
        servers = Servers(
            f"postgresql://{NAME}:{password}@/{NAME}?host={quote(str(self._run), safe='')}&port=5432",
            f"unix://{quote(str(self._run))}/r.sock",
        )
        _write_private(self._card, orjson.dumps(attrs.asdict(servers)))
        return servers

    async def _make_cluster(self, programs: Path) -> str:
        """The password of the database, after initdb if this folder holds no finished cluster."""
        pg, password_file = self._data / "pg", self._data / "password"
        done = pg / ".init-done"
        if done.exists():
            return password_file.read_text()
        for left in pg.iterdir():  # of an initdb that was cut short
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        password, handed, log = secrets.token_hex(24), self._run / "pw", self._data / "initdb.log"
        _write_private(handed, password.encode(), self._account)
        try:
            command: Command = [programs / "initdb", "-D", pg, "-U", NAME, "-A", "scram-sha-256"]
            command += [f"--pwfile={handed}", "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums"]
            command += [] if self._durable else ["--no-sync"]
            await Process(command, self._account, log).run()
        finally:
            handed.unlink()
        single: Command = [programs / "postgres", "--single", "-D", pg, "postgres"]
        await Process(single, self._account, log).run(CREATE)
        _write_private(password_file, password.encode())
        _write_private(done, b"", self._account)
        return password

    async def _start_postgres(self, programs: Path) -> None:
        settings = ["listen_addresses=", "unix_socket_permissions=0700", "shared_buffers=64MB", "max_connections=200"]
        settings += ["timezone=UTC", "log_timezone=UTC"]
        if not self._durable:
            settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        command: Command = [programs / "postgres", "-D", self._data / "pg", "-k", self._run, "-p", "5432"]
        command += [part for setting in settings for part in ("-c", setting)]
        server = Process(command, self._account, self._data / "postgres.log", polite=signal.SIGINT)
        self._running["postgres"] = server
        for left in reversed(range(ATTEMPTS)):
            try:
                await server.start(self._postgres_ready, READY)
                break
            except EmbeddedError:
                if not left:
                    raise
                await asyncio.sleep(0.5)

    async def _start_redis(self, program: Path) -> None:
        folder, path = self._data / "redis", self._run / "r.sock"
        command: Command = [program, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700", "--dir", folder]
        command += ["--pidfile", folder / "pid", "--save", "", "--maxmemory-policy", "noeviction"]
        command += ["--appendonly", "yes" if self._durable else "no", "--appendfsync", "everysec"]
        server = Process(command, self._account, self._data / "redis.log")
        self._running["redis"] = server
        await server.start(lambda pid: pid_in(folder / "pid") == pid and _answers(path), READY)

    def _postgres_ready(self, pid: int) -> bool:
        """As pg_ctl asks: line 1 of the pid file is the process, line 8 its state."""
        with suppress(OSError, IndexError):
            lines = (self._data / "pg" / "postmaster.pid").read_text().splitlines()
            return lines[0] == str(pid) and lines[7].strip() == "ready"
        return False


def _answers(path: Path) -> bool:
    """Whether Redis has read its data back: until then it answers LOADING."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0.2)
        client.connect(str(path))
        client.sendall(b"PING\r\n")
        return client.recv(16).startswith(b"+PONG")
    return False


def _run_dir(data: Path) -> Path:
    """Where the sockets lie: in the data folder, or in a short one where that path is too long for a socket."""
    run = data / "run"
    if len(os.fsencode(run / ".s.PGSQL.5432")) <= SOCKET_PATH:
        return run
    return Path("/tmp") / f"vurksha-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"  # noqa: S108  owner checked below


def _make_data_dir(data: Path, account: Account | None) -> None:
    if account and (closed := closed_parent(data)):
        raise EmbeddedError(
            f"{data} lies in {closed}, which {account.name} may not pass; set DATA_DIR to a folder elsewhere"
        )
    for folder in reversed((data, *data.parents)):
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o711 if folder == data else 0o755)
    if account:
        data.chmod(data.stat().st_mode | 0o011)


def _make_private(folder: Path, account: Account | None) -> None:
    """A 0700 folder of the account; one that somebody else made is refused."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    owner = account.uid if account else os.geteuid()
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise EmbeddedError(f"{folder} is somebody else's; remove it or set DATA_DIR to another folder")
    os.chown(folder, owner, account.gid if account else -1)
    folder.chmod(0o700)


def _write_private(path: Path, content: bytes, account: Account | None = None) -> None:
    """A whole 0600 file or none."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        if account is not None:
            os.fchown(file.fileno(), account.uid, account.gid)
        file.write(content)
    part.replace(path)
