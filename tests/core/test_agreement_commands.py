"""`vurksha migrate` and `vurksha replicas`, as an operator sees them."""

import asyncio
import shutil
from pathlib import Path

import asyncpg
import orjson
import pytest

from core.plugins import Plugins
from core.store.embedded import Servers
from tests.conftest import NewDatabase
from tests.core.http.probe import ProbePlugin
from tests.core.program import Program

ROW = """
INSERT INTO kernel.replicas (id, host, pid, code, ready, reasons, up, seen_at)
VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6, clock_timestamp() - make_interval(secs => $7))
"""
CODE = orjson.dumps({"version": "0.0.9", "release": "old", "migrations": {"probe": 1}}).decode()


@pytest.fixture
async def url(new_database: NewDatabase) -> str:
    """An empty database."""
    return await new_database()


@pytest.fixture
def program(url: str, servers: Servers, tmp_path: Path) -> Program:
    """On servers that are there."""
    return Program(tmp_path, DATABASE_URL=url, REDIS_URL=servers.redis_url)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The probe's migrations, which a test may add to."""
    mine = tmp_path / "migrations"
    shutil.copytree(Path(__file__).parent / "http" / "probe_migrations", mine)
    real = Plugins.migration_folders
    monkeypatch.setattr(Plugins, "migration_folders", lambda self: {**real(self), ProbePlugin.manifest.name: mine})
    return mine


async def write(url: str, host: str, *, ready: bool = True, why: str = "", age: float = 0.0) -> None:
    """A replica's row."""
    connection = await asyncpg.connect(url)
    await connection.execute(ROW, host, 7, CODE, ready, [why] if why else [], ["postgres", "redis"], age)
    await connection.close()


def call(program: Program, *words: str) -> str:
    """What a command prints."""
    done = program.call(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_replicas_shows_who_serves_and_why_some_do_not(program: Program, url: str) -> None:
    call(program, "migrate")
    assert call(program, "replicas") == "nobody serves\n"
    await write(url, "one")
    await write(url, "two", ready=False, why="cut off from redis")
    await write(url, "three", age=60)
    head, *lines = call(program, "replicas").splitlines()
    assert head.split() == ["REPLICA", "PID", "RELEASE", "STATE", "STARTED", "SEEN", "REACHES", "WHY"]
    states = {line.split()[0]: line for line in lines}
    assert " ready " in states["one"]
    assert "0.0.9" in states["one"]
    assert " unready " in states["two"]
    assert "cut off" in states["two"]
    assert " gone " in states["three"]


async def test_a_plan_changes_nothing(program: Program, url: str) -> None:
    planned = call(program, "migrate", "--dry-run").splitlines()
    assert "would apply kernel 0001_kernel (pre, whole)" in planned
    assert planned[-1] == "this was a plan: nothing was applied"
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT to_regclass('kernel.migrations')") is None
    await connection.close()


async def test_what_takes_away_comes_last_and_never_from_code_that_runs(
    program: Program, url: str, folder: Path
) -> None:
    call(program, "migrate")
    (folder / "0002_less.sql").write_text("-- phase: post\nDROP TABLE probes.rows")
    later = "later, when nothing older runs: probe 0002_less (vurksha migrate --post)"
    assert call(program, "migrate").splitlines() == [later, "the schema is up to date"]
    await write(url, "one")
    refused = program.call("migrate", "--post")
    assert refused.returncode == 1
    expected = "one (7) serves release 0.0.9 old, which does not know probe 0002_less; stop it first, or --force"
    assert refused.stderr == f"vurksha: {expected}\n"
    assert "applied probe 0002_less" in call(program, "migrate", "--post", "--force")
    assert call(program, "migrate", "--post") == "the schema is up to date\n"


async def test_a_database_without_replicas_table_has_no_replicas(program: Program, url: str, folder: Path) -> None:
    (folder / "0002_less.sql").write_text("-- phase: post\nDROP TABLE probes.rows")
    assert "applied probe 0002_less" in call(program, "migrate", "--post")


async def test_migrations_may_go_past_a_pooler(program: Program, url: str) -> None:
    env = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "VURKSHA_POSTGRES__DIRECT_URL": url}
    done = await asyncio.to_thread(program.call, "migrate", env=env)
    assert done.stdout.endswith("the schema is up to date\n"), done.stderr


async def test_expand_refuses_what_the_release_before_could_not_run_on(
    program: Program, url: str, folder: Path
) -> None:
    call(program, "migrate", "--expand")
    (folder / "0002_more.sql").write_text("-- phase: pre\nALTER TABLE probes.rows DROP COLUMN text;\n")
    for words in (["--expand"], ["--expand", "--plan"]):
        refused = program.call("migrate", *words)
        assert refused.returncode == 1
        assert "not expand-only: probe 0002_more drops a column" in refused.stderr
    (folder / "0002_more.sql").write_text("-- phase: pre\nALTER TABLE probes.rows ADD COLUMN more text;\n")
    assert "applied probe 0002_more" in call(program, "migrate", "--expand")
