"""Which work goes first when there is not enough for all (RELIABILITY 4.9)."""

from contextvars import ContextVar
from enum import IntEnum


class Rank(IntEnum):
    """From what is shed first to what is never shed."""

    REPORTS = 0
    CATALOGUE = 1
    OWN = 2
    """What somebody reads of their own."""
    CART = 3
    """Changing a cart, proving a code, and whatever else writes."""
    VITAL = 4
    """Refreshing a session, orders and their cancelling, payment webhooks."""
    HEALTH = 5


rank: ContextVar[Rank] = ContextVar("rank", default=Rank.CART)
"""Of the work being done. What is vital waits longer for a connection, and gets one of those kept back for it."""
