"""Sessions: clients refresh, lose answers, ask twice and log out; thieves try what they stole (RELIABILITY 4.4).

Promises: one successor per token, a lost answer can be had again for 120 s, reuse ends the family, an
outage ends nothing and is never a 401, an end is known everywhere within two seconds.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import attrs

from core.auth import Principal, Role, TokenIssuer
from core.context import deadline
from core.errors import SESSION_EXPIRED, TOKEN_INVALID, UNAVAILABLE, Problem
from core.settings import Secret
from core.store.db import Db
from core.tasks import Tasks
from core.types import SessionId, UserId, uuid7
from plugins.user import queries
from plugins.user.queries import SessionRows
from plugins.user.sessions import Sessions
from plugins.user.settings import UserSettings
from plugins.user.tokens import RefreshToken, new_salt
from tests.simulation.faults import Faults
from tests.simulation.postgres import Meaning, Tables
from tests.simulation.replicas import Replica
from tests.simulation.scenarios.book import KNOWN, Book
from tests.simulation.storage import Outcome, Txn
from tests.simulation.world import World

GRACES = (15, 15, 15, 120)
"""Seconds: the real one costs eight times the virtual time, so it gets a quarter of the seeds."""
BEYOND = 25.0
"""Seconds that a run goes on beyond the grace."""
ANSWER = 1.0
"""Seconds that a refresh may take, and what a busy process may add."""
STILL_OPEN = "whether the session that was asked about is still open"


def still_open(txn: Txn, tables: Tables, session_id: UUID) -> Outcome:
    row = tables["sessions"].records[session_id].committed
    return Outcome(count=int(row is not None and row["ended_at"] is None))


class Issuer:
    """Access tokens are not what this is about."""

    lifetime = 900

    def issue(self, user_id: UUID, session_id: UUID, role: str) -> str:
        return "access"


@attrs.define(eq=False)
class Client:
    """A phone with a session: the token it holds, and what it did with it."""

    session: UUID
    user: UUID
    device: str | None
    token: RefreshToken


class House(Book):
    """The scenario: replicas, clients, and the book that is kept of them."""

    def __init__(self, world: World) -> None:
        rng = world.rng
        super().__init__(world, rng.choice(GRACES))
        self.length = self.grace + BEYOND
        self.replicas = [Replica(world, f"replica {n}", self.replica) for n in range(rng.choice((1, 2, 3)))]
        self.clients: list[Client] = []
        self.old: dict[UUID, list[RefreshToken]] = {}
        """Tokens that a thief may have, by session: all but the newest two."""
        self._lost, self._twins, self._thieves = (
            rng.choice(each) for each in ((0, 0.1, 0.4), (0, 0.3), (0, 0.05, 0.15))
        )
        self._pauses = [self.grace * share for share in rng.choice(((0.01, 0.05), (0.2, 0.8), (0.01, 0.5, 0.8, 0.99)))]
        self._late = rng.choice((0.0, 0.0, 0.1))

    # -- what the service is made of

    async def replica(self, replica: Replica, db: Db, tasks: Tasks) -> None:
        """Sessions, and the feed that tells of ended ones."""
        settings = UserSettings(code_pepper=Secret("p" * 32), refresh_grace=self.grace)
        service = Sessions(db, SessionRows(), settings, cast("TokenIssuer", Issuer()))
        self.services[replica.name] = service
        tasks.forever("revocations", service.feed.run)
        await asyncio.get_running_loop().create_future()

    def sign_in(self, user: UUID) -> Client:
        """A session as a sign-in leaves it."""
        server, now = self.world.server, self.world.server.clock()
        device = self.world.rng.choice((None, "phone"))
        client = Client(UUID(bytes=uuid7().bytes), user, device, RefreshToken(os.urandom(32)))
        accounts = {"id": user, "role": "CUSTOMER", "is_active": True}
        session = {"id": client.session, "user_id": user, "generation": 0, "salt": new_salt(), "device_id": device}
        session |= {"rotated_at": now, "expires_at": now + timedelta(days=90), "ended_at": None, "end_reason": None}
        token = {"hash": client.token.hash, "session_id": client.session, "generation": 0, "issued_at": now}
        server.put("accounts", user, accounts)
        server.put("sessions", client.session, session)
        server.put("refresh_tokens", client.token.hash, token)
        self.clients.append(client)
        self.old[client.session] = []
        return client

    # -- what clients do

    async def live(self, client: Client) -> None:
        """Refresh now and then, until logged out, thrown out or the end."""
        rng, world = self.world.rng, self.world
        while world.now < self.length:
            await asyncio.sleep(rng.expovariate(10 / self.grace))
            if rng.random() < 0.04:
                await self._logout(client)
            elif rng.random() < self._thieves and self.old[client.session]:
                await self._steal(client)
            elif rng.random() < 0.1:
                await self._write(client)
            elif not await self._renew(client):
                return

    async def _renew(self, client: Client) -> bool:
        """Refresh, with as many tries as it takes; False when the session is over."""
        rng, token = self.world.rng, client.token
        if rng.random() < self._late:
            self.old[client.session].append(token)
        while self.world.now < self.length:
            twins = [self._ask(client, token, client.device) for _ in range(2 if rng.random() < self._twins else 1)]
            answers = await asyncio.gather(*twins)
            if any(isinstance(answer, Problem) for answer in answers):
                return False
            told = [answer for answer in answers if isinstance(answer, str)]
            if told:
                client.token = cast("RefreshToken", RefreshToken.read(told[0]))
                if len(self.old[client.session]) < 5 and token not in self.old[client.session]:
                    self.old[client.session].append(token)
                return True
            await asyncio.sleep(rng.choice(self._pauses))
        return True

    async def _ask(self, client: Client, token: RefreshToken, device: str | None) -> "str | Problem | None":
        """One request to some replica: the successor, the 401, or None when there was no answer or a 503."""
        honest = device == client.device and token is client.token
        answer = await self.request(lambda service: self._refresh(service, token, device), 5.0)
        if isinstance(answer, Problem) and answer.code is not TOKEN_INVALID:
            self.world.check(answer.code is UNAVAILABLE, f"a refresh is answered by 401 or 503, not {answer.code.name}")
            return None
        if isinstance(answer, str):
            self.succeeded(token, answer)
        elif answer is not None:
            self.refused(client.session, honest=honest)
        return answer

    async def _refresh(self, service: Sessions, token: RefreshToken, device: str | None) -> str:
        began = self.world.now
        deadline.set(time.monotonic() + ANSWER)
        try:
            return (await service.refresh(token.text, device)).refresh_token
        finally:
            took = self.world.now - began
            if not self._stopped():
                self.world.check(took <= ANSWER + 0.5, f"a refresh is answered within a second, not {took:.2f} s")

    def _stopped(self) -> bool:
        """Whether processes are stopped in this run: then their own time says nothing."""
        return any(what.endswith("stopped") for what in self.world.seen)

    async def request(self, work: Callable[[Sessions], Awaitable[Any]], patience: float) -> Any:
        """HTTP: run it in a replica. The result, the Problem, or None without an answer."""
        world, rng = self.world, self.world.rng
        replica = rng.choice(self.replicas)
        service = self.services.get(replica.name)
        if service is None or not replica.process.alive:
            return None
        answered: asyncio.Future[Any] = world.loop.create_future()

        async def serve() -> None:
            try:
                result = await work(service)
            except Problem as problem:
                result = problem
            if rng.random() >= self._lost and not answered.done():
                answered.set_result(result)

        world.spawn(replica.process, serve(), "request")
        try:
            async with asyncio.timeout(patience):
                return await answered
        except TimeoutError:
            world.count("no answer")
            return None

    async def _logout(self, client: Client) -> None:
        """Of this session, or of all that the user has."""
        everywhere = self.world.chance(0.3)
        if self.world.chance(0.5):
            self.world.spawn(self.world.loop.world, self._write(client), "write")
            await asyncio.sleep(self.world.rng.uniform(0, 0.3))
        mine = Principal(UserId(client.user), SessionId(client.session), Role.CUSTOMER)
        ending = [each for each in self.clients if each.user == client.user] if everywhere else [client]
        for each in ending:
            self.provoked.add(each.session)
        await self.request(lambda s: s.logout(mine, None, all_devices=everywhere), 5.0)

    async def _steal(self, client: Client) -> None:
        """A thief presents an old token, or the newest one from another device."""
        self.world.count("theft")
        if client.device is not None and self.world.chance(0.3):
            self.provoked.add(client.session)
            answer = await self._ask(client, client.token, "another phone")
            self.world.check(not isinstance(answer, str), "another device gets nothing")
        else:
            await self._ask(client, self.world.rng.choice(self.old[client.session]), client.device)

    async def _write(self, client: Client) -> None:
        """A write that asks for the session in its transaction, and takes its time."""
        mine = Principal(UserId(client.user), SessionId(client.session), Role.CUSTOMER)
        world = self.world

        async def work(service: Sessions) -> None:
            async with service._db.transaction() as tx:
                await service.require(tx, mine)
                await asyncio.sleep(world.rng.uniform(0, 0.5))
                world.check(await tx.execute(STILL_OPEN, client.session), "a session does not end under a write")

        answer = await self.request(work, 5.0)
        if isinstance(answer, Problem):
            expected = answer.code is UNAVAILABLE or (answer.code is SESSION_EXPIRED and self.ended(client.session))
            world.check(expected, f"a write is refused for an ended session only, not {answer.code.name}")


async def sessions(world: World) -> None:
    """A few people with a few phones each."""
    house = House(world)
    world.server.meanings[queries.PRESENTED] = house.presented
    world.server.on_commit.append(house.look)
    faults = Faults(world, house.grace)
    faults.database()
    for replica in house.replicas:
        faults.replica(lambda r=replica: r.process, replica.start)  # type: ignore[misc]  # of this turn
        replica.start()
    users = [uuid7() for _ in range(world.rng.choice((1, 3)))]
    clients = [house.sign_in(world.rng.choice(users)) for _ in range(world.rng.choice((2, 5)))]
    for client in clients:
        world.spawn(world.loop.world, house.live(client), "client")
    world.spawn(world.loop.world, house.watch_feeds(), "feeds")
    await faults.over()
    await asyncio.sleep(house.length - world.now + KNOWN)
    house.feeds(KNOWN + 1)


MEANINGS: dict[str, Meaning] = {STILL_OPEN: still_open}
