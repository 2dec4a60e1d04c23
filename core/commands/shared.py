"""What operators' commands have in common: the app they look into, tables that fit a terminal, time, progress."""

import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from core.app import App
    from core.kernel import Kernel

OnApp = Callable[[Callable[["App"], Awaitable[None]]], None]
"""Runs work on an app that is not started, with its database open; `core.cli` has it."""
OnKernel = Callable[[Callable[["Kernel"], Awaitable[None]]], None]
"""The same for work that needs no more than the kernel."""

WIDTH = 100
"""Columns of the widest line."""
NARROWEST = 8
TAIL = 8
ENDS_IN_ID = re.compile(r"-[0-9a-f]{12}$")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], whole: int = 1) -> str:
    """Columns side by side; the first `whole` are shown whole, for they are what other commands ask for.

    Where the others do not fit, the widest give way, and what was cut ends in an ellipsis.
    """
    body = [[_cell(value) for value in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*body, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH and max(widths[whole:]) > NARROWEST:
        widths[widths.index(max(widths[whole:]), whole)] -= 1
    return "\n".join("  ".join(map(_fit, row, widths)).rstrip() for row in body)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return moment(value)
    return "-" if value is None else " ".join(str(value).split())


def _fit(text: str, width: int) -> str:
    if len(text) <= width:
        return text.ljust(width)
    tail = ENDS_IN_ID.search(text)  # which begins with a time that its neighbours share
    return text[: width - 1 - TAIL] + "…" + text[-TAIL:] if tail and width > 2 * TAIL else text[: width - 1] + "…"


def moment(at: datetime) -> str:
    """UTC, to the second, in a form that `--since` reads."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def ago(seconds: float) -> str:
    """How long ago something was, in its largest unit: 45s, 3m, 2h, 7d."""
    unit = next((unit for unit in ("d", "h", "m") if seconds >= UNITS[unit]), "s")
    return f"{max(0, seconds) // UNITS[unit]:.0f}{unit}"


def parse_since(text: str) -> datetime:
    """A moment from ISO-8601 (UTC where it names no zone), or from how long ago it was: 90s, 15m, 2h, 7d."""
    if text[:-1].isascii() and text[:-1].isdigit() and text[-1] in UNITS:
        return datetime.now(UTC) - timedelta(seconds=UNITS[text[-1]] * int(text[:-1]))
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def since_option(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """For an option that takes a moment."""
    try:
        return None if value is None else parse_since(value)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is no time: 2026-01-31T12:00:00Z, or 90s, 15m, 2h, 7d ago") from None


@contextmanager
def progress(label: str, length: int) -> Iterator["ProgressBar[Any]"]:
    """A bar on a terminal; nothing where nobody looks."""
    with click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty(), show_pos=True, width=30
    ) as bar:
        yield bar
