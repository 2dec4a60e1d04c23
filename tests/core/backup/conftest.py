"""A PostgreSQL of these tests' own, small enough to copy, a folder for its backups and a pair of keys."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import attrs
import pytest

from core.backup.shelf import Shelf
from core.store.embedded import Embedded
from tests.core.program import Program


@attrs.frozen
class Shop:
    """What the commands are tried on."""

    program: Program
    url: str
    folder: Path
    key: Path
    recipient: str

    @property
    def shelf(self) -> Shelf:
        """Where its backups go."""
        return Shelf(self.folder / "backups")

    def ask(self, sql: str) -> object:
        """One value."""

        async def asked() -> object:
            connection = await asyncpg.connect(self.url)
            try:
                return await connection.fetchval(sql)
            finally:
                await connection.close()

        return asyncio.run(asked())


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Not pytest's own folder, which is closed to the account that runs servers for root."""
    folder = Path(tempfile.mkdtemp(prefix="vurksha-backup-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def shop(place: Path) -> Iterator[Shop]:
    """Migrated. Started on a loop of its own, so that guards of the tests' loop do not see it."""
    embedded, loop = Embedded(durable=False), asyncio.new_event_loop()
    key = place / "backup.key"
    made = subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True, text=True)
    recipient = made.stderr.split()[-1]
    try:
        own = loop.run_until_complete(embedded.start(place / "servers"))
        folder = place / "program"
        folder.mkdir()
        backups = {"VURKSHA_BACKUP__FOLDER": str(place / "backups"), "VURKSHA_BACKUP__RECIPIENTS": recipient}
        program = Program(folder, DATABASE_URL=own.database_url, REDIS_URL=own.redis_url, **backups)
        done = program.run("migrate")
        assert done.returncode == 0, done.stderr
        yield Shop(program, own.database_url, place, key, recipient)
    finally:
        loop.run_until_complete(embedded.stop())
        loop.close()
