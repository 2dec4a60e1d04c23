"""A PostgreSQL primary and a streaming standby that a commit waits for; promotion on demand."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg

from core.store.embedded_process import Account
from core.store.embedded_programs import Programs, service_account
from tests.faults.processes import CannotRun, Child, NotRunning, give
from tests.ports import free_port

OWNER, SHOP = "postgres", "shop"
STANDBY = "standby"
READY = 60.0
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "80",
    "fsync": "off",  # kill -9 loses no page of the kernel's; only a power cut would
    "wal_level": "replica",
    "hot_standby": "on",
    "wal_keep_size": "256MB",
    "wal_sender_timeout": "800ms",
    "wal_retrieve_retry_interval": "200ms",
    "wal_receiver_status_interval": "1s",
    "wal_receiver_timeout": "3s",
    "synchronous_commit": "on",
    "wal_log_hints": "on",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class Server:
    """One PostgreSQL server with its data in a folder of its own."""

    def __init__(self, name: str, folder: Path, programs: Path, account: Account | None) -> None:
        self.name, self.port, self.data = name, free_port(), folder / name
        self._programs, self._account = programs, account
        settings = [f"--{key}={value}" for key, value in SETTINGS.items()]
        self.child = Child(
            name,
            [programs / "postgres", "-D", self.data, "-p", str(self.port), *settings],
            folder,
            account=account,
        )

    def run(self, program: str, *words: str | Path) -> None:
        """Run one of PostgreSQL's programs to its end, as the account."""
        who = self._account
        done = subprocess.run(
            [self._programs / program, *words],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=[] if who else None,
        )
        if done.returncode:
            raise NotRunning(f"{program} failed: {done.stdout[-500:]}{done.stderr[-1500:]}")

    def create(self, megabytes: int | None = None) -> None:
        """An empty cluster, on a small disk of its own if `megabytes` says how small."""
        if megabytes is not None:
            mount(self.data, megabytes)
        give(self.data, self._account)
        self.run("initdb", "-D", self.data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        with (self.data / "pg_hba.conf").open("a") as hba:
            hba.write("host replication all 127.0.0.1/32 trust\n")

    def copy(self, primary: "Server") -> None:
        """A standby of a running primary; replaces what was here."""
        if self.data.exists():
            subprocess.run(["rm", "-rf", self.data], check=True)
        give(self.data, self._account)
        source = f"host=127.0.0.1 port={primary.port} user={OWNER} application_name={STANDBY}"
        self.run("pg_basebackup", "-D", self.data, "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync")

    async def start(self) -> None:
        """Start, and wait until it takes connections."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.child.start()
        until = time.monotonic() + READY
        while True:
            try:
                await self.ask("SELECT 1")
            except (OSError, asyncpg.PostgresError):
                if not self.child.running or time.monotonic() > until:
                    raise NotRunning(f"{self.name} did not come up:\n{self.child.tail()}") from None
                await asyncio.sleep(0.05)
            else:
                return

    def url(self, user: str = SHOP, database: str = SHOP) -> str:
        """Where to find it without a proxy."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    async def ask(self, sql: str, database: str = "postgres") -> Any:
        """One value, as the superuser, on a connection of its own."""
        connection = await asyncpg.connect(self.url(OWNER, database), timeout=2)
        try:
            return await connection.fetchval(sql, timeout=10)
        finally:
            connection.terminate()

    def freeze(self) -> None:
        """Stop it as a whole: connections stay open and nothing answers."""
        self.child.signal(signal.SIGSTOP, family=True)

    def thaw(self) -> None:
        """Let it go on."""
        self.child.signal(signal.SIGCONT, family=True)

    async def stop(self) -> None:
        """A fast shutdown."""
        self.thaw()
        self.child.signal(signal.SIGINT)
        await self.child.ended(10)

    async def promoted(self) -> None:
        """Make the standby a primary; returns when it takes writes."""
        self.child.signal(signal.SIGCONT, family=True)
        await self.ask("SELECT pg_promote(false)")
        while await self.ask("SELECT pg_is_in_recovery()"):
            await asyncio.sleep(0.02)


class Cluster:
    """Two servers, one of which is the primary. `primary` names the one that takes writes now."""

    def __init__(self, folder: Path) -> None:
        account = service_account(None)
        programs = _programs(folder, account)
        self.primary = Server("postgres-1", folder, programs, account)
        self.standby: Server | None = Server("postgres-2", folder, programs, account)

    async def create(self, *, standby: bool = True, megabytes: int | None = None) -> None:
        """Both servers up, the shop's database made, each commit waiting for the standby."""
        primary = self.primary
        primary.create(megabytes)
        await primary.start()
        await primary.ask(f"CREATE ROLE {SHOP} LOGIN")
        await primary.ask(f"CREATE DATABASE {SHOP} OWNER {SHOP}")
        if not standby or self.standby is None:
            self.standby = None
            return
        self.standby.copy(primary)
        await self.standby.start()
        await self.synchronous(on=True)

    async def synchronous(self, *, on: bool) -> None:
        """Whether a commit waits for the standby."""
        await self.primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY if on else ''}'")
        await self.primary.ask("SELECT pg_reload_conf()")
        if on:
            await self.streaming()

    async def streaming(self) -> None:
        """Wait for the standby to keep up."""
        async with asyncio.timeout(READY):
            while not await self.primary.ask("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"):
                await asyncio.sleep(0.05)

    async def guard(self) -> None:
        """What a managed database does by itself: go on alone while the standby is silent, within a second."""
        alone = False
        while True:
            await asyncio.sleep(0.1)
            with suppress(OSError, asyncpg.PostgresError, TimeoutError):
                there = await self.primary.ask("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
                if alone is not (not there):
                    await self.synchronous(on=bool(there))
                    alone = not there

    async def fail_over(self) -> Server:
        """The standby becomes the primary. Answers the old one, which nobody asks any more."""
        old, new = self.primary, self.standby
        if new is None:
            raise NotRunning("there is no standby")
        await new.promoted()
        self.primary, self.standby = new, None
        return old

    async def close(self) -> None:
        """Both down, at once: the data is thrown away."""
        for server in (self.primary, self.standby):
            if server is not None:
                server.thaw()
                server.child.kill()


def mount(place: Path, megabytes: int) -> None:
    """A disk of its own for a folder, in memory."""
    if os.geteuid() != 0:
        raise CannotRun("a small disk needs root, to mount a tmpfs")
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotRun(f"a small disk cannot be mounted here: {done.stderr.strip()}")


def _programs(folder: Path, account: Account | None) -> Path:
    place = folder / "programs"
    place.mkdir(exist_ok=True)
    if account is not None:
        os.chown(place, account.uid, account.gid)
    return Programs.find(place, account, system=True).postgres
