"""The state as a file, and a lock that a killed run lets go of."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import cattrs

from ops.deploying.files import replace
from ops.deploying.model import DeployError, State
from ops.deploying.target import Busy

_converter = cattrs.Converter()


def written(state: State) -> str:
    """As JSON."""
    return json.dumps(_converter.unstructure(state), indent=1)


def understood(text: str) -> State:
    """From JSON. Raises DeployError."""
    try:
        return _converter.structure(json.loads(text), State)
    except (ValueError, cattrs.BaseValidationError) as error:
        raise DeployError(f"the state of the last deploy cannot be read: {error}") from None


@attrs.frozen
class FileBook:
    """In a folder of this machine."""

    folder: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """By a lock of the kernel's, which ends with the process. Raises Busy."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"process {os.read(file, 20).decode() or 'unknown'} deploys right now") from None
            os.truncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(file)

    def load(self) -> State:
        """Nothing yet, the first time."""
        path = self.folder / "state.json"
        return understood(path.read_text("utf-8")) if path.exists() else State()

    def save(self, state: State) -> None:
        """Swapped in whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        replace(self.folder / "state.json", written(state))
