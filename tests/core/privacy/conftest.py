"""A database with the kernel's tables and one of the tests' own."""

import pytest

from core.store.db import Db
from tests.core.privacy.domains import TABLE


@pytest.fixture
async def db(kernel_db: Db) -> Db:
    """The kernel's tables, empty, and one of the test's own."""
    async with kernel_db.connection() as connection:
        await connection.execute(TABLE)
        await connection.execute("TRUNCATE forget.rows, kernel.erasures, kernel.erased, kernel.exports")
    return kernel_db
