"""`vurksha backup` and `vurksha restore`, for a PostgreSQL that we run ourselves."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from core import audit
from core.backup.programs import BackupError, Source
from core.backup.restoring import aim, give, lay_wal, unpack
from core.backup.shelf import Label, Shelf
from core.backup.streaming import Stream, write_whole
from core.backup.taking import base_backup, labelled, moment
from core.commands.shared import OnKernel, ago, parse_since, table
from core.commands.shared import moment as told
from core.kernel import Kernel
from core.privacy.commands import ledger_line as line
from core.privacy.requests import Erasures
from core.serve import stop_signals
from core.settings import BackupSettings, Secret, Settings
from core.store.embedded_programs import service_account

OLD = timedelta(hours=26)
"""A daily backup that is older was missed."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
Load = Callable[[], Settings]


def shelf_of(settings: BackupSettings) -> Shelf:
    """The configured folder. Raises BackupError."""
    if not settings.folder:
        raise BackupError("backup.folder names no folder: set VURKSHA_BACKUP__FOLDER")
    return Shelf(Path(settings.folder))


def source_of(kernel: Kernel) -> Source:
    """The database, as a role that may replicate."""
    return Source.of(kernel.settings.backup.url or kernel.settings.postgres.direct_url or Secret(kernel.db.pool.dsn))


async def take(kernel: Kernel) -> None:
    """`take`."""
    settings = kernel.settings.backup
    shelf, began = shelf_of(settings), await moment(kernel.db)
    place = await asyncio.to_thread(base_backup, shelf, source_of(kernel), settings.recipients, began)
    ended, _, _ = await moment(kernel.db)
    label = await asyncio.to_thread(labelled, place, began, ended)
    write_whole(shelf.ledger, await ledger(kernel))
    async with kernel.db.transaction() as tx:
        details = {"bytes": label.bytes, "seconds": (ended - began[0]).total_seconds()}
        await audit.record(tx, actor=audit.operator(), action="backup.take", subject=label.name, details=details)
    click.echo(f"{place}: {label.bytes / 1e6:.1f} MB, encrypted, in {(ended - began[0]).total_seconds():.1f} s")


async def ledger(kernel: Kernel) -> str:
    """Who was erased, as `vurksha privacy reapply` reads it."""
    rows = await Erasures().ledger(kernel.db)
    return "".join(f"{line(row['user_id'], row['erased_at'])}\n" for row in rows)


async def stream(kernel: Kernel) -> None:
    """`stream`."""
    settings, (_, major, _) = kernel.settings.backup, await moment(kernel.db)
    receiving = Stream(shelf_of(settings), source_of(kernel), settings.recipients, major)
    stop, work = stop_signals(), asyncio.create_task(receiving.run(lambda: ledger(kernel)))
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({asked, work}, return_when=asyncio.FIRST_COMPLETED)
    for task in (asked, work):
        task.cancel()
    await asyncio.gather(asked, work, return_exceptions=True)


def status(shelf: Shelf, now: datetime) -> list[str]:
    """Print what there is; what is wrong with it."""
    labels = shelf.labels()
    rows = [
        (one.name, told(one.ended), ago((now - one.ended).total_seconds()), f"{one.bytes / 1e6:.1f} MB")
        for one in labels
    ]
    click.echo(table(("BASE", "ENDED", "AGE", "SIZE"), rows))
    segments = shelf.segments()
    click.echo(f"\n{len(segments)} whole segments of WAL" + (f", {segments[0]} to {segments[-1]}" if segments else ""))
    wrong = []
    if not labels or now - labels[-1].ended > OLD:
        wrong.append(f"no base backup within {OLD.total_seconds() / 3600:.0f} hours")
    if labels and (missing := shelf.gaps(labels[0].first_segment, labels[-1].first_segment)):
        wrong.append(f"WAL is missing: {', '.join(missing[:5])}")
    if not segments and not any(shelf.spool.glob("*.partial")):
        wrong.append("no WAL has come: does `vurksha backup stream` run?")
    return wrong


def backup_command(on_kernel: OnKernel, load: Load) -> click.Group:
    """`vurksha backup take|stream|status|verify|prune`."""

    @click.group("backup", epilog="Example: vurksha backup take")
    def backup() -> None:
        """Backups of a PostgreSQL of our own: encrypted, to any moment. A managed one keeps its own."""

    @backup.command("take", epilog="Example: vurksha backup take")
    def take_() -> None:
        """Write a base backup of the whole server. Daily."""
        on_kernel(take)

    @backup.command("stream", epilog="Example: vurksha backup stream")
    def stream_() -> None:
        """Receive WAL as it is written, and copies of the ledger of erasures, until told to stop."""
        on_kernel(stream)

    _offline(backup, load)
    return backup


def _offline(backup: click.Group, load: Load) -> None:
    """What needs no database."""

    @backup.command("status", epilog="Example: vurksha backup status")
    def status_() -> None:
        """Show what there is. Exits with 1 when that is too old, or WAL is missing."""
        if wrong := status(shelf_of(load().backup), datetime.now(UTC)):
            raise BackupError("; ".join(wrong))

    @backup.command("verify", epilog="Example: vurksha backup verify --identity backup.key")
    @click.option("--identity", type=FILE, required=True, help="File with the private key.")
    def verify_(identity: Path) -> None:
        """Decrypt the newest base backup into a temporary folder and have every file's checksum compared."""
        shelf = shelf_of(load().backup)
        label = shelf.newest_before(None)
        with TemporaryDirectory(prefix="vurksha-verify-") as folder:
            unpack(shelf, label, identity, Path(folder) / "data")
        click.echo(f"{label.name} is whole")

    @backup.command("prune", epilog="Example: vurksha backup prune")
    def prune_() -> None:
        """Delete what is older than backup.keep_days, but the newest base backup."""
        settings = load().backup
        bases, wal = shelf_of(settings).prune(timedelta(days=settings.keep_days), datetime.now(UTC))
        click.echo(f"{bases} base backups and {wal} segments of WAL deleted")


def restore_command(load: Load) -> click.Command:
    """`vurksha restore`."""

    @click.command(
        "restore", epilog="Example: vurksha restore --at 2026-01-31T12:00:00Z --identity backup.key --to /srv/pg"
    )
    @click.option(
        "--to", "target", type=FOLDER, required=True, help="PostgreSQL's new data folder: empty, or not there."
    )
    @click.option("--identity", type=FILE, required=True, help="File with the private key.")
    @click.option("--at", "text", help="The moment to go back to: 2026-01-31T12:00:00Z, or 5m ago. Else all there is.")
    @click.option("--from", "folder", type=FOLDER, help="The folder of backups, instead of backup.folder.")
    def restore(target: Path, identity: Path, text: str | None, folder: Path | None) -> None:
        """Lay backups down as a data folder that PostgreSQL brings to a moment when it starts.

        Nobody may be served from it before `vurksha privacy reapply`: it would bring erased people back.
        """
        shelf = Shelf(folder) if folder else shelf_of(load().backup)
        label = restored(shelf, identity, target.absolute(), None if text is None else at_moment(text))
        click.echo(
            f"{target} holds {label.name} and the WAL since. Next:\n"
            f"  1. start PostgreSQL {label.major} on it: it replays and then takes writes\n"
            f"  2. vurksha privacy reapply {shelf.ledger}\n"
            f"  3. vurksha outbox replay --since {told(label.ended)} --consumer NAME --yes, for each consumer\n"
            f"  4. vurksha serve, on an empty Redis and an empty RabbitMQ\n"
            f"  5. vurksha backup take"
        )

    return restore


def at_moment(text: str) -> datetime:
    """Raises BackupError."""
    try:
        return parse_since(text)
    except (ValueError, OverflowError):
        raise BackupError(f"{text!r} is no time: 2026-01-31T12:00:00Z, or 90s, 15m, 2h, 7d ago") from None


def restored(shelf: Shelf, identity: Path, target: Path, at: datetime | None) -> Label:
    """Lay it down; from which base backup. Raises BackupError."""
    label, wal, account = shelf.newest_before(at), target.with_name(f"{target.name}.wal"), service_account(None)
    unpack(shelf, label, identity, target)
    lay_wal(shelf, label, identity, wal)
    aim(target, wal, at)
    give(account, target, wal)
    return label
