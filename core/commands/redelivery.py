"""Delivering published events to one consumer once more, from a cursor or a time on (RELIABILITY 4.7)."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs
import click

from core import audit
from core.commands.batches import in_batches
from core.commands.outbox_rows import OutboxDesk, Redelivered
from core.commands.selecting import Chosen

if TYPE_CHECKING:
    from core.app import App

KEPT = timedelta(days=7)
"""RELIABILITY 4.6."""
PREVIEWED = 5_000
"""Rows of one look."""


class Redelivery:
    """One run: a look at what there is, then batches, each an audited transaction."""

    def __init__(self, app: "App", consumer: str, chosen: Chosen, *, again: bool) -> None:
        """Raises ClickException for a consumer that this code does not have."""
        subscriptions = app.plugins.declared("subscriptions")
        self._types = sorted(one.event.event_type for one in subscriptions if one.consumer == consumer)
        if not self._types:
            known = ", ".join(sorted({one.consumer for one in subscriptions}))
            raise click.ClickException(f"there is no consumer {consumer}: {known}")
        self._db, self._desk = app.db, OutboxDesk(app.db)
        self._consumer, self._chosen, self._again = consumer, chosen, again
        self._cursor = chosen.after or 0

    async def run(self, rate: int | None, *, yes: bool) -> None:
        """Look, tell, and with `yes` deliver."""
        stats = await self._desk.stats()
        until = stats["last"] or 0
        self._warn_of_gap(stats["first"])
        seen = await self._look(until)
        click.echo(
            f"{self._consumer} hears {len(self._types)} event types; {seen.found} such events were published:\n"
            f"  {seen.new:8} it was never given\n  {seen.again:8} it has dealt with\n"
            f"  {seen.found - seen.new - seen.again:8} wait for it already"
        )
        if self._again and seen.again:
            _warn(f"--again: {seen.again} of these take effect a second time; what was sent is sent once more")
        total = seen.new + (seen.again if self._again else 0)
        if not yes:
            click.echo(f"{total} would be delivered. Nothing was done: add --yes")
            return
        delivered = await self._deliver(until, seen.found, rate)
        click.echo(f"{delivered} delivered; the next cursor is {until}")

    def _warn_of_gap(self, first: int | None) -> None:
        moment, after = self._chosen.moment, self._chosen.after
        too_old = moment is not None and moment < datetime.now(UTC) - KEPT
        if too_old or (after is not None and first is not None and after + 1 < first):
            _warn(f"published events are kept for 7 days; the oldest has number {first}")

    async def _look(self, until: int) -> Redelivered:
        sum_of, cursor = Redelivered(cursor=0, found=0, new=0, again=0), self._cursor
        while True:
            part = await self._desk.preview(
                attrs.evolve(self._chosen, after=cursor), PREVIEWED, until=until,
                consumer=self._consumer, types=self._types,
            )  # fmt: skip
            if part is None:
                return sum_of
            cursor = part.cursor
            sum_of = Redelivered(
                cursor=cursor,
                found=sum_of.found + part.found,
                new=sum_of.new + part.new,
                again=sum_of.again + part.again,
            )

    async def _deliver(self, until: int, total: int, rate: int | None) -> int:
        delivered = 0

        async def step(limit: int) -> int:
            nonlocal delivered
            async with self._db.transaction() as tx:
                part = await self._desk.redeliver(
                    tx, attrs.evolve(self._chosen, after=self._cursor), limit, until=until,
                    consumer=self._consumer, types=self._types, again=self._again,
                )  # fmt: skip
                if part is None:
                    return 0
                count = part.new + part.again
                if count:
                    details = {"count": count, "after": self._cursor, "until": part.cursor, "again": part.again}
                    await audit.record(
                        tx, actor=audit.operator(), action="outbox.redeliver", subject=f"consumer:{self._consumer}",
                        details=details,
                    )  # fmt: skip
            self._cursor, delivered = part.cursor, delivered + count
            return part.found

        await in_batches("delivering", total, rate, step, lambda: f"Go on with --since {self._cursor}")
        return delivered


def _warn(text: str) -> None:
    click.secho(f"WARNING: {text}", fg="yellow", err=True)
