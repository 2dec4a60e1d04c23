"""Who may import whom, and that each file can be imported by itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.code import DOMAINS, ROOT, files, imports, module

ONE_BY_ONE = """
import importlib, os, sys
for others in ("aiohttp.web", "aio_pika", "asyncpg", "attrs", "cattrs", "click", "jwt", "orjson", "redis"):
    importlib.import_module(others)
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(f"{name}: {error!r}", flush=True)
            os._exit(1)
        os._exit(0)
    os.waitpid(child, 0)
"""
"""One child per module, forked from a process that has only other people's packages loaded."""

DRIVERS = {"aiohttp", "asyncpg", "redis", "aio_pika"}
OUTWARD = {"channels", "copies.py", "demo.py", "razorpay"}
"""Rooms that speak to something outside: providers of messages and payments, answers kept in Redis, our own API."""

BREACHES = {
    "kernel": ("core/types.py", "import plugins.order.ports"),
    "one-way": ("plugins/product/ports.py", "import plugins.cart.ports"),
    "rooms": ("plugins/user/models.py", "import plugins.user.routes"),
    "pure": ("plugins/order/models.py", "import asyncpg"),
    "door-user": ("plugins/order/models.py", "import plugins.user.models"),
    "door-product": ("plugins/order/models.py", "import plugins.product.models"),
    "door-cart": ("plugins/order/models.py", "import plugins.cart.models"),
    "door-order": ("plugins/notification/models.py", "import plugins.order.models"),
    "door-notification": ("plugins/user/models.py", "import plugins.notification.models"),
    "door-payment": ("plugins/notification/models.py", "import plugins.payment.models"),
}


def lint_imports(root: Path, contract: str) -> int:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    options: list[Path | str] = ["--config", ROOT / ".importlinter", "--no-cache", "--no-logo", "--contract", contract]
    return subprocess.run([*command, *options], cwd=root, capture_output=True, check=False).returncode


@pytest.mark.timeout(300)  # of processor time: more of it where the machine is busy
def test_every_module_imports_alone() -> None:
    names = [module(path) for path in files("core", "plugins") if path.name != "__main__.py"]
    said = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said.stdout + said.stderr == ""


@pytest.mark.parametrize("contract", BREACHES)
def test_each_contract_catches_a_planted_breach(contract: str, tmp_path: Path) -> None:
    for name in ("core", "plugins"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    assert lint_imports(tmp_path, contract) == 0
    path, line = BREACHES[contract]
    with (tmp_path / path).open("a") as file:
        file.write(f"\n{line}\n")
    assert lint_imports(tmp_path, contract) == 1


def test_there_is_a_breach_for_every_contract() -> None:
    text = (ROOT / ".importlinter").read_text("utf-8")
    assert {line.split(":")[-1].strip("]") for line in text.splitlines() if line.startswith("[importlinter:")} == set(
        BREACHES
    )
    assert {f"door-{domain}" for domain in DOMAINS} <= set(BREACHES)


def test_only_rooms_that_face_outward_use_a_driver() -> None:
    found = [
        f"{path}:{line} imports {name}"
        for path in files("plugins")
        if OUTWARD.isdisjoint(path.parts)
        for line, name in imports(path)
        if name.partition(".")[0] in DRIVERS
    ]
    assert found == []


def test_a_manifest_names_exactly_the_domains_that_its_plugin_imports() -> None:
    for domain in DOMAINS:
        used = {
            name.split(".")[1]
            for path in files(f"plugins/{domain}")
            for _, name in imports(path)
            if name.startswith("plugins.") and name.split(".")[1] != domain
        }
        loaded = __import__(f"plugins.{domain}.plugin", fromlist=["plugin"])
        assert set(loaded.plugin.manifest.requires) == used, domain
