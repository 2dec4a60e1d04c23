"""Words that every domain shares: money, ids, time."""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NewType
from uuid import UUID
from zoneinfo import ZoneInfo

Paise = NewType("Paise", int)
"""Money inside the process and the database: whole paise, 100 to the rupee."""

Rupees = NewType("Rupees", float)
"""Money on the wire: a JSON number of rupees with at most two decimals."""

UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)

Clock = Callable[[], datetime]
"""Answers the present moment, aware and in UTC."""

INDIA = ZoneInfo("Asia/Kolkata")
"""The shop's own zone: its days, delivery slots and order-number years (DESIGN 3)."""


def utc_now() -> datetime:
    """The wall clock. Expiries and limits use the database's clock instead."""
    return datetime.now(UTC)


def rupees(paise: int) -> Rupees:
    """Paise as the app reads them. Exact: a float holds every amount below 90 trillion rupees to the paisa."""
    return Rupees(paise / 100)


_uuid7_lock = threading.Lock()
_uuid7_last = 0


def uuid7() -> UUID:
    """A UUIDv7 (RFC 9562): milliseconds, 12 bits of fraction that keep a process's ids rising, 62 random bits."""
    global _uuid7_last  # noqa: PLW0603  the last value is what makes the next one larger
    with _uuid7_lock:
        stamp = time.time_ns() * 4096 // 1_000_000
        _uuid7_last = stamp = max(stamp, _uuid7_last + 1)
    millis, fraction = stamp >> 12, stamp & 0xFFF
    tail = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=millis << 80 | 7 << 76 | fraction << 64 | 2 << 62 | tail)
