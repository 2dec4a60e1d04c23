"""Over TLS a server is believed only when an authority that we trust has signed for its name."""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from pathlib import Path
from urllib.parse import urlencode

import attrs
import pytest

from core.backup.programs import BackupError, Source, postgres_program, run
from core.events.amqp.link import Link, Live
from core.resilience.breaker import Breaker
from core.settings import Secret
from core.store.embedded_programs import SYSTEM_POSTGRES
from core.store.pipe import RedisDown, dial, dialler
from core.store.pool import Pool
from core.store.watch import Watch
from tests.certificates import Certificate, certificate, show
from tests.core.program import Program
from tests.faults.postgres import Cluster

ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
UNPROVED = r"certificate verify failed"


@attrs.frozen
class Place:
    """A server that shows our certificate, and another that it does not show."""

    url: str
    ours: Certificate
    other: Certificate

    def asked(self, host: str = "127.0.0.1", **query: str) -> str:
        """The URL with these parameters."""
        return f"{self.url.replace('127.0.0.1', host)}?{urlencode(query)}"


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Place]:
    if not any(SYSTEM_POSTGRES.glob("*/bin/postgres")):
        pytest.skip("the system's PostgreSQL is not installed, and the wheel's knows no TLS")
    ours, other, cluster = certificate(folder, "ours"), certificate(folder, "other"), Cluster(folder)
    try:
        await cluster.create(standby=False)
        url = cluster.primary.url("postgres", "postgres")
        await show(url, ours)
        yield Place(url, ours, other)
    finally:
        await cluster.close()


async def encrypted(url: str) -> bool:
    """Whether a connection of the pool's is. Raises what the pool raises."""
    pool = Pool(url, size=1, warm=1, connect=5, server={})
    await pool.open()
    connection = await pool.acquire(1)
    try:
        return bool(await connection.fetchval(ENCRYPTED))
    finally:
        pool.release(connection)
        await pool.close()


async def test_the_database_is_believed_only_with_the_right_authority_and_name(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = str(place.ours.file), str(place.other.file)
    assert await encrypted(place.asked(sslmode="verify-full", sslrootcert=right))
    with pytest.raises(ssl.SSLCertVerificationError, match=UNPROVED):
        await encrypted(place.asked(sslmode="verify-full", sslrootcert=wrong))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await encrypted(place.asked(host="localhost", sslmode="verify-full", sslrootcert=right))
    # As the Deployment says it, for a URL that says nothing.
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", right)
    assert await encrypted(place.url)
    for unfit in (wrong, "/nowhere/ca.pem"):
        monkeypatch.setenv("PGSSLROOTCERT", unfit)
        with pytest.raises(OSError, match=f"{UNPROVED}|No such file"):
            await encrypted(place.url)


async def test_the_log_says_why_nobody_is_believed(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    url = place.asked(sslmode="verify-full", sslrootcert=str(place.other.file))
    watch = Watch(Pool(url, size=1, warm=1, connect=5, server={}), Breaker("postgres", slow=3.0), limit=5)
    for _ in range(2):
        await watch.look()
    assert re.search(f"the database does not answer: .*{UNPROVED}", caplog.text, re.IGNORECASE)


def test_migrations_believe_no_other_either(place: Place, folder: Path) -> None:
    program = Program(folder, DATABASE_URL=place.url, PGSSLMODE="verify-full")
    refused = program.call("migrate", env={"PGSSLROOTCERT": str(place.other.file)})
    assert refused.returncode == 1
    assert re.search(UNPROVED, refused.stderr, re.IGNORECASE)
    done = program.call("migrate", env={"PGSSLROOTCERT": str(place.ours.file)})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("by", ["url", "environment"])
def test_programs_that_take_backups_believe_no_other_either(
    place: Place, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, flags = postgres_program("pg_receivewal", 0), ("--slot=tried", "--create-slot", "--if-not-exists")
    for authority, proved in ((place.ours, True), (place.other, False)):
        trusted = str(authority.file)
        monkeypatch.setenv("PGSSLMODE", "verify-full")
        monkeypatch.setenv("PGSSLROOTCERT", trusted if by == "environment" else "/nowhere/ca.pem")
        url = place.url if by == "environment" else place.asked(sslmode="verify-full", sslrootcert=trusted)
        source = Source.of(Secret(url))
        words: list[str | Path] = [program, "-d", source.where, "--no-password", *flags]
        with nullcontext() if proved else pytest.raises(BackupError, match=UNPROVED):
            run(words, source.environment)


async def test_redis_and_rabbitmq_have_to_prove_themselves_by_default(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def never(live: Live) -> None:
        raise AssertionError(f"connected to a stranger: {live}")

    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=certificate(folder, "stranger").context)
    where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with pytest.raises(RedisDown) as redis:
            await dial(dialler(f"rediss://{where}/0"), 5)
        assert re.search(UNPROVED, str(redis.value.__cause__), re.IGNORECASE)
        link = Link(Secret(f"amqps://{where}/"), "tried", never)
        with caplog.at_level(logging.WARNING, "core.events"), suppress(TimeoutError):
            async with asyncio.timeout(1):
                await link.run()
    assert re.search(f"no RabbitMQ: .*{UNPROVED}", caplog.text, re.IGNORECASE)
