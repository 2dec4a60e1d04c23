"""`vurksha console`: open the console of a running replica and connect this terminal to it."""

import asyncio
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

import click

from core.audit import operator

if TYPE_CHECKING:
    from core.settings import Settings

HELP = "What the replica is asked at: by default its operations listener, as the settings have it."
WHY = "Why, for the audit log. Asked for at a terminal."


def console_command(settings_of: Callable[[], "Settings"]) -> click.Command:
    """`vurksha console`."""

    @click.command("console", epilog="Example: vurksha console --reason 'orders are slow'")
    @click.option("--reason", help=WHY)
    @click.option("--replica", default=0, show_default=True, help="Which one of `serve --replicas`, from 0.")
    @click.option("--url", help=HELP)
    def console(reason: str | None, replica: int, url: str | None) -> None:
        """Open the console of a running replica, for 15 minutes. Audited.

        Run it on the replica's machine, in its container, as its account. Commands may also come from a pipe:
        echo slow | vurksha console --reason 'orders are slow'
        """
        person = sys.stdin.isatty() and sys.stdout.isatty()
        if reason is None:
            if not person:
                raise click.UsageError("say why: --reason")
            reason = click.prompt("Why (for the audit log)")
        settings = settings_of()
        sys.exit(asyncio.run(_run(settings, url or _url(settings, replica), reason, person=person)))

    return console


def _url(settings: "Settings", replica: int) -> str:
    host, port = settings.operations.host, settings.operations.port
    if not host or not port:
        raise click.ClickException("the settings do not say where the replica listens for operators: --url does")
    try:
        everywhere = ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    name = "127.0.0.1" if everywhere else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port + replica}"


async def _run(settings: "Settings", url: str, reason: str, *, person: bool) -> int:
    from core.console.asking import NoConsole, local, opened  # noqa: PLC0415  no other command needs an HTTP client
    from core.console.terminal import attached, piped, prompted  # noqa: PLC0415  as above

    who = operator().removeprefix("cli:")
    try:
        console = await opened(local(url, settings.operations.host), settings.operations.token, who, reason)
        async with attached(console) as (wire, said):
            return await (prompted(wire, said, console) if person else piped(wire))
    except NoConsole as none:
        raise click.ClickException(str(none)) from None
