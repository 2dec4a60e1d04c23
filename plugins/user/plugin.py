"""Wires the user domain into the kernel."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import click

from core.auth import SESSIONS
from core.errors import Problem
from core.hookspecs import hookimpl
from core.http.routing import Route
from core.jobs import Job
from core.kernel import Kernel, Manifest
from core.observe.counts import Count
from core.privacy.model import PEOPLE, PersonalData
from core.services import Provided
from core.session_book import SESSION_BOOK
from core.tasks import SILENCE
from plugins.user.address_queries import AddressRows
from plugins.user.address_routes import AddressRoutes
from plugins.user.addresses import AddressBook
from plugins.user.code_queries import Codes
from plugins.user.codes import CodeBook
from plugins.user.commands import admin_command, otp_command
from plugins.user.counts import Counts
from plugins.user.courier import Courier
from plugins.user.personal import PersonalAccounts
from plugins.user.personal_routes import PersonalRoutes
from plugins.user.ports import ADDRESSES, CODE_SENDER, USERS
from plugins.user.queries import Accounts, SessionRows
from plugins.user.routes import AuthRoutes, ProfileRoutes
from plugins.user.service import UserService
from plugins.user.sessions import Sessions
from plugins.user.settings import UserSettings
from plugins.user.signin import SignIn
from plugins.user.upkeep import Upkeep

STOP_BUDGET = 5.0
"""Seconds for a code that is being handed over."""


class UserPlugin:
    """Accounts, sign-in, sessions, addresses."""

    manifest = Manifest(
        name="user",
        version="1.0.0",
        schema="users",
        owner="accounts team",
        required=True,
        paths=("auth", "users", "addresses"),
        settings=UserSettings,
    )

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """Build the services."""
        settings, db = kernel.section(UserSettings), kernel.db
        book, codes, rows = CodeBook(settings.code_pepper.reveal()), Codes(db), AddressRows()
        self._kernel, self._counts = kernel, Counts()
        self._courier = Courier(codes, book, settings.code_attempts, self._counts)
        self._sessions = Sessions(db, SessionRows(), settings, kernel.tokens)
        self._users = UserService(db, Accounts(), self._sessions)
        self._signin = SignIn(codes, book, settings, kernel.tokens, self._courier.poke, self._counts)
        self._addresses = AddressBook(db, rows, most=settings.max_addresses)
        self._upkeep = Upkeep(db, codes, settings)
        self._personal = PersonalAccounts(db, Accounts(), self._sessions)
        return (
            Provided(SESSIONS, self._sessions),
            Provided(SESSION_BOOK, self._sessions),
            Provided(USERS, self._users),
            Provided(ADDRESSES, rows),
            Provided(PEOPLE, self._personal),
        )

    @hookimpl
    def routes(self) -> Sequence[Route]:
        """Routes 1 to 17 of the contract, and copies of one's data."""
        return (
            *AuthRoutes(self._signin, self._sessions).table(),
            *ProfileRoutes(self._users).table(),
            *AddressRoutes(self._addresses).table(),
            *PersonalRoutes(self._personal).table(),
        )

    @hookimpl
    def migrations(self) -> Path:
        """The schema `users`."""
        return Path(__file__).parent / "migrations"

    @hookimpl
    def jobs(self) -> Sequence[Job]:
        """The guard on codes, and the broom."""
        return (
            Job(name="user.watch_codes", every=15, run=self._upkeep.watch, single=True),
            Job(name="user.clean", every=600, run=self._upkeep.clean, single=True),
        )

    @hookimpl
    def metrics(self) -> Sequence[Count]:
        """See counts.py."""
        return self._counts.all()

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """The feed of ended sessions and the courier of codes."""
        return self._serving()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        sender, tasks = self._kernel.services.get(CODE_SENDER), self._kernel.tasks
        with suppress(Problem):  # the feed goes on trying; until then nobody's token is believed
            await self._sessions.feed.read()
        tasks.forever("user.revocations", self._sessions.feed.run, silence=SILENCE)
        tasks.forever("user.codes", partial(self._courier.run, sender), silence=SILENCE)
        try:
            yield
        finally:
            await tasks.stop(STOP_BUDGET)

    @hookimpl
    def personal_data(self) -> PersonalData:
        """Accounts and what hangs on them."""
        return self._personal.declared()

    @hookimpl
    def commands(self) -> Sequence[click.Command]:
        """`vurksha otp` and `vurksha admin`."""
        return (otp_command(self._kernel), admin_command(self._kernel, self._users))


plugin = UserPlugin
