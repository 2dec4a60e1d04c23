"""A reader of frames that survives what other programs write into a message's properties.

The library ends the whole connection when it cannot decode a property: a name that is no UTF-8, a time in nanoseconds.
The message would come again on the next connection, and the next, and end each of them.
"""

import asyncio
from typing import TYPE_CHECKING

from pamqp.constants import FRAME_END_CHAR, FRAME_HEADER
from pamqp.header import ContentHeader

if TYPE_CHECKING:
    Base = asyncio.StreamReader
else:
    Base = object  # what it reads is another reader's

PREFIX = 7
"""Bytes of a frame before its payload: one for its type, then channel and length."""
FIXED = 12
"""Bytes of a content header before its properties: class, weight, size of the body."""


class ForgivingReader(Base):
    """Takes a frame in the library's three reads. Properties that cannot be decoded are left out."""

    def __init__(self, inner: asyncio.StreamReader) -> None:
        self._inner = inner
        self._is_header = False
        self._expects = 1

    def at_eof(self) -> bool:
        """Whether no more will come."""
        return self._inner.at_eof()

    async def read(self, n: int = -1) -> bytes:
        """Whatever is there."""
        return await self._inner.read(n)

    async def readexactly(self, n: int) -> bytes:
        """A frame's type, its channel and length, or its payload with the end mark."""
        found = await self._inner.readexactly(n)
        if self._expects == 1:
            self._is_header, self._expects = found[0] == FRAME_HEADER, PREFIX - 1
        elif self._expects == PREFIX - 1:
            self._expects = 0
        else:
            self._expects = 1
            if self._is_header:
                return _decodable(found)
        return found


def _decodable(payload: bytes) -> bytes:
    try:
        ContentHeader().unmarshal(payload[:-1])
    except Exception:  # noqa: BLE001  whatever it does not like
        return payload[:FIXED].ljust(len(payload) - 1, b"\0") + FRAME_END_CHAR  # no flags: no properties
    return payload
