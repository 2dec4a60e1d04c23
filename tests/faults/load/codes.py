"""Reading the codes that reached the phones, as their owners do."""

import asyncio
import re
from pathlib import Path

import orjson

SIX = re.compile(r"(?<!\d)\d{6}(?!\d)")
PATIENCE = 25.0
"""Seconds until somebody gives up waiting for a code."""


class Inbox:
    """Follows the file into which the provider writes what it delivered."""

    def __init__(self, file: Path) -> None:
        self._file, self._read = file, 0
        self._codes: dict[str, list[str]] = {}

    def _catch_up(self) -> None:
        with self._file.open("rb") as file:
            file.seek(self._read)
            whole, _, _ = file.read().rpartition(b"\n")
        if whole:
            self._read += len(whole) + 1
            for line in map(orjson.loads, whole.splitlines()):
                if found := SIX.search(line["text"]):
                    self._codes.setdefault(line["to"], []).append(found.group())

    async def newest(self, phone: str) -> str | None:
        """The last code sent to a phone; None when none comes."""
        for _ in range(int(PATIENCE / 0.1)):
            self._catch_up()
            if codes := self._codes.get(phone):
                return codes[-1]
            await asyncio.sleep(0.1)
        return None
