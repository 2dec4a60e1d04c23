"""A next release for the rolling deploy: the same program, with one plugin more that brings a migration."""

import re
import shutil
from pathlib import Path

from core.hookspecs import hookimpl
from core.kernel import Manifest
from tests.faults.processes import ROOT

HERE = Path(__file__).parent


class NextRelease:
    """A plugin that has nothing but its migration."""

    manifest = Manifest(name="release", version="2.0.0", schema="release")

    @hookimpl
    def migrations(self) -> Path:
        """A new table, and columns on other domains' tables."""
        return HERE / "release_migrations"


def prepared(folder: Path) -> dict[str, str]:
    """Environment names with which `vurksha` is that release; its files lie in the folder."""
    package, config = folder / "site" / "release-2.0.0.dist-info", folder / "config"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: release\nVersion: 2.0.0\n")
    (package / "entry_points.txt").write_text("[vurksha.plugins]\nrelease = tests.faults.release:NextRelease\n")
    shutil.copytree(ROOT / "config", config)
    base = config / "base.toml"
    base.write_text(re.sub(r"^plugins = \[(.*)\]", r'plugins = [\1, "release"]', base.read_text(), flags=re.MULTILINE))
    return {
        "VURKSHA_CONFIG_DIR": str(config),
        "VURKSHA_DEPLOY__RELEASE": "next",
        "PYTHONPATH": f"{package.parent}:{ROOT}",
    }
