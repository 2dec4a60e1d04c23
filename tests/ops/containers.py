"""Images and containers as root of a machine without systemd can have them: buildah, podman and runc.

`python -m tests.ops.containers` builds the shop's image and says how long that took and how big it is.
"""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import click
import orjson

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv/containers"
BASE = "docker.io/library/python:3.11-slim-bookworm"
IMAGE = "localhost/vurksha:check"
CERTIFICATES = Path("/etc/ssl/certs")
"""The build trusts whom this machine trusts."""
CONFIG = """
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=8192:8192"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
"""
"""Without systemd, and where limits may not be raised. The older network knows no names across two networks."""
DEBIAN = "ca-certificates,python3,python3-venv,python3-pip"
LOCKED_DOWN = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=300m")
"""How the shop's container runs everywhere. Memory: compose and Kubernetes say the same."""


class Failed(Exception):
    """A command that did not do what it should, with what it said."""


def environment() -> dict[str, str]:
    """For every command of podman and buildah."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    config = FOLDER / "containers.conf"
    config.write_text(CONFIG)
    return {**os.environ, "STORAGE_DRIVER": "overlay", "CONTAINERS_CONF": str(config), "ENGINE": "podman"}


def call(*command: str | Path, seconds: float = 60, cwd: Path = ROOT) -> str:
    """Run one to its end; what it printed. Raises Failed."""
    done = subprocess.run(
        list(map(str, command)),
        env=environment(),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout.strip()


def exists(image: str) -> bool:
    """Whether an image is here."""
    done = subprocess.run(["podman", "image", "exists", image], env=environment(), capture_output=True, check=False)
    return done.returncode == 0


def debian(tag: str, packages: str, *setup: str, config: Sequence[str] = ()) -> None:
    """An image made of Debian's packages alone; `setup` is run inside."""
    archive = FOLDER / "base.tar"
    call("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", "bookworm", archive, seconds=400)
    container = call("buildah", "from", "scratch")
    call("buildah", "add", "-q", container, archive, "/", seconds=200)
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    call("buildah", "config", "--env", path, *config, container)
    for line in setup:
        call("buildah", "run", "--isolation", "chroot", container, "sh", "-c", line)
    call("buildah", "commit", "-q", "--rm", container, tag, seconds=200)
    archive.unlink()


def have_base() -> None:
    """The image that ours stands on: the one of Docker Hub where that answers, else Debian's Python under its name."""
    if exists(BASE):
        return
    try:
        call("podman", "pull", "--quiet", BASE, seconds=60)
    except (Failed, subprocess.TimeoutExpired):
        debian(
            BASE,
            DEBIAN,
            "ln -sf /usr/bin/python3 /usr/local/bin/python",
            "rm -f /usr/lib/python3.11/EXTERNALLY-MANAGED",
            config=("--cmd", "python3"),
        )


def bud(*more: str, seconds: float = 600) -> None:
    """Build ops/Dockerfile, as docker build would."""
    call(
        *("buildah", "bud", "--pull-never", "--format=docker", "--network=host", "--isolation=chroot", "--quiet"),
        *("-v", f"{CERTIFICATES}:{CERTIFICATES}:ro", "-f", "ops/Dockerfile"),
        *("--ignorefile", "ops/Dockerfile.dockerignore", *more, str(ROOT)),
        seconds=seconds,
    )


@attrs.frozen
class Built:
    """An image, in seconds and megabytes."""

    seconds: float
    size: float
    base: float

    def __str__(self) -> str:
        own = self.size - self.base
        return f"built in {self.seconds:.0f} s, {self.size:.0f} MB, of which {own:.0f} MB are ours"


def size(image: str) -> float:
    """Megabytes."""
    return float(orjson.loads(call("podman", "image", "inspect", image))[0]["Size"]) / 1e6


def build(*, cached: bool = False) -> Built:
    """The shop's image, all of it anew unless `cached`."""
    have_base()
    began = time.monotonic()
    bud("--layers" if cached else "--no-cache", "-t", IMAGE)
    return Built(time.monotonic() - began, size(IMAGE), size(BASE))


@attrs.frozen
class Container:
    """One that runs in the background."""

    name: str

    @classmethod
    def start(cls, name: str, env: Mapping[str, str], *words: str, image: str = IMAGE) -> "Container":
        """Begin it, locked down, in this machine's network."""
        variables = [f"--env={key}={value}" for key, value in env.items()]
        call(*("podman", "run", "-d", "--name", name, "--network=host", *LOCKED_DOWN), *variables, image, *words)
        return cls(name)

    def inspect(self) -> dict[str, object]:
        """All that the engine knows."""
        found: dict[str, object] = orjson.loads(call("podman", "inspect", self.name))[0]
        return found

    def ended(self, seconds: float) -> int:
        """Its exit code."""
        return int(call("podman", "wait", self.name, seconds=seconds))

    def logs(self) -> str:
        """What it said so far."""
        done = subprocess.run(
            ["podman", "logs", self.name], env=environment(), capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def execute(self, *words: str) -> str:
        """Run something inside. Raises Failed."""
        return call("podman", "exec", self.name, *words)

    def remove(self) -> None:
        """Gone, whatever it does."""
        call("podman", "rm", "-f", "-t", "0", self.name)


if __name__ == "__main__":
    click.echo(f"{IMAGE}: {build(cached=True)}")
