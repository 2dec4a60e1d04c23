"""`vurksha migrate` and `vurksha replicas`: what a rollout needs to know and do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import orjson

from core.agreement import Code, unaware
from core.commands.shared import OnKernel, table
from core.isolation.migrations import surviving
from core.kernel import Kernel
from core.presence_rows import LIVE, living
from core.store import migrate
from core.store.contracting import only_expands
from core.store.db import Row
from core.store.schema import Migration, MigrationError

if TYPE_CHECKING:
    from core.app import App

# A small table, whole.
LIST = """
SELECT id, host, pid, code, ready, reasons, up, started_at, extract(epoch FROM clock_timestamp() - seen_at) AS age,
    seen_at > clock_timestamp() - $1::text::interval AS live
FROM kernel.replicas ORDER BY started_at, id
"""
TITLES = ("REPLICA", "PID", "RELEASE", "STATE", "STARTED", "SEEN", "REACHES", "WHY")


async def migrated(app: "App", *, only_plan: bool, post: bool, force: bool, expand: bool) -> None:
    """Apply what is due and tell it, or only tell. Raises MigrationError."""
    direct = app.settings.postgres.direct_url
    dsn = direct.reveal() if direct is not None else app.db.pool.dsn
    if only_plan:
        planned = await migrate.plan(dsn, app.migrations, post=post)
        if expand:
            only_expands(planned)
        for file in planned:
            click.echo(f"would apply {file} ({file.phase}, {file.mode})")
    else:
        guard, failed = _guard(force=force, expand=expand), surviving(app.kernel.guards)
        for file in await migrate.apply(dsn, app.migrations, post=post, guard=guard, failed=failed):
            click.echo(f"applied {file}")
    later = await migrate.plan(dsn, app.migrations, post=True)
    if later and not only_plan:
        click.echo(f"later, when nothing older runs: {', '.join(map(str, later))} (vurksha migrate --post)")
    click.echo("this was a plan: nothing was applied" if only_plan else "the schema is up to date")


def _guard(*, force: bool, expand: bool) -> migrate.Guard:
    async def look(connection: Any, files: Sequence[Migration]) -> None:
        if expand:
            only_expands(files)
        if not force:
            await _nobody_unaware(connection, files)

    return look


async def _nobody_unaware(connection: Any, files: Sequence[Migration]) -> None:
    """Nothing is taken away from code that still runs."""
    if why := unaware(await living(connection), files):
        raise MigrationError(f"{why}; stop it first, or --force")


def replicas_command(on_kernel: OnKernel) -> click.Command:
    """`vurksha replicas`."""

    @click.command("replicas", epilog="Example: vurksha replicas")
    def replicas() -> None:
        """Show who serves, what they run and why some do not."""

        async def work(kernel: Kernel) -> None:
            rows = await kernel.db.fetch(LIST, LIVE)
            click.echo(table(TITLES, map(_line, rows)) if rows else "nobody serves")

        on_kernel(work)

    return replicas


def _line(row: Row) -> tuple[object, ...]:
    code = Code.read(orjson.loads(row["code"]))
    state = "gone" if not row["live"] else "ready" if row["ready"] else "unready"
    return (
        row["host"], row["pid"], f"{code.name} {code.digest}", state, row["started_at"], f"{row['age']:.0f}s",
        ", ".join(row["up"]), "; ".join(row["reasons"]),
    )  # fmt: skip
