"""A way to a store of one replica's own, over a unix socket, that a test can cut."""

import asyncio
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit


class Cable:
    """Listens at `here` and carries bytes to the socket `there`."""

    def __init__(self, here: Path, there: Path) -> None:
        self._here, self._there = here, there
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._hung = asyncio.Event()
        """Set while bytes flow."""

    async def __aenter__(self) -> Self:
        self._hung.set()
        self._server = await asyncio.start_unix_server(self._carry, self._here)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hung.set()
        if self._server is not None:
            self._server.close()
        self._here.unlink(missing_ok=True)
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0.01)

    async def cut(self) -> None:
        """Reset what is open and refuse what is new."""
        await self.__aexit__()

    async def mend(self) -> None:
        """Carry again."""
        await self.__aenter__()

    def hang(self) -> None:
        """Accept everything and carry nothing."""
        self._hung.clear()

    def flow(self) -> None:
        """Carry what was held back, and the rest."""
        self._hung.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there = await asyncio.open_unix_connection(self._there)
            self._writers.add(there[1])
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, there[1]))
                    group.create_task(self._pass(there[0], writer))
            finally:
                there[1].transport.abort()
                self._writers.discard(there[1])
        except* (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._hung.wait()
            writer.write(data)
            await writer.drain()
        raise EOFError


def socket_of(url: str) -> Path | None:
    """The unix socket of PostgreSQL or Redis behind a URL; None where it names a host."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Path(unquote(parts.path))
    folder = parse_qs(parts.query).get("host", [""])[0]
    return Path(folder) / ".s.PGSQL.5432" if folder.startswith("/") else None


def through(url: str, here: Path) -> str:
    """The URL with the socket at `here` in place of its own."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return urlunsplit(parts._replace(path=quote(str(here))))
    return urlunsplit(parts._replace(query=f"host={quote(str(here.parent), safe='')}&port=5432"))
