"""Stores of the kernel tests' own: these stop workers, empty tables and kill servers."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from core.store import migrate
from core.store.db import Db
from core.store.pool import Pool
from tests.core.valkey import Valkey

MIGRATIONS = Path("core/store/migrations")


@pytest.fixture(scope="session")
async def kernel_url(new_database: Callable[[], Awaitable[str]]) -> str:
    """A database that holds the kernel's schema only."""
    url = await new_database()
    await migrate.apply(url, migrate.read({"kernel": MIGRATIONS}))
    return url


@pytest.fixture
async def kernel_db(kernel_url: str) -> AsyncIterator[Db]:
    """Empty tables, and a pool of twelve."""
    pool = Pool(kernel_url, size=12, warm=1, connect=2, server={"lock_timeout": "800ms"})
    await pool.open()
    db = Db(pool)
    async with db.connection() as connection:
        await connection.execute("TRUNCATE kernel.outbox, kernel.inbox, kernel.operations")
    yield db
    assert pool.free == pool.opened, "a connection was not given back"
    await pool.close()
    assert pool.opened == 0


@pytest.fixture
def server() -> Iterator[Valkey]:
    """A Redis, not started yet."""
    folder = Path(tempfile.mkdtemp(prefix="vurksha-redis-"))
    made = Valkey(folder)
    yield made
    made.kill()
    shutil.rmtree(folder)
