"""HAProxy with the settings in ops/haproxy, in front of two replicas, and what keeps its keys those of the ring."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import attrs

from core.auth import SigningKey
from core.keys import POLL, KeyRing
from core.store.db import Db
from core.store.pool import Pool
from ops.kong.ring import issuer
from tests.faults.processes import ROOT, Child, answers
from tests.faults.stores import haproxy
from tests.faults.world import Replica
from tests.ops.stores import Stores, stores
from tests.ports import free_port

HERE = ROOT / "ops/haproxy"
ORIGIN = "https://shop.vurksha.example"


@attrs.frozen(kw_only=True)
class Gateway:
    """What runs. `url` is the gateway's."""

    stores: Stores
    replicas: Sequence[Replica]
    child: Child
    port: int

    @property
    def url(self) -> str:
        """Where customers go."""
        return f"http://127.0.0.1:{self.port}"

    def say(self, command: str) -> str:
        """One command on HAProxy's socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(str(self.stores.folder / "haproxy.sock"))
            client.sendall(f"{command}\n".encode())
            return client.makefile().read()

    async def follow(self) -> None:
        """For ever: the ring's keys, as ops/kong/ring.py brings them to Kong."""
        env = self.stores.env
        tokens = issuer(env)
        pool = Pool(env["DATABASE_URL"], size=1, warm=0, connect=2.0, server={})
        ring = KeyRing(Db(pool), tokens)
        file = self.stores.folder / "ring"
        known = {named(tokens.keys[0])}
        try:
            while True:
                await ring.read()
                now = {named(key): secret(key) for key in tokens.keys}
                for name in now.keys() - known:
                    self.say(f"add map {file} {name} {now[name]}")
                for name in known - now.keys():
                    self.say(f"del map {file} {name}")
                known = set(now)
                await asyncio.sleep(POLL)
        finally:
            await pool.close()


def named(key: SigningKey) -> str:
    """A key's name with the one algorithm that it is pinned to."""
    return f"{key.algorithm}.{key.kid}"


def secret(key: SigningKey) -> str:
    """As HAProxy reads it."""
    return "".join(f"%{byte:02x}" for byte in key.secret)


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    """Two replicas as in production, and HAProxy before them."""
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(stores(rabbit=False))
        await ready.command("migrate")
        await ready.command("seed", VURKSHA_ENV="test")
        env = {
            **ready.env,
            "PYTHONPATH": str(ROOT),
            "HOME": str(ready.folder),
            "VURKSHA_HTTP__TRUSTED_PROXIES": "127.0.0.0/8",
            "VURKSHA_HTTP__CORS_ORIGINS": ORIGIN,
        }
        replicas = []
        for name in ("one", "two"):
            replica = Replica(name, ready.folder, {**env, "VURKSHA_OPERATIONS__PORT": str(free_port())})
            stack.callback(replica.child.kill)
            replica.child.start()
            replicas.append(replica)
        root = issuer(env).keys[0]
        (ready.folder / "ring").write_text(f"{named(root)} {secret(root)}\n")
        port = free_port()
        names = {"LISTEN": f"127.0.0.1:{port}", "RUN": str(ready.folder), "HERE": str(HERE)}
        names |= {f"REPLICA_{number}": f"127.0.0.1:{one.port}" for number, one in enumerate(replicas, 1)}
        names["RING"] = str(ready.folder / "ring")
        child = Child("gateway", [haproxy(), "-db", "-f", HERE / "haproxy.cfg"], ready.folder, env=names)
        stack.callback(child.kill)
        for replica in replicas:
            await replica.ready()
        child.start()
        await child.ready(lambda: answers(port), 20)
        yield Gateway(stores=ready, replicas=replicas, child=child, port=port)
