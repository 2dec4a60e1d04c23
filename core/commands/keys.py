"""`vurksha keys`: the ring of signing keys."""

import asyncio
import math
from collections.abc import Awaitable, Callable

import click

from core.audit import operator
from core.auth import ALGORITHMS
from core.commands.shared import OnKernel, moment, progress, table
from core.kernel import Kernel
from core.keys import SETTLE
from core.keys_book import Key, KeyBook, KeyRefused

Change = Callable[[KeyBook], Awaitable[None]]


def keys_command(on_kernel: OnKernel) -> click.Group:  # noqa: C901  one function a command
    """`vurksha keys list|add|activate|retire|revoke|rotate`."""

    def on_book(change: Change) -> None:
        async def work(kernel: Kernel) -> None:
            try:
                await change(KeyBook(kernel.db, kernel.tokens, operator()))
            except KeyRefused as refused:
                raise click.ClickException(str(refused)) from None

        on_kernel(work)

    @click.group("keys", epilog="Example: vurksha keys rotate")
    def keys() -> None:
        """Keys that sign access tokens."""

    @keys.command("list", epilog="Example: vurksha keys list")
    def listing() -> None:
        """Show the ring, oldest key first."""

        async def show(book: KeyBook) -> None:
            rows = [(k.kid, k.algorithm, k.state, k.since, k.until, _note(k)) for k in await book.all()]
            click.echo(table(("KID", "ALGORITHM", "STATE", "SINCE", "VERIFIES UNTIL", ""), rows))

        on_book(show)

    @keys.command("add", epilog="Example: vurksha keys add")
    @click.option("--algorithm", type=click.Choice(list(ALGORITHMS)), default="HS256", show_default=True)
    def add(algorithm: str) -> None:
        """Make a new key. Replicas learn it within seconds and sign with it once it is activated."""

        async def change(book: KeyBook) -> None:
            kid = await book.add(algorithm)
            click.echo(f"{kid} is next; in {SETTLE:.0f} s: vurksha keys activate {kid}")

        on_book(change)

    @keys.command("activate", epilog="Example: vurksha keys activate 3f2a9c1b7d04")
    @click.argument("kid")
    @click.option("--force", is_flag=True, help="Do not wait until every replica knows the key.")
    def activate(kid: str, force: bool) -> None:  # noqa: FBT001  click passes options by name
        """Sign with the next key KID. The one that signed until now is retired."""

        async def change(book: KeyBook) -> None:
            before = await book.activate(kid, force=force)
            click.echo(f"{kid} signs now; {await _retired(book, before)}")

        on_book(change)

    @keys.command("retire", epilog="Example: vurksha keys retire 3f2a9c1b7d04")
    @click.argument("kid")
    def retire(kid: str) -> None:
        """Give the next key KID up."""

        async def change(book: KeyBook) -> None:
            await book.retire(kid)
            click.echo(await _retired(book, kid))

        on_book(change)

    @keys.command("revoke", epilog="Example: vurksha keys revoke 3f2a9c1b7d04")
    @click.argument("kid")
    def revoke(kid: str) -> None:
        """End the key KID everywhere, for one whose secret leaked. Who holds its tokens has to renew them."""

        async def change(book: KeyBook) -> None:
            await book.revoke(kid)
            click.echo(f"{kid} is revoked; within {SETTLE:.0f} s no replica takes its tokens")

        on_book(change)

    @keys.command("rotate", epilog="Example: vurksha keys rotate")
    @click.option("--revoke", "end", is_flag=True, help="Revoke the old key at the end, because its secret leaked.")
    def rotate(end: bool) -> None:  # noqa: FBT001  click passes options by name
        """Replace the key that signs: add, wait until every replica knows, activate. Nobody is signed out."""
        on_book(lambda book: _rotate(book, end=end))

    return keys


async def _rotate(book: KeyBook, *, end: bool) -> None:
    waiting = [key.kid for key in await book.all() if key.state == "next"]
    kid = waiting[0] if waiting else await book.add()
    click.echo(f"{kid} is next; waiting until every replica knows it")
    await _settled(book, kid)
    before = await book.activate(kid)
    click.echo(f"{kid} signs now; {await _retired(book, before)}")
    if end:
        await book.revoke(before)
        click.echo(f"{before} is revoked; within {SETTLE:.0f} s no replica takes its tokens")


async def _settled(book: KeyBook, kid: str) -> None:
    """Wait as long as `activate` would ask for. Stopped here, the key stays next and a later rotation takes it."""

    async def left() -> float:
        return SETTLE - next((key.age for key in await book.all() if key.kid == kid), SETTLE)

    with progress("waiting", max(0, math.ceil(await left()))) as bar:
        while (seconds := await left()) > 0:
            await asyncio.sleep(min(1.0, seconds))
            bar.update(1)


async def _retired(book: KeyBook, kid: str) -> str:
    until = next((key.until for key in await book.all() if key.kid == kid), None)
    return f"{kid} verifies until {moment(until)}" if until else f"{kid} is no longer in use"


def _note(key: Key) -> str:
    if not key.readable:
        return "made under another JWT_SECRET"
    return "made of JWT_SECRET" if key.is_root else ""
