"""The folder that backups lie in: base backups with their labels, WAL by segment, the newest ledger of erasures.

base/20261122T183500Z/base.tar.gz.age  label.json     a base backup; without its label it was cut short
wal/000000010000000000000005.gz.age                   a whole segment
spool/                                                what is being received; plain, of the account alone
erased.jsonl                                          who was erased, by ids
"""

import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import orjson

from core.backup.programs import BackupError
from core.convert import dump_json

SEGMENT = re.compile(r"[0-9A-F]{24}")
SEALED = ".gz.age"
PARTIAL = ".partial"
STAMP = "%Y%m%dT%H%M%SZ"


@attrs.frozen(kw_only=True)
class Label:
    """What is known of a base backup. Times are the database's; `began` and `ended` bound what it shows."""

    name: str
    began: datetime
    ended: datetime
    major: int
    first_segment: str
    """The first piece of WAL without which it is of no use."""
    bytes: int
    sha256: str
    """Of the encrypted file."""


@attrs.frozen
class Shelf:
    """One such folder."""

    folder: Path

    @property
    def wal(self) -> Path:
        """Sealed segments."""
        return self.folder / "wal"

    @property
    def spool(self) -> Path:
        """Where WAL arrives."""
        return self.folder / "spool"

    @property
    def ledger(self) -> Path:
        """The newest copy of it."""
        return self.folder / "erased.jsonl"

    def base(self, name: str) -> Path:
        """The folder of a base backup."""
        return self.folder / "base" / name

    def made(self) -> "Shelf":
        """With its folders, readable by nobody else."""
        for place in (self.folder, self.folder / "base", self.wal, self.spool):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def labels(self) -> list[Label]:
        """Whole base backups, oldest first."""
        return [read_label(path) for path in sorted(self.folder.glob("base/*/label.json"))]

    def newest_before(self, moment: datetime | None) -> Label:
        """The one to begin from to reach a moment. Raises BackupError."""
        fitting = [label for label in self.labels() if moment is None or label.ended <= moment]
        if not fitting:
            raise BackupError(f"{self.folder} holds no base backup that had ended by then")
        return fitting[-1]

    def segments(self) -> list[str]:
        """Names of whole segments, sealed or just received, in order."""
        sealed = [path.name.removesuffix(SEALED) for path in self.wal.glob(f"*{SEALED}")]
        fresh = [path.name for path in self.spool.glob("*")]
        return sorted({name for name in (*sealed, *fresh) if SEGMENT.fullmatch(name)})

    def gaps(self, first: str, needed: str | None = None) -> list[str]:
        """Segments that are missing between a base backup's first and the newest one, or one that is `needed` later.

        The one that is being received counts as there.
        """
        coming = [path.name.removesuffix(PARTIAL) for path in self.spool.glob(f"*{PARTIAL}")]
        there = {position(name) for name in (*self.segments(), *coming)}
        end = max(there | ({position(needed)} if needed else set()), default=-1)
        return [f"segment {number:X}" for number in range(position(first), end + 1) if number not in there]

    def prune(self, keep: timedelta, now: datetime) -> tuple[int, int]:
        """Delete base backups older than `keep`, but the newest; WAL that none of the rest needs. How many of each."""
        labels = self.labels()
        old = [label for label in labels[:-1] if now - label.ended > keep]
        for label in old:
            shutil.rmtree(self.base(label.name))
        kept = labels[len(old) :]
        first = position(kept[0].first_segment) if kept else 0
        spare = [
            path
            for path in self.wal.glob(f"*{SEALED}")
            if SEGMENT.fullmatch(name := path.name.removesuffix(SEALED)) and position(name) < first
        ]
        for path in spare:
            path.unlink()
        return len(old), len(spare)


def position(segment: str) -> int:
    """Where in the WAL a segment lies, whatever its timeline. Of 16 MB, as initdb makes them: 256 to a log."""
    return int(segment[8:16], 16) * 256 + int(segment[16:], 16)


def write_label(label: Label, place: Path) -> None:
    """Last of all: it says that the backup is whole."""
    part = place / "label.part"
    part.write_bytes(dump_json(attrs.asdict(label)))
    part.replace(place / "label.json")


def read_label(path: Path) -> Label:
    """Raises BackupError."""
    try:
        found = orjson.loads(path.read_bytes())
        times = {key: datetime.fromisoformat(found[key]) for key in ("began", "ended")}
        return Label(**{**found, **times})
    except (ValueError, TypeError, KeyError) as error:
        raise BackupError(f"{path} is no label of a base backup: {error}") from None


def stamp(at: datetime) -> str:
    """The name of a base backup."""
    return at.astimezone(UTC).strftime(STAMP)


def sealing(recipients: Sequence[str], age: str) -> list[list[str]]:
    """Programs that compress and encrypt, for a pipe."""
    if not recipients:
        raise BackupError("backup.recipients names no key to encrypt for: make one with age-keygen, keep it elsewhere")
    return [["gzip", "-1", "-c"], [age, *(word for one in recipients for word in ("-r", one))]]
