"""A rogue beside two real replicas: put aside on both by what one of them saw, and let in again by one command."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from core import configuration
from tests.conftest import NewDatabase
from tests.core.isolation.eventually import PATIENCE
from tests.core.program import LONG
from tests.ports import free_port
from tests.rogues.running import packaged
from tests.transports import until

ROGUE = "raises"
ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
async def env(new_database: NewDatabase, redis_url: str, tmp_path: Path) -> Mapping[str, str]:
    """Of replicas and commands, the rogue among their plugins."""
    names = configuration.read({"VURKSHA_ENV": "test"}).plugins
    packaged(tmp_path / "site")
    return {
        **os.environ,
        "VURKSHA_ENV": "test",
        "DATABASE_URL": await new_database(),
        "REDIS_URL": redis_url,
        "DATA_DIR": str(tmp_path / "data"),
        "VURKSHA_PLUGINS": ",".join([*(name for name in names if name != "*"), ROGUE]),
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)]),
    }


async def vurksha(env: Mapping[str, str], *words: str) -> str:
    """What a command prints; it must succeed."""
    command = [sys.executable, "-m", "core", *words]
    done = await asyncio.to_thread(subprocess.run, command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@asynccontextmanager
async def replica(env: Mapping[str, str], log: Path, http: aiohttp.ClientSession) -> AsyncIterator[str]:
    """The address of one that is ready."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        assert process.poll() is None, log.read_text()
        return await status(http, f"{url}/health/ready") == 200

    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-m", "core", "serve"], env={**env, "PORT": str(port)}, stdout=out, stderr=out
        ) as process,
    ):
        try:
            await until(ready, LONG)
            yield url
        finally:
            process.kill()


async def status(http: aiohttp.ClientSession, url: str) -> int:
    """Of a GET; 0 while nobody listens."""
    try:
        async with http.get(url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


async def failing(http: aiohttp.ClientSession, route: str) -> bool:
    """Whether the rogue itself answered."""
    return await status(http, route) == 500


async def test_put_aside_on_both_and_let_in_on_both(env: Mapping[str, str], tmp_path: Path) -> None:
    await vurksha(env, "migrate")
    async with aiohttp.ClientSession() as http, AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(replica(env, tmp_path / f"{number}.log", http)) for number in range(2)
        ]
        routes = [f"{url}/api/v1/{ROGUE}" for url in replicas]

        async def aside() -> bool:
            return [await status(http, route) for route in routes] == [503, 503]

        while await status(http, routes[0]) == 500:
            pass  # only the first replica sees how it behaves
        await until(aside, PATIENCE)
        async with http.get(routes[1]) as answer:
            assert (await answer.json())["error"]["details"] == {"plugin": ROGUE}
        told = await vurksha(env, "plugins", "enable", ROGUE, "--yes")
        assert f"{ROGUE} is used again on every replica within 2 s" in told
        for route in routes:  # each is asked until it is its own failure again: a few of them, and it is put aside anew
            await until(partial(failing, http, route), PATIENCE)
        assert [await status(http, f"{url}/api/v1/categories") for url in replicas] == [200, 200]
