"""PostgreSQL's own programs and age: found, given their secrets by environment, tied together by pipes."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

import attrs
import click

from core.settings import Secret
from core.store.embedded_programs import major_of, postgres_folders

Words = Sequence[str | Path]
Env = Mapping[str, str] | None
TRUST = ("PGSSLMODE", "PGSSLROOTCERT")
"""What asyncpg heeds too where a URL says nothing of it."""


class BackupError(click.ClickException):
    """What went wrong, in words for who keeps the shop."""


@attrs.frozen
class Source:
    """Where the database answers, as libpq's programs take it."""

    where: str
    """A URL without its password: it stands among the arguments, which everybody on the machine can read."""
    secret: Secret

    @classmethod
    def of(cls, url: Secret) -> "Source":
        """From a URL with its password."""
        parts = urlsplit(url.reveal())
        host = parts.netloc.rpartition("@")[2]
        where = f"{parts.scheme}://{parts.username}@{host}" if parts.username else f"{parts.scheme}://{host}"
        query = f"?{parts.query}" if parts.query else ""
        return cls(f"{where}{parts.path}{query}", Secret(unquote(parts.password or "")))

    @property
    def environment(self) -> dict[str, str]:
        """All that the programs get: of this process's own only whom to trust, and the password nowhere else."""
        trust = {name: os.environ[name] for name in TRUST if name in os.environ}
        return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC", "PGPASSWORD": self.secret.reveal(),
                "PGCONNECT_TIMEOUT": "10", **trust}  # fmt: skip


def postgres_program(name: str, major: int) -> Path:
    """One of PostgreSQL's programs, of this release or a newer one. Raises BackupError."""
    found = [
        (int(release), folder / name)
        for folder in postgres_folders(Path("/nowhere"), None, system=True)
        if (folder / name).exists() and (release := major_of(folder)).isdigit() and int(release) >= major
    ]
    if not found:
        raise BackupError(f"{name} of PostgreSQL {major} is not here: install its package, on Debian postgresql-client")
    return min(found, key=lambda each: each[0])[1]


def needed(name: str) -> str:
    """A program of the system's. Raises BackupError."""
    found = shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is not here: install it, on Debian and Ubuntu: apt-get install {name}")
    return found


def run(command: Words, env: Env = None) -> str:
    """Run a program to its end; what it said. Raises BackupError."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise BackupError(_told(command, done.returncode, done.stderr or done.stdout))
    return done.stdout


def piped(*commands: Words, out_of: Path | None = None, into: Path | None = None, env: Env = None) -> None:
    """Run programs, each reading what the one before it writes. Raises BackupError with those that failed."""
    with ExitStack() as stack:
        errors = [stack.enter_context(tempfile.TemporaryFile()) for _ in commands]
        source: IO[bytes] | int = stack.enter_context(out_of.open("rb")) if out_of else subprocess.DEVNULL
        target = stack.enter_context(into.open("xb")) if into else None
        running: list[subprocess.Popen[bytes]] = []
        for command, error in zip(commands, errors, strict=True):
            last = len(running) == len(commands) - 1
            process = subprocess.Popen(
                command, stdin=source, stdout=target if last else subprocess.PIPE, stderr=error, env=env
            )
            stack.callback(_ended, process)
            if not isinstance(source, int):
                source.close()  # ours: so that the one before learns when this one ends
            running.append(process)
            source = process.stdout or subprocess.DEVNULL
        codes = [process.wait() for process in running]
        wrong = []
        for command, code, error in zip(commands, codes, errors, strict=True):
            if code > 0:
                error.seek(0)
                wrong.append(_told(command, code, error.read().decode(errors="replace")))
    if wrong:
        raise BackupError("; ".join(wrong))
    if any(codes):
        raise BackupError(f"{Path(commands[0][0]).name} was cut short")


def _ended(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def _told(command: Words, code: int, text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return f"{Path(command[0]).name} ended with {code}: {' | '.join(lines[-3:]) or 'it said nothing'}"
