"""What keeps the gateway's keys those of the ring: a rotation reaches it in time, a revoked key leaves it."""

import json
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types
from aiohttp import web

from core.auth import TokenIssuer
from core.errors import UNAVAILABLE, Problem
from core.keys import KeyRing
from core.keys_book import KeyBook
from core.store.db import Db
from ops.kong.ring import Follower, issuer, keep, rendered
from tests.architecture.code import ROOT
from tests.ops.gateway.kong import KONG

SECRET = "the root of the ring, in tests of the gateway"
PROMPT = 2.0
"""A second, and as much again where other tests run beside this one."""


class Kong:
    """What of its Admin API is used."""

    def __init__(self) -> None:
        self.took: list[dict[str, Any]] = []
        self.status = 201

    async def config(self, request: web.Request) -> web.Response:
        if self.status == 201:
            self.took.append(yaml.safe_load((await request.json())["config"]))
        return web.json_response({}, status=self.status)

    def keys(self) -> dict[str, dict[str, str]]:
        """Of the last configuration, by name."""
        return {one["key"]: one for one in self.took[-1]["consumers"][0]["jwt_secrets"]}


@pytest.fixture
async def kong() -> AsyncIterator[tuple[Kong, str]]:
    fake, app = Kong(), web.Application()
    app.router.add_post("/config", fake.config)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield fake, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def follower(db: Db, target: Path, admin: str) -> Follower:
    tokens = issuer({"JWT_SECRET": SECRET})
    return Follower(KeyRing(db, tokens), tokens, KONG.read_text("utf-8"), target, admin)


def verifies(token: str, key: dict[str, str]) -> bool:
    """As Kong's plugin does: by the key that the token names, with its one algorithm."""
    secret = urlsafe_b64decode(key["secret"] + "=" * (-len(key["secret"]) % 4))
    named = jwt.get_unverified_header(token)["kid"] == key["key"]
    return named and bool(jwt.decode(token, secret, [key["algorithm"]], options={"verify_aud": False}))


async def test_a_key_is_at_the_gateway_before_it_signs_and_leaves_when_revoked(
    kernel_db: Db, kong: tuple[Kong, str], tmp_path: Path
) -> None:
    fake, admin = kong
    tokens = TokenIssuer(SECRET, (), issuer="vurksha", audience="app", minutes=15)
    replica, book = KeyRing(kernel_db, tokens), KeyBook(kernel_db, tokens, "test:gateway")
    follows = follower(kernel_db, tmp_path / "kong.yml", admin)
    await follows.look()
    first = tokens.issue(uuid4(), uuid4(), "CUSTOMER")
    root = tokens.configured[0].kid
    assert verifies(first, fake.keys()[root])

    kid = await book.add("HS512")
    await follows.look()
    assert fake.keys().keys() == {root, kid}
    await book.activate(kid, force=True)
    await replica.read()
    second = tokens.issue(uuid4(), uuid4(), "CUSTOMER")
    assert verifies(second, fake.keys()[kid])
    assert verifies(first, fake.keys()[root]), "whoever signed in before stays signed in"

    await book.revoke(root)
    await follows.look()
    assert fake.keys().keys() == {kid}
    written = yaml.safe_load((tmp_path / "kong.yml").read_text("utf-8"))
    assert written == fake.took[-1]
    assert (tmp_path / "kong.yml").stat().st_mode & 0o777 == 0o640
    count = len(fake.took)
    await follows.look()
    assert len(fake.took) == count, "what did not change is not told again"


async def test_a_gateway_that_is_away_or_refuses_is_told_again(
    kernel_db: Db, kong: tuple[Kong, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake, admin = kong
    fake.status = 400
    follows = follower(kernel_db, tmp_path / "kong.yml", admin)
    await follows.look()
    assert (tmp_path / "kong.yml").exists(), "it can start from the file"
    assert "refused the configuration" in caplog.text
    fake.status = 201
    await follows.look()
    assert len(fake.took) == 1
    await follower(kernel_db, tmp_path / "kong.yml", "http://127.0.0.1:1").look()
    assert "does not answer" in caplog.text
    assert SECRET not in caplog.text


async def test_with_the_database_away_the_last_ring_holds(
    kernel_db: Db, kong: tuple[Kong, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, admin = kong
    follows = follower(kernel_db, tmp_path / "kong.yml", admin)
    await follows.look()

    async def away(*_: object) -> None:
        raise Problem(UNAVAILABLE)

    monkeypatch.setattr(kernel_db, "fetch", away)
    await follows.look()
    assert len(fake.took) == 1


def test_secrets_may_lie_in_files_and_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    assert issuer({"JWT_SECRET_FILE": str(tmp_path / "secret")}).configured == issuer({"JWT_SECRET": SECRET}).configured
    assert len(issuer({"JWT_SECRET": SECRET, "VURKSHA_AUTH__ALSO_ACCEPTED": "old,"}).configured) == 2
    with pytest.raises(ValueError, match="JWT_SECRET"):
        issuer({})


def test_a_template_without_the_place_for_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="once"):
        rendered("consumers: []\n", ())


def test_a_file_that_a_killed_run_left_half_written_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "kong.new").write_text("half")
    keep(tmp_path / "kong.yml", json.dumps({}))
    assert [path.name for path in tmp_path.iterdir()] == ["kong.yml"]


@contextmanager
def program(port: int, target: Path) -> Iterator["subprocess.Popen[str]"]:
    """ring.py as its container runs it, with a database at a port of this machine."""
    env = {
        "PYTHONPATH": str(ROOT), "JWT_SECRET": SECRET, "DATABASE_URL": f"postgresql://u:p@127.0.0.1:{port}/d",
    }  # fmt: skip
    command = [sys.executable, ROOT / "ops/kong/ring.py", KONG, target, "http://127.0.0.1:1"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: "subprocess.Popen[str]") -> int:
    """Its code, once it was asked to end. Raises TimeoutExpired."""
    process.send_signal(signal.SIGTERM)
    return process.wait(PROMPT)


def test_it_ends_when_asked_though_its_database_refuses(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and deaf: nobody else gets the port meanwhile
        taken.bind(("127.0.0.1", 0))
        with program(taken.getsockname()[1], tmp_path / "kong.yml") as process:
            assert process.stderr is not None
            assert "could not be read" in process.stderr.readline()
            assert ended(process) == 0
            assert "asked to end" in process.stderr.read()


def test_it_ends_when_asked_though_its_database_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        with program(silent.getsockname()[1], tmp_path / "kong.yml") as process:
            called, _ = silent.accept()
            with called:
                began = time.monotonic()
                assert ended(process) == 0
                print(f"ended after {time.monotonic() - began:.2f} s")  # noqa: T201  read by people
