"""How an operator says which events are meant, how fast to go, and whether to act at all."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import attrs
import click

from core.commands.shared import parse_since
from core.convert import UUID_FORM

F = TypeVar("F", bound=Callable[..., Any])
LARGEST = 2**63 - 1


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) <= LARGEST else None


class EventRef(click.ParamType["UUID | int"]):
    """An event's id, or a row's number."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID | int:
        """A UUID or an int."""
        if UUID_FORM.fullmatch(value):
            return UUID(value)
        number = _whole(value)
        return (
            number if number is not None else self.fail(f"{value!r} is neither an event's id nor a number", param, ctx)
        )


class Since(click.ParamType["int | datetime"]):
    """A cursor (the number of the last event that one has), or a time."""

    name = "cursor|time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | datetime:
        """An int or an aware datetime."""
        number = _whole(value)
        try:
            return number if number is not None else parse_since(value)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a cursor (a number) nor a time: 2026-01-31T12:00:00Z, or 2h, 7d", param, ctx
            )


class Rate(click.ParamType[int]):
    """Events a second, written 50 or 50/s."""

    name = "n/s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """An int above 0."""
        number = _whole(str(value).removesuffix("/s"))
        return number or self.fail(f"{value!r} is no rate such as 50/s", param, ctx)


class Moment(click.ParamType[datetime]):
    """A time, or how long ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """An aware datetime."""
        try:
            return parse_since(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: 2026-01-31T12:00:00Z, or 90s, 15m, 2h, 7d ago", param, ctx)


@attrs.frozen(kw_only=True)
class Chosen:
    """Which rows are meant. What is not given does not restrict."""

    refs: Sequence[UUID | int] = ()
    """Ids of events and numbers of rows."""
    event_type: str | None = None
    """A type, or the beginning of several: `order` for `order.created` and the rest."""
    consumer: str | None = None
    after: int | None = None
    """The cursor."""
    moment: datetime | None = None

    @property
    def numbers(self) -> list[int] | None:
        """Rows meant by number; None if rows are not meant one by one."""
        return [ref for ref in self.refs if isinstance(ref, int)] if self.refs else None

    @property
    def ids(self) -> list[UUID] | None:
        """Rows meant by their event's id; None if rows are not meant one by one."""
        return [ref for ref in self.refs if isinstance(ref, UUID)] if self.refs else None


def choice(since: int | datetime | None = None, **which: Any) -> Chosen:
    """What the options of a command that lists say together."""
    return Chosen(**which, after=since) if isinstance(since, int) else Chosen(**which, moment=since)


def must_choose(*, everything: bool, **which: Any) -> Chosen:
    """What is to be changed: something must be said."""
    said = any(value not in (None, ()) for value in which.values())
    if not said and not everything:
        raise click.UsageError("say which: ids, --since and the other options, or --all")
    if said and everything:
        raise click.UsageError("--all goes with nothing else")
    return choice(**which)


def _all_of(*added: Callable[[Any], Any]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for add in reversed(added):
            command = add(command)
        return command

    return decorate


TYPE = click.option("--type", "event_type", help="Only this event type: order.created, or order for all that begin so.")
CONSUMER = click.option("--consumer", help="Only this consumer's.")
CURSOR = click.option("--since", type=Since(), help="After this number, or from a time on: 2026-01-31T12:00Z, 2h, 7d.")
DIED = click.option("--since", type=Moment(), help="Those that died from a time on: 2026-01-31T12:00Z, 2h, 7d.")
listing = _all_of(
    click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True),
    click.option("--json", "as_json", is_flag=True, help="One JSON object per line, nothing cut."),
)
"""The options of a command that lists rows."""
acting = _all_of(
    click.argument("refs", metavar="[ID]...", nargs=-1, type=EventRef()),
    click.option("--all", "everything", is_flag=True, help="Every one there is."),
    click.option("--rate", type=Rate(), help="At most so many a second: 50/s."),
    click.option("--yes/--dry-run", "yes", default=False, help="Do it, or only say what would be done (default)."),
)
"""The arguments of a command that changes rows."""
