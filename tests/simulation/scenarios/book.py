"""What the sessions scenario knows of every session, and what must be true of it."""

import asyncio
from typing import Any, cast
from uuid import UUID

from core.errors import Problem
from plugins.user.sessions import Sessions
from plugins.user.tokens import RefreshToken
from tests.simulation.meanings.sessions import presented
from tests.simulation.postgres import Tables
from tests.simulation.replicas import Replica
from tests.simulation.storage import Statement, Txn, Values
from tests.simulation.world import World

KNOWN = 2.0
"""Seconds in which an end is known everywhere."""
STALE = 60.0
"""Seconds after which a replica must say that it does not know."""


class Book:
    """Kept beside the service, from what the database and the clients see."""

    def __init__(self, world: World, grace: int) -> None:
        self.world, self.grace = world, grace
        self.services: dict[str, Sessions] = {}
        self.replicas: list[Replica] = []
        self.provoked: set[UUID] = set()
        """Sessions of which a token was shown that should end them."""
        self.successors: dict[str, str] = {}

    def presented(self, txn: Txn, tables: Tables, token_hash: bytes, *more: Any) -> Statement:
        """The statement itself, and a look at what was shown, under the session's lock."""
        outcome = yield from presented(txn, tables, token_hash, *more)
        for row in outcome.rows:
            age = (txn.clock_timestamp() - self.row(row["id"], txn)["rotated_at"]).total_seconds()
            behind = row["current"] - row["generation"]
            if row["open"] and (behind > 1 or (behind == 1 and age >= self.grace)):
                self.world.note("reuse", f"{behind} generations and {age:.0f} s behind")
                self.provoked.add(row["id"])
            elif behind == 1:
                self.world.count("asked again")
        return outcome

    def row(self, session: UUID, txn: Txn) -> Values:
        """A session as a transaction sees it."""
        return cast("Values", txn.see(self.world.server.tables["sessions"].records[session]))

    def ended(self, session: UUID) -> bool:
        """Whether it is over, as committed."""
        row = self.world.server.tables["sessions"].records[session].committed
        return row is not None and row["ended_at"] is not None

    def succeeded(self, token: RefreshToken, answer: str) -> None:
        """A refresh was answered."""
        self.world.count("refreshed")
        same = self.successors.setdefault(token.text, answer)
        self.world.check(same == answer, "a token has one successor")

    def refused(self, session: UUID, *, honest: bool) -> None:
        """A refresh was answered by a 401."""
        self.world.count("refused")
        known = session in self.provoked
        self.world.check(known or not honest, "an honest client is not refused: a lost answer can be had again")
        self.world.check(self.ended(session), "whoever is refused has no session any more: reuse ends it")

    def look(self) -> None:
        """At every commit."""
        tables = self.world.server.tables
        current: dict[tuple[UUID, int], bytes] = {}
        for token in tables["refresh_tokens"].rows():
            place = token["session_id"], token["generation"]
            self.world.check(current.setdefault(place, token["hash"]) == token["hash"], "a generation has one token")
        for session in tables["sessions"].rows():
            if session["ended_at"] is not None:
                self.world.check(session["id"] in self.provoked, "an outage ends no session")

    async def watch_feeds(self) -> None:
        """No replica believes in a session that ended long ago."""
        while True:
            await asyncio.sleep(5)
            self.feeds(KNOWN + STALE + 3)

    def feeds(self, known: float) -> None:
        """What each replica says of sessions that ended more than `known` seconds ago."""
        now = self.world.server.clock()
        for replica in self.replicas:
            service = self.services.get(replica.name)
            if service is None or not replica.process.alive or replica.process.paused:
                continue
            for session in self.world.server.tables["sessions"].rows():
                if session["ended_at"] is not None and (now - session["ended_at"]).total_seconds() > known:
                    self.world.check(self._says(service, session["id"]), f"{replica.name} knows of an end")

    @staticmethod
    def _says(service: Sessions, session: UUID) -> bool:
        try:
            return service.revoked(session)
        except Problem:
            return True  # it says that it does not know
