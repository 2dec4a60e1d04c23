"""Lay a backup down as a data folder that PostgreSQL brings to a moment when it starts."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from core.backup.programs import BackupError, needed, piped, postgres_program, run
from core.backup.shelf import PARTIAL, SEALED, SEGMENT, Label, Shelf, position
from core.store.embedded_process import Account


def unpack(shelf: Shelf, label: Label, identity: Path, target: Path) -> None:
    """Decrypt a base backup into an empty folder and have PostgreSQL's own program verify it. Raises BackupError."""
    if target.exists() and any(target.iterdir()):
        raise BackupError(f"{target} is not empty: what lies there may still be needed")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    unsealed = [[needed("age"), "-d", "-i", str(identity)], ["gzip", "-d", "-c"]]
    piped(*unsealed, ["tar", "-x", "-C", str(target)], out_of=shelf.base(label.name) / "base.tar.gz.age")
    run([postgres_program("pg_verifybackup", label.major), "--no-parse-wal", target])


def lay_wal(shelf: Shelf, label: Label, identity: Path, folder: Path) -> int:
    """Decrypt what has happened since, the unfinished segment included; how many segments. Raises BackupError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    first, count = position(label.first_segment), 0
    if missing := shelf.gaps(label.first_segment):
        raise BackupError(f"WAL is missing: {', '.join(missing[:5])}")
    for left in folder.iterdir():  # of an earlier try
        if SEGMENT.fullmatch(left.name) or left.suffix == ".history":
            left.unlink()
    for sealed in sorted(shelf.wal.glob(f"*{SEALED}")):
        name = sealed.name.removesuffix(SEALED)
        if SEGMENT.fullmatch(name) and position(name) < first:
            continue
        piped([needed("age"), "-d", "-i", str(identity)], ["gzip", "-d", "-c"], out_of=sealed, into=folder / name)
        count += 1
    for fresh in sorted(shelf.spool.iterdir()):
        name = fresh.name.removesuffix(PARTIAL)
        if SEGMENT.fullmatch(name) and not (folder / name).exists():
            shutil.copyfile(fresh, folder / name)
            count += 1
    return count


def aim(target: Path, wal: Path, moment: datetime | None) -> None:
    """Tell PostgreSQL where to take WAL from and when to stop; then it takes writes, on a timeline of its own."""
    quoted = str(wal).replace("'", "''").replace('"', '\\"')
    lines = [
        f'restore_command = \'cp "{quoted}/%f" "%p"\'',
        "recovery_target_timeline = 'latest'",
        "recovery_target_action = 'promote'",
    ]
    if moment is not None:
        lines.append(f"recovery_target_time = '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'")
    with (target / "postgresql.auto.conf").open("a", encoding="utf-8") as conf:
        conf.write("\n# Written by vurksha restore.\n" + "\n".join(lines) + "\n")
    (target / "recovery.signal").touch(mode=0o600)


def give(account: Account | None, *folders: Path) -> None:
    """Make everything the account's own that PostgreSQL runs as."""
    if account is None:
        return
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
