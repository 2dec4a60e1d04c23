"""The rendered Deployment, run by podman: the same pod, on real stores of this machine."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from tests.certificates import certificate, show
from tests.ops.containers import IMAGE, Failed, build, call, exists
from tests.ops.k8s.rendered import Object, objects, of
from tests.ops.k8s.settings import secret_file
from tests.ops.stores import Stores, stores
from tests.ports import free_port

pytestmark = [pytest.mark.ops, pytest.mark.timeout(900)]
POD = "vurksha-green-pod-0"
NAME = f"{POD}-vurksha"
AWAY = "amqp://127.0.0.1:1/"
"""A broker that is not there: events wait, everything else goes on."""


@pytest.fixture
async def shop() -> AsyncIterator[Stores]:
    if not exists(IMAGE):
        build()
    async with stores(rabbit=False) as ready:
        await ready.command("migrate", "--expand")
        await ready.command("seed", VURKSHA_ENV="test")
        await show(ready.env["DATABASE_URL"].replace("//shop@", "//postgres@"), certificate(ready.folder, "database"))
        yield ready


def answer(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}{path}", headers=headers), timeout=5) as got:
            return got.status, got.read()
    except HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def secrets_of(folder: Path, shop: Stores) -> None:
    """The files that External Secrets would bring."""
    (listed,) = [one for one in objects("overlays/production") if one["metadata"]["name"] == "vurksha-secrets"]
    known = {
        "database-url": shop.env["DATABASE_URL"],
        "standby-url": shop.env["DATABASE_URL"],
        "redis-url": shop.env["REDIS_URL"],
        "rabbitmq-url": AWAY,
        "jwt-secret": shop.env["JWT_SECRET"],
        "operations-token": shop.env["OPERATIONS_TOKEN"],
        "user-code-pepper": shop.env["VURKSHA_USER__CODE_PEPPER"],
    }
    folder.mkdir(mode=0o755)
    for row in listed["spec"]["data"]:
        file = folder / row["secretKey"]
        file.write_text(known.get(file.name) or secret_file(file.name))
        file.chmod(0o444)


def here(shop: Stores, port: int, operations: int, folder: Path) -> str:
    """The Deployment and its ConfigMaps, with this machine's image, network, secrets and database."""
    authority = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "database-ca"},
        "data": {"ca.pem": (shop.folder / "database.pem").read_text()},
    }  # fmt: skip
    deployment, settings = of("overlays/green", "Deployment"), of("overlays/green", "ConfigMap")
    settings["data"] |= {
        "PORT": str(port),
        "VURKSHA_OPERATIONS__PORT": str(operations),
        "VURKSHA_NOTIFICATION__MSG91_URL": shop.env["VURKSHA_NOTIFICATION__SMS_GATEWAY_URL"],
        "VURKSHA_TRACING__ENDPOINT": "",
    }
    spec: dict[str, Any] = deployment["spec"]
    spec["replicas"] = 1
    pod: Object = spec["template"]["spec"]
    (box,) = pod["containers"]
    pod["hostNetwork"] = True
    box |= {"image": IMAGE, "imagePullPolicy": "IfNotPresent", "ports": []}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        del box[name]  # podman has nobody who would ask
    pod["volumes"][0] = {"name": "secrets", "hostPath": {"path": str(folder), "type": "Directory"}}
    return "---\n".join(yaml.safe_dump(one) for one in (settings, authority, deployment))


async def test_the_pod_serves_as_the_deployment_says(shop: Stores, tmp_path: Path) -> None:
    port, operations = free_port(), free_port()
    files, file = shop.folder / "files", tmp_path / "pod.yaml"
    secrets_of(files, shop)
    file.write_text(here(shop, port, operations, files))
    began = time.monotonic()
    call("podman", "play", "kube", file, seconds=120)
    try:
        while answer(port, "/health/ready")[0] != 200:
            assert time.monotonic() - began < 90, call("podman", "logs", NAME)
            time.sleep(0.1)
        took = time.monotonic() - began
        status, listed = answer(port, "/api/v1/products?page=1&limit=20")
        assert (status, len(json.loads(listed)["data"]["products"])) == (200, 20)
        token = f"Bearer {shop.env['OPERATIONS_TOKEN']}"
        assert answer(operations, "/metrics")[0] == 401
        status, metrics = answer(operations, "/metrics", Authorization=token)
        assert status == 200
        assert b"vurksha_info" in metrics
        inside = "import os, pathlib; print(os.getuid(), os.environ['VURKSHA_DEPLOY__RELEASE'])"
        assert call("podman", "exec", NAME, "python", "-c", inside) == "10001 none"
        writing = "import pathlib; pathlib.Path('/tmp/it').touch(); pathlib.Path('/opt/it').touch()"
        with pytest.raises(Failed, match=r"Read-only file system: '/opt/it'"):
            call("podman", "exec", NAME, "python", "-c", writing)
        found = json.loads(call("podman", "inspect", NAME))[0]
        assert found["EffectiveCaps"] in (None, [])
        assert found["HostConfig"]["Memory"] == 256 * 2**20
        used = call("podman", "exec", NAME, "python", "-c", "print(open('/proc/1/status').read())")
        resident = int(next(line for line in used.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024
    finally:
        asked = time.monotonic()
        call("podman", "stop", "-t", "35", NAME, seconds=60)
        gone = time.monotonic() - asked
        code = json.loads(call("podman", "inspect", NAME))[0]["State"]["ExitCode"]
        call("podman", "play", "kube", "--down", file, seconds=60)
    assert code == 0
    assert gone < 25
    print(f"figures: ready after {took:.1f} s, {resident} MB, gone {gone:.1f} s after SIGTERM with 0")  # noqa: T201  read by the proofs
