"""PostgreSQL, Redis, RabbitMQ and a gateway for texts, really running, for a shop that runs as in production."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import attrs
import orjson

from plugins.order.demo import Client, Failed, Journey, Teller, until
from tests.faults.broker import Broker
from tests.faults.load.codes import SIX
from tests.faults.postgres import Cluster
from tests.faults.processes import ROOT, Child, NotRunning, workplace
from tests.faults.stores import SmsServer, Valkey
from tests.providers.sms import KEY

PLUGINS = "user,product,cart,order,notification,payment"


@attrs.frozen(kw_only=True)
class Stores:
    """Where they answer, as a shop's environment."""

    folder: Path
    env: dict[str, str]
    texts: Path

    async def command(self, *words: str, **more: str) -> None:
        """Run one of the program's commands, from the source."""
        env = {**self.env, "PYTHONPATH": str(ROOT), "HOME": str(self.folder), **more}
        child = Child(words[0], [sys.executable, "-m", "core", *words], self.folder, env=env)
        child.start()
        if await child.ended(60):
            raise NotRunning(f"vurksha {' '.join(words)} failed:\n{child.tail()}")


@asynccontextmanager
async def stores(*, rabbit: bool = True) -> AsyncIterator[Stores]:
    """All of them, empty, on free ports of this machine; they go with the block."""
    with workplace() as folder:
        async with AsyncExitStack() as stack:
            sms, cluster, redis = SmsServer(folder / "texts.jsonl"), Cluster(folder), Valkey(folder)
            await stack.enter_async_context(sms.running())
            stack.push_async_callback(cluster.close)
            stack.callback(redis.child.kill)
            starts = [cluster.create(standby=False), redis.start()]
            env = {}
            if rabbit:
                broker = Broker(folder)
                stack.callback(broker.close)
                starts.append(broker.start())
                env["RABBITMQ_URL"] = broker.url
            await asyncio.gather(*starts)
            env |= {
                "VURKSHA_ENV": "production",
                "VURKSHA_PLUGINS": PLUGINS,
                "DATABASE_URL": cluster.primary.url(),
                "REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
                "JWT_SECRET": secrets.token_hex(32),
                "VURKSHA_USER__CODE_PEPPER": secrets.token_hex(32),
                "OPERATIONS_TOKEN": secrets.token_hex(32),
                "VURKSHA_HTTP__HOST": "127.0.0.1",
                "VURKSHA_NOTIFICATION__MEDIA": "sms",
                "VURKSHA_NOTIFICATION__SMS_GATEWAY_URL": sms.url,
                "VURKSHA_NOTIFICATION__SMS_GATEWAY_KEY": KEY,
            }
            yield Stores(folder=folder, env=env, texts=folder / "texts.jsonl")


class Walk(Journey):
    """The demo's journey of a customer who gets real texts."""

    def __init__(self, client: Client, texts: Path, phone: str) -> None:
        super().__init__(client, Teller(), texts, phone)

    async def _code(self) -> str | None:
        texts = map(orjson.loads, (await asyncio.to_thread(self._journal.read_bytes)).splitlines())
        mine = [text["text"] for text in texts if text["to"] == f"+91{self._phone}"]
        return SIX.findall(mine[-1])[0] if mine else None

    async def _leave(self) -> str:
        """Sign out."""
        await self._client.call("POST", "/auth/logout")
        await until(self._refused, "a token outlived its session")
        return "and the old token is soon worth nothing on any replica"

    async def _refused(self) -> bool | None:
        with suppress(Failed):  # another replica hears of it within two seconds
            await self._client.call("GET", "/users/profile", expect=401)
            return True
        return None
