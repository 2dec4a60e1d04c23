"""Which of the installed plugins can be told apart."""

import sys
from pathlib import Path

import pytest

from core.plugin_finding import PluginError, search

TWO = """
from core.kernel import Manifest
class One:
    manifest = Manifest(name="one", version="1", schema="ones")
class Two:
    manifest = Manifest(name="two", version="1", schema="twos", required={required})
"""
INNER = """
from core.kernel import Manifest
class Three:
    manifest = Manifest(name="three", version="1", schema="threes")
"""
POINTS = "[vurksha.plugins]\none = {0}:One\ntwo = {0}:Two\nthree = {0}.inner:Three\n"


def wheel(folder: Path, name: str, *, required: bool) -> None:
    """One package with three plugins, of which two lie in one folder."""
    info, inner = folder / f"{name}-1.0.0.dist-info", folder / name / "inner"
    info.mkdir()
    inner.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text(POINTS.format(name))
    (inner.parent / "__init__.py").write_text(TWO.format(required=required))
    (inner / "__init__.py").write_text(INNER)


def test_of_two_in_one_folder_the_later_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, "shared_a", required=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = search(["one", "two", "three"])
    assert [cls.__name__ for cls in found.classes] == ["One", "Three"]
    assert found.left_out == {
        "two": f"lies in the folder of one, {tmp_path / 'shared_a'}: each plugin needs one of its own"
    }
    with pytest.raises(PluginError, match="two: lies in the folder of one"):
        search(["one", "two"], required=["one", "two"])


@pytest.mark.parametrize("told", [True, False])
def test_who_is_required_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    name = f"shared_{told}".lower()
    wheel(tmp_path, name, required=not told)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = search(["one", "two"], required=["two"] if told else [])
    assert [cls.__name__ for cls in found.classes] == ["Two"]
    assert list(found.left_out) == ["one"]
    assert name in sys.modules
