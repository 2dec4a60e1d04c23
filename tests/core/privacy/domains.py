"""Domains that hold a table of numbered rows, and fail, wait or hang as they are told."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import attrs

from core.isolation.guards import Guards
from core.kernel import Manifest
from core.privacy.model import Fate, Holding, PersonalData, Step, Subject
from core.privacy.work import Privacy
from core.settings import IsolationSettings
from core.store.db import Db, Tx
from core.store.pool import Pool
from core.types import UserId

TABLE = """
CREATE SCHEMA IF NOT EXISTS forget;
CREATE TABLE IF NOT EXISTS forget.rows (
    domain text NOT NULL, user_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)
"""
FILL = "INSERT INTO forget.rows (domain, user_id) SELECT $1, $2 FROM generate_series(1, $3) RETURNING id"
COUNT = "SELECT count(*) FROM forget.rows WHERE domain = $1 AND user_id = $2"
DELETE = """
DELETE FROM forget.rows WHERE id = ANY(ARRAY(
    SELECT id FROM forget.rows WHERE domain = $1 AND user_id = $2 ORDER BY id LIMIT $3))
"""
BATCH = 10


class Fault(Exception):
    """A domain that was told to fail."""


@attrs.define
class Domain:
    """One of them."""

    name: str
    faults: int = 0
    """Calls that fail before one succeeds."""
    waits: bool = False
    hangs: bool = False
    """After its first batch, for ever."""
    broken: bool = False
    """Fails before it begins."""
    endless: bool = False
    """It always wants to be asked again."""
    asked: list[UUID] = attrs.field(factory=list)
    steps: int = 0

    async def elsewhere(self, user_id: UserId) -> None:
        """Remember who was asked for."""
        self.asked.append(user_id)
        if self.broken:
            raise Fault

    async def export(self, tx: Tx, user_id: UserId) -> dict[str, str]:
        """How many rows."""
        if self.broken:
            raise Fault
        return {"rows": str(await tx.fetchval(COUNT, self.name, user_id))}

    async def erase(self, tx: Tx, subject: Subject) -> Step:
        """Ten rows at a time."""
        self.steps += 1
        if self.hangs and self.steps > 1:
            sys.stdout.write("half\n")
            sys.stdout.flush()
            await asyncio.sleep(3600)
        if self.waits and not subject.final:
            return Step.LATER
        deleted = await tx.execute(DELETE, self.name, subject.user_id, BATCH)
        if self.faults:
            self.faults -= 1
            raise Fault
        return Step.MORE if deleted == BATCH or self.endless else Step.DONE

    def declared(self) -> PersonalData:
        """As the hook returns it."""
        return PersonalData(
            holdings=[Holding("forget.rows", Fate.DELETED)],
            export=self.export,
            erase=self.erase,
            elsewhere=self.elsewhere,
            payloads={"parcel.arrived": ("note",), "parcel.lost": ("note", "about")},
        )


class Loaded:
    """Stands in for the plugins, in the order in which they need each other."""

    def __init__(self, domains: Sequence[Domain], subscriptions: Sequence[Any] = ()) -> None:
        self._domains, self._subscriptions = domains, subscriptions
        self.left_out: dict[str, str] = {}

    def ask(self, hook: str) -> Iterator[tuple[Manifest, PersonalData]]:
        """What each declares."""
        assert hook == "personal_data"
        for one in self._domains:
            yield Manifest(name=one.name, version="1", schema="forget"), one.declared()

    def declared(self, hook: str) -> list[Any]:
        """Subscriptions."""
        assert hook == "subscriptions"
        return list(self._subscriptions)


def privacy(db: Db, *domains: Domain, subscriptions: Sequence[Any] = (), guards: Guards | None = None) -> Privacy:
    """The workers of one replica."""
    loaded: Any = Loaded(domains, subscriptions)  # of plugins it asks no more
    return Privacy(db, loaded, guards or Guards(IsolationSettings()))


async def fill(db: Db, user_id: UUID, **rows: int) -> None:
    """Give domains rows of a user's."""
    for name, count in rows.items():
        await db.fetch(FILL, name, user_id, count)


async def left(db: Db, user_id: UUID, *names: str) -> list[int]:
    """How many rows the domains have."""
    return [await db.fetchval(COUNT, name, user_id) for name in names]


async def hang(dsn: str) -> None:
    """Work on an erasure until the second domain has done its first batch, then hang. Run in a process of its own."""
    pool = Pool(dsn, size=2, warm=1, connect=2, server={})
    await pool.open()
    await privacy(Db(pool), Domain("base"), Domain("middle", hangs=True), Domain("top")).erase_one()


if __name__ == "__main__":
    asyncio.run(hang(os.environ["TEST_DSN"]))
