"""Brings a migration that no database can apply."""

from pathlib import Path

from core.hookspecs import hookimpl
from core.kernel import Manifest


class Rogue:
    """Divides by zero."""

    manifest = Manifest(name="bad_migration", version="1.0.0", schema="bad_migration", owner="nobody")

    @hookimpl
    def migrations(self) -> Path:
        """Its only file."""
        return Path(__file__).parent / "migrations"
