"""How fast couriers work, and whether a lease is long enough for it."""

from collections.abc import Mapping

import attrs

from core.settings import BadSettings
from plugins.notification.ports import Medium
from plugins.notification.settings import NotificationSettings

SPARE = 4.0
"""Seconds of a lease beside its send: addresses are found before it, and what became of it is marked after it."""
LONGEST = 3600.0


@attrs.frozen(kw_only=True)
class Pace:
    """How a courier works: messages at a time, and seconds of lease, poll, and of one send at its slowest."""

    concurrency: int
    lease: float
    poll: float
    slowest: float


def paces(settings: NotificationSettings, slowest: Mapping[Medium, float]) -> dict[Medium, Pace]:
    """By medium, from the seconds that one send may take.

    Raises BadSettings when the lease is too short: no send would ever begin, and nobody would be told.
    """
    if mistakes := [_too_short(settings, *one) for one in slowest.items() if one[1] + SPARE > settings.lease]:
        raise BadSettings(mistakes)
    return {
        medium: Pace(concurrency=settings.concurrency, lease=settings.lease, poll=settings.poll, slowest=seconds)
        for medium, seconds in slowest.items()
    }


def _too_short(settings: NotificationSettings, medium: Medium, seconds: float) -> str:
    return (
        f"notification.lease is {settings.lease:g} s: it must be {seconds + SPARE:g} at least, because one {medium} "
        f"may take {seconds:g} s through all its providers (notification.call_timeout is {settings.call_timeout:g} s)"
    )


def unusable(settings: NotificationSettings) -> list[str]:
    """The numbers with which nothing would be sent, or what is sent would not be bounded."""
    times = {name: getattr(settings, name) for name in ("call_timeout", "lease", "poll")}
    bad = [name for name, seconds in times.items() if not 0 < seconds <= LONGEST]
    wrong = [f"notification.{name} must be above 0 and {LONGEST:g} at most" for name in bad]
    return wrong if settings.concurrency > 0 else [*wrong, "notification.concurrency must be 1 at least"]
