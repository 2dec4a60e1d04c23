"""Migration files against what a database says was applied: what is missing, what is due, whether the code suits it.

A file is named like 0003_add_notes.sql, and numbers never change. Its header lines say how it runs (ADR 16):

    -- phase: pre        expand: before the new code, and the code of one release ago runs on it all the same
    -- phase: post       contract: when no replica runs older code; code that has no such file cannot run on it
    -- mode: batches     one INSERT, UPDATE or DELETE, repeated in short transactions until it touches no row
    -- mode: alone       statements outside a transaction, such as CREATE INDEX CONCURRENTLY; it may run twice

Without a mode the whole file is one transaction.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
PHASE = re.compile(r"^-- phase: (pre|post)$", re.MULTILINE)
MODE = re.compile(r"^-- mode: (.*)$", re.MULTILINE)
MODES = ("whole", "batches", "alone")


class MigrationError(Exception):
    """The files and the database do not agree, or a file failed."""


@attrs.frozen
class Migration:
    """One file."""

    owner: str
    version: int
    name: str
    phase: str
    mode: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of the text as applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.owner} {self.name}"


@attrs.frozen
class Applied:
    """One row of kernel.migrations."""

    owner: str
    version: int
    name: str
    checksum: str
    phase: str

    def __str__(self) -> str:
        return f"{self.owner} {self.name}"


def read(folders: Mapping[str, Path]) -> list[Migration]:
    """Every migration, the kernel's first, then owner by owner in the order given."""
    found = [_read(owner, path) for owner, folder in folders.items() for path in sorted(folder.glob("*.sql"))]
    if len({(m.owner, m.version) for m in found}) != len(found):
        raise MigrationError("two migrations of one owner have the same number")
    return found


def _read(owner: str, path: Path) -> Migration:
    name, sql = NAME.fullmatch(path.name), path.read_text("utf-8")
    phase, mode = PHASE.search(sql), MODE.search(sql)
    if not name or not phase:
        raise MigrationError(f"{path}: needs a name like 0001_create_orders.sql and a line '-- phase: pre' or post")
    if mode and mode[1] not in MODES[1:]:
        raise MigrationError(f"{path}: a mode is batches or alone")
    return Migration(owner, int(name[1]), path.stem, phase[1], mode[1] if mode else MODES[0], sql)


def missing(applied: Iterable[Applied], files: Sequence[Migration]) -> list[Migration]:
    """The files that were not applied yet. Raises MigrationError for one that was changed afterwards."""
    known = {(row.owner, row.version): row.checksum for row in applied}
    for file in files:
        if known.get((file.owner, file.version), file.checksum) != file.checksum:
            raise MigrationError(f"{file} was changed after it was applied")
    return [file for file in files if (file.owner, file.version) not in known]


def due(lacking: Sequence[Migration], *, post: bool) -> list[Migration]:
    """What a migrator applies now.

    Without `post`, what contracts waits until the rollout is over; but a pre file after it is of a later release.
    """
    last_pre = {file.owner: file.version for file in lacking if file.phase == "pre"}
    return [file for file in lacking if post or file.version <= last_pre.get(file.owner, 0)]


def unfit(applied: Sequence[Applied], files: Sequence[Migration]) -> str:
    """Why this code cannot run on this database; empty if it can. Code N suits the schemas N and N+1.

    What an owner without files took away is its own affair: a plugin that is not loaded any more.
    """
    try:
        lacking = [file for file in missing(applied, files) if file.phase == "pre"]
    except MigrationError as error:
        return str(error)
    own, owners = {(file.owner, file.version) for file in files}, {file.owner for file in files}
    posts = [row for row in applied if row.phase == "post" and row.owner in owners]
    beyond = [row for row in posts if (row.owner, row.version) not in own]
    if beyond:
        return f"{beyond[0]} is of a later release and took something away"
    return f"lacks {lacking[0]} and {len(lacking) - 1} more" if lacking else ""
