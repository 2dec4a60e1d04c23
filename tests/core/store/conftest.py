"""A folder for servers."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    # Short, and open to the account that runs the servers when the tests run as root.
    made = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)
