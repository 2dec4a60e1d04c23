"""Opening the console of a replica: by the operators' token, from this machine, for one person, with a reason.

Who, why, when opened and when closed is audited. Nothing listens before, and nothing that is reached over a network:
the console is a socket in a folder that only the replica's account may enter, for whoever shows the answer's key.
"""

import asyncio
import logging
import os
import re
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import orjson
from aiohttp import web

from core.audit import Acting
from core.console.ledger import Ledger
from core.tasks import Tasks
from core.types import utc_now

if TYPE_CHECKING:
    from core.app import App
    from core.console.monitor import ConsoleMonitor

PATH = "/console"
LIFE = timedelta(minutes=15)
"""RELIABILITY 4.13."""
CLOSING = 3.0
"""Seconds to close, once the replica ends."""
WHO = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,253}")
SHORTEST, LONGEST = 4, 200
"""Characters of a reason."""
ENDS = "the replica ends"
log = logging.getLogger("core.console")


@attrs.frozen(kw_only=True)
class _Place:
    """Where the terminal comes in."""

    folder: Path
    listening: socket.socket
    key: str

    @classmethod
    def made(cls) -> "_Place":
        """A socket in a folder of its own. Raises OSError where none can be made."""
        folder = Path(tempfile.mkdtemp(prefix="vurksha-console-"))  # mode 0700
        listening = socket.socket(socket.AF_UNIX)
        try:
            path = folder / "socket"
            listening.bind(str(path))
            path.chmod(0o600)
            listening.listen(2)
            listening.setblocking(False)
        except OSError:
            listening.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(folder=folder, listening=listening, key=secrets.token_urlsafe(32))

    def gone(self) -> None:
        """Take it away."""
        self.listening.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@attrs.define(kw_only=True)
class Visit:
    """A console while it is open."""

    by: Acting
    since: datetime
    monitor: "ConsoleMonitor | None" = None
    place: _Place | None = None
    undo: list[tuple[logging.Logger, int]] = attrs.field(factory=list)
    """Log levels as they were before they were changed, newest last."""


class Console:
    """One replica's. It is closed until somebody asks."""

    def __init__(self, app: "App", life: timedelta = LIFE) -> None:
        self.app, self.ledger, self.life = app, Ledger(app.db), life
        self.visit: Visit | None = None
        self._closed = asyncio.Event()
        self._closed.set()
        self._tasks = Tasks()
        app.operations.add("POST", PATH, self._asked)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Allow a console to be opened while the block runs."""
        self._tasks.forever("console ledger", self.ledger.follow)
        try:
            yield
        finally:
            try:
                await self._dismissed()
            finally:
                await self._tasks.stop(1.0)

    @asynccontextmanager
    async def leaving(self) -> AsyncIterator[None]:
        """Close one that is open at the end of the block, while the audit log can still be told."""
        try:
            yield
        finally:
            await self._dismissed()

    async def _dismissed(self) -> None:
        if self.visit is not None and self.visit.monitor is not None:
            self.visit.monitor.end(ENDS)
            async with asyncio.timeout(CLOSING):
                await self._closed.wait()

    async def _asked(self, request: web.Request) -> web.Response:
        if request.transport is None or not _here(request.transport):
            return _refused(403, "A console is opened on the replica's own machine.")
        if isinstance(by := _acting(await request.read()), str):
            return _refused(400, by)
        if self.visit is not None:
            return _refused(409, f"{self.visit.by.actor} has the console since {self.visit.since:%H:%M:%S} UTC, for: "
                                 f"{self.visit.by.reason}. It closes by itself.")  # fmt: skip
        self.visit = visit = Visit(by=by, since=utc_now())
        self._closed.clear()
        try:
            place = await asyncio.to_thread(self._opened, visit, asyncio.get_running_loop())
        except OSError as error:
            where = f"No socket can be made in {tempfile.gettempdir()}: {error.strerror}. TMPDIR names another folder."
            return _refused(503, where)
        audited = await self.ledger.note("console.open", self.subject, by, minutes=self.life.total_seconds() / 60)
        said = {"socket": str(place.folder / "socket"), "key": place.key, "until": visit.since + self.life}
        return web.json_response(body=orjson.dumps({**said, "audited": audited}))

    def _opened(self, visit: Visit, loop: asyncio.AbstractEventLoop) -> _Place:
        """In a thread, for it imports much: the socket and the console's own thread behind it."""
        try:
            place = visit.place = _Place.made()
            self._begin(visit, place, loop)
        except BaseException:
            self.visit = None
            if visit.place is not None:
                visit.place.gone()
            raise
        return place

    def _begin(self, visit: Visit, place: _Place, loop: asyncio.AbstractEventLoop) -> None:
        from core.console.commands import program  # noqa: PLC0415  aiomonitor takes a second and 14 MB
        from core.console.desk import Desk  # noqa: PLC0415  as above
        from core.console.monitor import ConsoleMonitor  # noqa: PLC0415  as above
        from core.console.session import Session  # noqa: PLC0415  as above
        from core.console.shell import Shell  # noqa: PLC0415  as above

        main = threading.main_thread().ident or 0
        monitor = ConsoleMonitor(loop, main, lambda why: self._tasks.spawn("console", self._close(visit, why)))
        shell = Shell(loop, visit.by, lambda shell: program(Desk(self, monitor, shell, visit)))
        hello = {"hello": self._greeting(visit), "commands": shell.words}
        life = self.life.total_seconds()
        monitor.session = Session(place.listening, place.key, life, shell, hello, place.gone)
        monitor.start()
        visit.monitor = monitor

    def _greeting(self, visit: Visit) -> str:
        until = visit.since + self.life
        return (
            f"Replica {self.subject.removeprefix('replica:')}, until {until:%H:%M} UTC. `help` lists what can be asked."
        )

    @property
    def subject(self) -> str:
        """The replica, as the audit log has it."""
        return f"replica:{socket.gethostname()}/{os.getpid()}"

    async def _close(self, visit: Visit, why: str) -> None:
        for logger, level in reversed(visit.undo):
            logger.setLevel(level)
        if visit.monitor is not None:
            await asyncio.to_thread(visit.monitor.close)
        if visit.place is not None:
            await asyncio.to_thread(visit.place.gone)
        seconds = round((utc_now() - visit.since).total_seconds())
        await self.ledger.note("console.close", self.subject, visit.by, end=why, seconds=seconds)
        self.visit = None
        self._closed.set()


def _here(transport: asyncio.BaseTransport) -> bool:
    """Whether a request came from this machine: by loopback, or from the very address that it was sent to."""
    theirs, ours = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    return bool(theirs and ours) and is_here(theirs[0], ours[0])


def is_here(theirs: str, ours: str) -> bool:
    """Whether one address of a connection shows that both ends are on one machine."""
    address = ip_address(theirs)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback or theirs == ours


def _acting(body: bytes) -> Acting | str:
    """Who asks and why, or what is wrong with it."""
    try:
        asked = orjson.loads(body)
        who, reason = asked["who"], " ".join(asked["reason"].split())
    except (ValueError, LookupError, TypeError, AttributeError):
        return "Say `who` and `reason`, as JSON."
    if not isinstance(who, str) or not WHO.fullmatch(who):
        return "`who` is an account and its machine: asha@desk"
    if not SHORTEST <= len(reason) <= LONGEST:
        return f"The reason is for the audit log: {SHORTEST} to {LONGEST} characters."
    if not reason.isprintable():  # PostgreSQL takes no NUL, and a terminal that lists the log would obey the others
        return "The reason is for the audit log: letters, digits and signs that can be seen."
    return Acting(f"console:{who}", reason)


def _refused(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")
