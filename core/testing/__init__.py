"""The plugin author's harness: a real app on real stores, spoken to over real HTTP. A pytest plugin.

    pytest_plugins = ["core.testing"]                       # in tests/conftest.py

    @pytest.fixture(scope="session")
    def plugins() -> list[type]:
        return [NotesPlugin]                                # what `app` loads; the rest is stood in for

    async def test_nobody_has_notes_at_first(app: TestApp) -> None:
        answer = await app.get("/notes", as_=app.person())
        assert answer.data == {"notes": []}

PostgreSQL and Redis are embedded and end with the tests; with DATABASE_URL or REDIS_URL set those are used instead.
Production never imports this package.
"""

import pytest

pytest.register_assert_rewrite("core.testing.contract")

from core.testing.client import Answer, Person, SignedIn, TestApp  # noqa: E402  what asserts is rewritten first
from core.testing.contract import PluginContract  # noqa: E402  as above
from core.testing.fixtures import NewKernel, app, db, fakes, kernel, plugins, redis  # noqa: E402  as above
from core.testing.running import running, settings_for  # noqa: E402  as above
from core.testing.samples import sample  # noqa: E402  as above
from core.testing.servers import NewDatabase, database_url, new_database, redis_url, servers  # noqa: E402  as above
from core.testing.stand_ins import Fakes, Gate, StandIn  # noqa: E402  as above

__all__ = [
    "Answer",
    "Fakes",
    "Gate",
    "NewDatabase",
    "NewKernel",
    "Person",
    "PluginContract",
    "SignedIn",
    "StandIn",
    "TestApp",
    "app",
    "database_url",
    "db",
    "fakes",
    "kernel",
    "new_database",
    "plugins",
    "redis",
    "redis_url",
    "running",
    "sample",
    "servers",
    "settings_for",
]
