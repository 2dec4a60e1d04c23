"""A base backup: PostgreSQL's own stream, compressed and encrypted before it touches a disk."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from core.backup.programs import BackupError, Source, needed, piped, postgres_program
from core.backup.shelf import Label, Shelf, sealing, stamp, write_label

if TYPE_CHECKING:
    from core.store.db import Db

# Asks the server about itself.
MOMENT = """
SELECT clock_timestamp() AS now, current_setting('server_version_num')::int / 10000 AS major,
    pg_walfile_name(CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END) AS segment,
    current_setting('wal_level') AS wal_level, pg_size_bytes(current_setting('wal_segment_size')) AS segment_size
"""
USUAL_SEGMENT = 16 * 1024 * 1024


async def moment(db: "Db") -> tuple[datetime, int, str]:
    """The server's clock, its release, and the segment that it writes to. Raises BackupError."""
    row = await db.fetchrow(MOMENT)
    if row is None or row["segment"] is None:
        raise BackupError("this is a standby: backups are taken of the primary")
    if row["wal_level"] == "minimal" or row["segment_size"] != USUAL_SEGMENT:
        raise BackupError("the server writes too little WAL (wal_level), or segments that are not of 16 MB")
    return row["now"], row["major"], row["segment"]


def base_backup(shelf: Shelf, source: Source, recipients: Sequence[str], began: tuple[datetime, int, str]) -> Path:
    """Write the encrypted tar; the place it lies in. WAL that it needs to be whole is in it. Raises BackupError."""
    at, major, _ = began
    place = shelf.made().base(stamp(at))
    take: list[str | Path] = [postgres_program("pg_basebackup", major), "-d", source.where, "--no-password"]
    take += ["-D", "-", "-F", "tar", "-X", "fetch", "--checkpoint=fast", "--manifest-checksums=SHA256"]
    take += [f"--label=vurksha {place.name}"]
    seal = sealing(recipients, needed("age"))
    try:
        place.mkdir(mode=0o700)
    except FileExistsError:
        raise BackupError(f"{place} is being written already") from None
    try:
        piped(take, *seal, into=place / "base.tar.gz.age", env=source.environment)
    except BaseException:
        rmtree(place)
        raise
    return place


def labelled(place: Path, began: tuple[datetime, int, str], ended: datetime) -> Label:
    """Say that it is whole."""
    at, major, segment = began
    file = place / "base.tar.gz.age"
    with file.open("rb") as content:
        digest = file_digest(content, "sha256").hexdigest()
    label = Label(
        name=place.name, began=at, ended=ended, major=major, first_segment=segment, bytes=file.stat().st_size,
        sha256=digest,
    )  # fmt: skip
    write_label(label, place)
    return label
