"""Leans on what nobody installed."""

from importlib import import_module

from core.kernel import Manifest

library = import_module("no_such_library")


class Rogue:
    """Never made."""

    manifest = Manifest(name="import_error", version="1.0.0", schema="import_error", owner="nobody")
