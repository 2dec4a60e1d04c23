"""Payments are a package of their own: a wheel with an entry point, beside a kernel whose wheel does not hold them."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from setuptools import find_namespace_packages  # type: ignore[import-untyped]  # it has no types

from tests.architecture.code import ROOT

HOME = ROOT / "plugins" / "payment"


def test_a_wheel_is_built_without_a_network(tmp_path: Path) -> None:
    copy = tmp_path / "payment"
    shutil.copytree(HOME, copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*words, "--wheel-dir", tmp_path, copy], check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("vurksha_payment-*.whl")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        points = next(name for name in names if name.endswith("entry_points.txt"))
        assert archive.read(points).decode().split() == [
            "[vurksha.plugins]",
            "payment",
            "=",
            "plugins.payment.plugin:plugin",
        ]
    sources = [path for path in HOME.rglob("*") if path.suffix in (".py", ".sql", ".html", ".css", ".js")]
    here = {f"plugins/payment/{path.relative_to(HOME)}" for path in sources if "build" not in path.parts}
    assert here - names == set(), "a file that the wheel lacks"
    assert {name for name in names if not name.startswith(("plugins/payment/", "vurksha_payment-"))} == set()


def test_the_kernels_wheel_leaves_it_out() -> None:
    text = (ROOT / "setup.py").read_text("utf-8")
    assert 'exclude=["plugins.payment*"]' in text
    found = find_namespace_packages(str(ROOT), include=["plugins*"], exclude=["plugins.payment*"])
    assert "plugins.order" in found
    assert [name for name in found if name.startswith("plugins.payment")] == []
