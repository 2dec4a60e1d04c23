"""Imports what is private to the kernel."""

from core.kernel import Manifest
from core.store.pool import Pool


class Rogue:
    """Would like a pool of its own."""

    manifest = Manifest(name="private_import", version="1.0.0", schema="private_import", owner="nobody")
    pool = Pool
