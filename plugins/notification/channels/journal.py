"""Messages in a file, for development: what was sent, or would have been."""

import asyncio
import os
from collections.abc import Set as AbstractSet
from pathlib import Path

import orjson

from core.types import Clock
from plugins.notification.ports import Channel, Message, Sent

BLANK = b'{"to":""}'


class Journal:
    """`messages.jsonl` in the data folder: one JSON object a line, readable by its owner only. Never in production."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock

    async def note(self, message: Message) -> None:
        """Append one line; appends of several processes do not mix."""
        line = {
            "at": self._clock(),
            "channel": message.medium,
            "to": message.to,
            "title": message.title,
            "text": message.text,
            "template": message.template,
            "code": message.code,
            "key": message.key,
        }
        await asyncio.to_thread(self._append, orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    async def forget(self, receivers: AbstractSet[str]) -> None:
        """Blank the lines of messages to these, each in its place: others may append meanwhile."""
        await asyncio.to_thread(self._blank, receivers)

    def _blank(self, receivers: AbstractSet[str]) -> None:
        if not self._path.exists():
            return
        with self._path.open("r+b", buffering=0) as file:
            position = 0
            for line in file.readall().splitlines(keepends=True):
                if line.endswith(b"\n") and _receiver(line) in receivers:
                    os.pwrite(file.fileno(), BLANK.ljust(len(line) - 1), position)
                position += len(line)


def _receiver(line: bytes) -> str:
    try:
        return str(orjson.loads(line)["to"])
    except (ValueError, LookupError, TypeError):  # cut by a crash while it was written
        return ""


class Journaled:
    """A channel whose messages are also written down. Without a channel, writing down is sending."""

    def __init__(self, journal: Journal, channel: Channel | None) -> None:
        self._journal, self._channel = journal, channel

    async def send(self, message: Message) -> Sent:
        """What was not sent is not written down."""
        sent = await self._channel.send(message) if self._channel else Sent("journal")
        await self._journal.note(message)
        return sent
