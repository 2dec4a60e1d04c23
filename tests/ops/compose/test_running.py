"""The composed shop for real, as far as its images can be had: three replicas, stores, keys, a gateway, a customer."""

import asyncio
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import click
import pytest

from ops.kong.ring import issuer
from plugins.order.demo import Client
from tests.faults.processes import ROOT
from tests.ops.compose.standing import have_stores
from tests.ops.containers import IMAGE, build, call, environment, exists
from tests.ops.gateway.haproxy import named, secret
from tests.ops.stores import Walk
from tests.ports import free_port

pytestmark = [pytest.mark.ops, pytest.mark.timeout(1500)]

PROJECT = "vurkshacheck"
FILES = ("-f", "ops/compose.yaml", "-f", "tests/ops/compose/here.yaml")
REPLICAS = ("app-1", "app-2", "app-3")
ASK = "import urllib.request as r; print(r.urlopen('http://{}:{}').status)"


class Composed:
    """The project, by podman-compose. It waits for no health and starts what others lean on at its own pace."""

    def __init__(self, folder: Path) -> None:
        self.port, self.texts = free_port(), folder / "texts/texts.jsonl"
        for name in ("texts", "ring"):
            (folder / name).mkdir()
            (folder / name).chmod(0o777)
        self.texts.touch()
        self.texts.chmod(0o666)
        self._env = environment() | {
            "VURKSHA_IMAGE": IMAGE,
            "SMS_GATEWAY_URL": "http://texts:8080",
            "PORT": str(self.port),
            "TEXTS": str(folder / "texts"),
            "RING": str(folder / "ring"),
            "PATH": f"{ROOT}/.venv/ops/bin:{os.environ['PATH']}:/usr/sbin",
        }
        key = issuer({"JWT_SECRET_FILE": str(ROOT / "ops/.secrets/jwt_secret")}).keys[0]
        (folder / "ring/ring").write_text(f"{named(key)} {secret(key)}\n")
        (folder / "ring/ring").chmod(0o644)

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            ["podman-compose", "-p", PROJECT, *FILES, *words],
            cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout


def container(service: str) -> str:
    return f"{PROJECT}_{service}_1"


def until(service: str, *words: str, seconds: float = 120) -> None:
    """A command inside a container, until it does not fail."""
    end = time.monotonic() + seconds
    while subprocess.run(
        ["podman", "exec", container(service), *words], env=environment(), capture_output=True, check=False
    ).returncode:
        assert time.monotonic() < end, call("podman", "logs", "--tail=20", container(service))
        time.sleep(0.5)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    have_stores()
    if not exists(IMAGE):
        build()
    call("ops/secrets")
    project = Composed(tmp_path_factory.mktemp("composed"))
    project("down", "-v", "-t", "1")
    try:
        project("up", "-d", "postgres", "redis", "rabbitmq", "texts")
        until("postgres", "pg_isready", "-h", "127.0.0.1", "-U", "vurksha")
        until("rabbitmq", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5672")
        project("up", "-d", "--no-deps", "migrate")
        assert call("podman", "wait", container("migrate"), seconds=120) == "0"
        project("run", "--rm", "--no-deps", "-T", "-e", "VURKSHA_ENV=test", "migrate", "seed")
        project("up", "-d", "--no-deps", *REPLICAS, "ring")
        for replica in REPLICAS:
            until(replica, "python", "-c", ASK.format("127.0.0.1", "8000/health/ready"))
        project("up", "-d", "--no-deps", "gateway")
        yield project
    finally:
        project("down", "-v", "-t", "1")


async def walked(project: Composed, phone: str) -> float:
    began = time.monotonic()
    async with aiohttp.ClientSession() as session:
        await Walk(Client(session, f"http://127.0.0.1:{project.port}/api/v1"), project.texts, phone).walk()
    return time.monotonic() - began


async def test_a_customer_orders_by_way_of_the_gateway_also_when_a_replica_dies(
    composed: Composed, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(reached, composed)
    whole = await walked(composed, "9811111111")
    await asyncio.to_thread(call, "podman", "kill", "--signal=KILL", container("app-1"))
    await asyncio.sleep(3)
    less = await walked(composed, "9822222222")
    memory = [resident(name) for name in ("app-2", "app-3")]
    with capsys.disabled():
        click.echo(
            f"\nfigures: 3 replicas, migration, keys, 3 stores and a gateway in 9 containers; journey {whole:.1f} s, "
            f"with a replica killed {less:.1f} s; {max(memory):.0f} MB resident a replica of 300"
        )


def reached(project: Composed) -> None:
    """The gateway answers from a replica."""
    end = time.monotonic() + 60
    while subprocess.run(
        ["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{project.port}/health"], check=False
    ).returncode:
        assert time.monotonic() < end, call("podman", "logs", "--tail=20", container("gateway"))
        time.sleep(0.5)


def resident(service: str) -> float:
    status = call("podman", "exec", container(service), "cat", "/proc/1/status")
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def test_the_ring_writes_what_kong_starts_from(composed: Composed) -> None:
    said = call("podman", "exec", container("ring"), "stat", "-c", "%a %u %g", "/ring/kong.yml")
    assert said == "640 10001 1000"
    said = call("podman", "exec", container("ring"), "cat", "/ring/kong.yml")
    key = issuer({"JWT_SECRET_FILE": str(ROOT / "ops/.secrets/jwt_secret")}).keys[0]
    assert f'"key": "{key.kid}"' in said


@pytest.mark.parametrize("service", ["app-2", "ring", "redis", "rabbitmq", "postgres", "gateway"])
def test_nothing_can_write_its_root_or_gain_a_right(composed: Composed, service: str) -> None:
    status = call("podman", "exec", container(service), "cat", "/proc/1/status")
    assert re.search(r"CapEff:\s+0+\n", status)
    assert re.search(r"NoNewPrivs:\s+1\n", status) or service == "gateway"
    done = subprocess.run(
        ["podman", "exec", container(service), "touch", "/opt/x"], env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "Read-only" in done.stderr
