"""Files that are there as a whole or as they were."""

import os
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Write and swap: who is killed meanwhile leaves the old one. Readable by its owner alone."""
    fresh = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
