"""What a command of the console works with."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import attrs
import click

if TYPE_CHECKING:
    from core.app import App
    from core.console.door import Console, Visit
    from core.console.monitor import ConsoleMonitor
    from core.console.shell import Shell

T = TypeVar("T")


@attrs.frozen
class Desk:
    """One visit's. Commands run in a thread: they ask the app by `see` and `do`, which go by way of its loop."""

    console: "Console"
    monitor: "ConsoleMonitor"
    shell: "Shell"
    visit: "Visit"

    @property
    def app(self) -> "App":
        """For what never changes once it is built."""
        return self.console.app

    def see(self, look: Callable[["App"], T]) -> T:
        """What is in memory."""

        async def work() -> T:
            return look(self.app)

        return self.shell.on_app(work)

    def do(self, work: Callable[["App"], Awaitable[T]]) -> T:
        """What has to be waited for."""
        return self.shell.on_app(lambda: work(self.app))

    def on_app(self, work: Callable[["App"], Awaitable[None]]) -> None:
        """The same, as the program's own commands have it."""
        self.do(work)

    def note(self, action: str, subject: str, **details: object) -> None:
        """Write down an act that changes no row. Where the audit log does not answer, it is told later."""
        if not self.do(lambda _: self.console.ledger.note(action, subject, self.visit.by, **details)):
            click.echo("(the audit log does not answer: it is told of this as soon as it does)")
