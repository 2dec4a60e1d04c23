"""Keeps the gateway's keys those of the ring: reads it as a replica does, and hands Kong its whole configuration.

    python ring.py kong.yml /run/kong/kong.yml http://10.89.41.2:8001

The file is what Kong starts from, the address where it takes a new one without dropping a connection (POST /config). A
key is added to the ring ten seconds before it signs (ADR 14) and is here within POLL, so no good token meets a gateway
that does not know its key. Needs DATABASE_URL and JWT_SECRET, or files named by the same with _FILE, and nothing else.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path

import aiohttp

from core.auth import SigningKey, TokenIssuer
from core.errors import Problem
from core.keys import POLL, KeyRing
from core.store.db import Db
from core.store.pool import Pool

PLACE = "    jwt_secrets: []\n"
"""The line of kong.yml in whose stead the keys stand. Kong resolves no vault reference here: it would be the secret."""
CONNECT = 2.0
TIMEOUT = aiohttp.ClientTimeout(total=5)
log = logging.getLogger("ring")


class Followed(TokenIssuer):
    """An issuer that shows which keys verify."""

    keys: tuple[SigningKey, ...] = ()

    def adopt(self, active: SigningKey | None, ring: Iterable[SigningKey]) -> None:
        """Take them over."""
        self.keys = tuple(ring)
        super().adopt(active, self.keys)


def given(env: Mapping[str, str], name: str) -> str:
    """A setting, or what stands in the file that it names."""
    file = env.get(f"{name}_FILE")
    return Path(file).read_text("utf-8").strip() if file else env.get(name, "")


def issuer(env: Mapping[str, str]) -> Followed:
    """The ring's root, as the replicas have it."""
    secret = given(env, "JWT_SECRET")
    if not secret:
        raise ValueError("JWT_SECRET is not set")
    also = [part for part in given(env, "VURKSHA_AUTH__ALSO_ACCEPTED").split(",") if part]
    minutes = int(env.get("VURKSHA_AUTH__ACCESS_MINUTES", "15"))
    return Followed(secret, also, issuer="", audience="", minutes=minutes)


def rendered(template: str, keys: Iterable[SigningKey]) -> str:
    """Kong's configuration with the keys in it. Raises ValueError for a template without their place."""
    if template.count(PLACE) != 1:
        raise ValueError(f"{PLACE.strip()!r} must stand once in kong.yml")
    secrets = [
        {"key": key.kid, "algorithm": key.algorithm, "secret": urlsafe_b64encode(key.secret).rstrip(b"=").decode()}
        for key in keys
    ]
    return template.replace(PLACE, f"    jwt_secrets: {json.dumps(secrets)}\n")


def keep(target: Path, content: str) -> None:
    """Write the file as a whole, for Kong's group only: it holds what signs tokens."""
    fresh = target.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o640, exist_ok=False)
    fresh.write_text(content, "utf-8")
    fresh.replace(target)


async def told(admin: str, content: str) -> bool:
    """Whether Kong took it. One that does not run will start from the file."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.post(f"{admin}/config", json={"config": content}) as answer,
        ):
            if answer.status != 201:  # noqa: PLR2004  Created, as Kong documents
                log.error("the gateway refused the configuration: %s %.300s", answer.status, await answer.text())
            return answer.status == 201  # noqa: PLR2004  as above
    except (aiohttp.ClientError, TimeoutError) as error:
        log.warning("the gateway does not answer: %s", type(error).__name__)
        return False


class Follower:
    """Reads the ring for ever; what changed goes to the file at once, and to Kong until it took it."""

    def __init__(self, ring: KeyRing, tokens: Followed, template: str, target: Path, admin: str) -> None:
        self._ring, self._tokens, self._template = ring, tokens, template
        self._target, self._admin = target, admin
        self._kept: tuple[SigningKey, ...] = ()
        self._told: tuple[SigningKey, ...] = ()

    async def look(self) -> None:
        """Once. While the database is away the last ring holds."""
        try:
            await self._ring.read()
        except Problem:
            log.warning("the ring could not be read")
            return
        keys = self._tokens.keys
        content = rendered(self._template, keys)
        if keys != self._kept:
            await asyncio.to_thread(keep, self._target, content)
            self._kept = keys
            log.info("keys: %s", ", ".join(key.kid for key in keys))
        if keys != self._told and await told(self._admin, content):
            self._told = keys

    async def run(self) -> None:
        """Until the process ends."""
        while True:
            await self.look()
            await asyncio.sleep(POLL)


async def main(template: str, target: Path, admin: str) -> None:
    """Follow the ring of the database that the environment names."""
    tokens = issuer(os.environ)
    pool = Pool(
        given(os.environ, "DATABASE_URL"), size=1, warm=0, connect=CONNECT, server={"application_name": "vurksha ring"}
    )
    db = Db(pool, acquire=CONNECT)
    await pool.open()
    following = asyncio.create_task(Follower(KeyRing(db, tokens), tokens, template, target, admin).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, following.cancel)  # nobody does it for process 1
    try:
        await following
    except asyncio.CancelledError:
        log.info("asked to end")
    finally:
        await pool.close()


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(levelname)s %(name)s %(message)s")
    asyncio.run(main(Path(sys.argv[1]).read_text("utf-8"), Path(sys.argv[2]), sys.argv[3]))
