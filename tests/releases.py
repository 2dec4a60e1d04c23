"""The next release of this code, as a rollout brings it: another version, and migrations that are new."""

import shutil
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]


def release(folder: Path, version: str, migrations: Mapping[str, str] | None = None) -> Path:
    """A copy to run `python -m core` in. `migrations` by path below plugins: `cart/migrations/0009_more.sql`."""
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("core", "plugins", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave)
    about = folder / f"vurksha-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vurksha\nVersion: {version}\n")
    points = [point for point in distribution("vurksha").entry_points if point.group == "vurksha.plugins"]
    (about / "entry_points.txt").write_text(
        "\n".join(["[vurksha.plugins]", *(f"{point.name} = {point.value}" for point in points), ""])
    )
    for path, sql in (migrations or {}).items():
        (folder / "plugins" / path).write_text(sql)
    return folder
