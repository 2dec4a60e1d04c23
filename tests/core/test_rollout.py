"""Three real replicas behind a balancer: a rollout that nobody notices, and replicas that had better not serve."""

import asyncio
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from core.store.embedded import Servers
from tests.asking import Load, load
from tests.cable import Cable, socket_of, through
from tests.cluster import HAPROXY, Balancer, Replicas
from tests.conftest import NewDatabase
from tests.releases import release

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
balanced = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
FAKETIME = Path(
    os.environ.get("FAKETIME_LIBRARY", f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1")
)
PRODUCTION = {
    "VURKSHA_ENV": "production",
    "VURKSHA_HTTP__HOST": "127.0.0.1",
    "VURKSHA_HTTP__ADDRESS_RATE": "100000",
    "VURKSHA_POSTGRES__ACQUIRE": "3",  # seconds: what a busy machine does is not what is shown here
    "VURKSHA_POSTGRES__CONNECT": "3",
    "VURKSHA_HTTP__LATE": "5",
    "VURKSHA_NOTIFICATION__MEDIA": "sms",
    "VURKSHA_NOTIFICATION__SMS_GATEWAY_URL": "http://127.0.0.1:9",
    "VURKSHA_NOTIFICATION__SMS_GATEWAY_KEY": "nobody answers there",
} | {
    f"VURKSHA_USER__{name}": "1000000"
    for name in ("SENDS_PER_ADDRESS_HOUR", "SENDS_PER_PREFIX_HOUR", "SENDS_PER_SECOND", "SENDS_PER_DAY", "STRICT_SENDS")
}
EXPAND = """-- phase: pre
ALTER TABLE carts.carts ADD COLUMN colour text;
CREATE TABLE carts.colours (id integer PRIMARY KEY);
"""
CONTRACT = """-- phase: post
DROP TABLE carts.colours;
"""


@pytest.fixture
async def database_url(new_database: NewDatabase) -> str:
    """Of this test alone."""
    return await new_database()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for sockets."""
    made = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def replicas(folder: Path, database_url: str, servers: Servers) -> Replicas:
    """As in production, on stores that are there."""
    return Replicas(folder, database_url, servers.redis_url, env=PRODUCTION)


async def one_request(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    """Reads from memory and from the database, and writes."""
    phone = f"{6 + secrets.randbelow(4)}{secrets.randbelow(10**9):09d}"
    requests = (
        session.get(f"{url}/api/v1/products?page=1&limit=20"),
        session.get(f"{url}/api/v1/products/{secrets.token_hex(8)}"),
        session.post(f"{url}/api/v1/auth/send-otp", json={"phone": phone}),
    )
    worst = 0, ""
    for request in requests:
        async with request as answer:
            worst = max(worst, (answer.status, f"{answer.url.path} {await answer.text()}"))
    return worst


async def contracted(replicas: Replicas, code: Path) -> str:
    """What `migrate --post` says once the last replica of the release before is known to be gone."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await replicas.call("migrate", "--post", code=code)
            except AssertionError as refused:
                if "does not know" not in str(refused):
                    raise
                await asyncio.sleep(1)


@balanced
async def test_a_rolling_deploy_with_a_migration_fails_no_request(replicas: Replicas, folder: Path) -> None:
    files = {"cart/migrations/0098_expand.sql": EXPAND, "cart/migrations/0099_contract.sql": CONTRACT}
    following = release(folder / "next", "99.0.0", files)
    await replicas.call("migrate")
    async with replicas, Balancer(folder, replicas) as shop:
        traffic = Load(clients=3, pause=0.1, send=one_request)
        async with load(shop.url, traffic):
            assert "would apply cart 0098_expand (pre, whole)" in await replicas.call(
                "migrate", "--plan", code=following
            )
            told = await replicas.call("migrate", code=following)
            assert "applied cart 0098_expand" in told
            assert "later, when nothing older runs: cart 0099_contract" in told
            for replica in replicas:
                replica.code = following
                await replica.restart()
                if replica is replicas[0]:
                    table = await replicas.call("replicas", code=following)
                    assert table.count(" ready ") == 3
                    assert "99.0.0" in table
                    with pytest.raises(AssertionError, match="which does not know cart 0099_contract"):
                        await replicas.call("migrate", "--post", code=following)
            assert "applied cart 0099_contract" in await contracted(replicas, following)
            await asyncio.sleep(1.0)
        assert traffic.failures == [], [one.said[-3000:] for one in replicas]
        assert traffic.answered > 100
        # The release before cannot come back any more: it says so and stays away.
        replicas[0].code = Path.cwd()
        assert await replicas[0].stop() == 0
        replicas[0].start()
        await replicas[0].becomes(503, reason="schema: cart 0099_contract is of a later release")
        assert await shop.up() == {"r1", "r2"}


@balanced
async def test_replicas_that_die_or_stand_still_leave_the_balancer_within_seconds(
    replicas: Replicas, folder: Path, database_url: str
) -> None:
    await replicas.call("migrate")
    async with replicas, Balancer(folder, replicas) as shop:
        replicas[0].signal(signal.SIGKILL)
        assert await shop.sees({"r1", "r2"}) < 3
        replicas[1].signal(signal.SIGSTOP)
        assert await shop.sees({"r2"}) < 3
        await asyncio.sleep(7.0)
        replicas[1].signal(signal.SIGCONT)
        assert await shop.sees({"r1", "r2"}) < 10
        assert "ended" not in replicas[1].said
        assert "stood still" not in replicas[1].said


async def test_a_replica_alone_cut_off_from_postgres_is_unready_in_five_to_eight_seconds(
    replicas: Replicas, folder: Path, database_url: str
) -> None:
    database = socket_of(database_url)
    if database is None:
        pytest.skip("PostgreSQL was given by address; only a unix socket can be cut here")
    await replicas.call("migrate")
    here = folder / ".s.PGSQL.5432"
    replicas[0].env["DATABASE_URL"] = through(database_url, here)
    async with Cable(here, database) as cable, replicas:
        await asyncio.sleep(3.0)  # until each has heard of the others
        await cable.cut()
        took = await replicas[0].becomes(503, reason="cut off from postgres")
        assert 4.5 < took < 10, "5 to 8, and what a busy machine adds"
        assert [(await one.health())[0] for one in replicas[1:]] == [200, 200]
        await cable.mend()
        assert await replicas[0].ready() < 5
        cable.hang()  # no refusal now: nothing comes back
        assert 4.5 < await replicas[0].becomes(503, reason="cut off from postgres") < 10
        cable.flow()
        assert await replicas[0].ready() < 5


@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")
async def test_a_replica_whose_clock_is_off_is_unready_within_ten_seconds(replicas: Replicas, folder: Path) -> None:
    await replicas.call("migrate")
    offset = folder / "offset"
    offset.write_text("+0")
    replicas[0].env |= {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with replicas:
        for moved, status in (("+6", 503), ("+4", 200), ("-7", 503), ("+0", 200)):
            offset.write_text(moved)
            took = await replicas[0].becomes(status, reason="clock" if status == 503 else "")
            assert took < 10
        assert (await replicas[1].health())[0] == 200


async def test_leaving_takes_no_longer_than_it_may_and_no_kept_connection_is_broken(replicas: Replicas) -> None:
    replicas[0].env |= {"VURKSHA_STOP__DRAIN": "2"}
    await replicas.call("migrate")
    one = replicas[0]
    one.start()
    await one.ready()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as kept:
        async with kept.get(f"{one.url}/api/v1/products") as answer:
            assert (answer.status, answer.headers.get("Connection")) == (200, None)
        began = time.monotonic()
        one.signal(signal.SIGTERM)
        await one.becomes(503, reason="draining")
        async with kept.get(f"{one.url}/api/v1/products") as answer:
            assert (answer.status, answer.headers.get("Connection")) == (200, "close")
        async with kept.post(f"{one.url}/api/v1/auth/send-otp", json={"phone": "9876543210"}) as answer:
            assert (answer.status, answer.headers.get("Connection")) == (200, "close")
    assert await one.stop() != 0, "asked twice"
    assert time.monotonic() - began < 5
    one.end()
