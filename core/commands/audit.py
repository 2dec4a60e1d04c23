"""`vurksha audit`: reading the audit log and checking its chain."""

from datetime import datetime
from typing import Any

import click
import orjson

from core.audit import Broken, Chain, Head
from core.commands.shared import OnKernel, progress, since_option, table
from core.convert import dump_json
from core.kernel import Kernel
from core.store.db import Row

# audit_pkey backwards; the first filter that is given has an index of its own.
LIST = """
SELECT number, at, actor, action, subject, details::text AS details FROM kernel.audit
WHERE ($1::text IS NULL OR actor LIKE '%' || $1 || '%') AND ($2::text IS NULL OR action = $2 OR action LIKE $2 || '.%')
    AND ($3::text IS NULL OR subject LIKE '%' || $3 || '%') AND ($4::timestamptz IS NULL OR at >= $4)
    AND ($5::bigint IS NULL OR number < $5)
ORDER BY number DESC LIMIT $6
"""


def _head(_: click.Context, __: click.Parameter, value: str | None) -> Head | None:
    try:
        return None if value is None else Head.read(value)
    except ValueError:
        raise click.BadParameter("must be a head as `vurksha audit verify` prints it: 42:9f86d0...") from None


def audit_command(on_kernel: OnKernel) -> click.Group:
    """`vurksha audit list|verify`."""

    @click.group("audit", epilog="Example: vurksha audit list --action role")
    def audit() -> None:
        """What people with power did."""

    @audit.command("list", epilog="Example: vurksha audit list --action role --since 7d")
    @click.option("--actor", help="Part of who did it: a user's id, an operator's name.")
    @click.option("--action", help="What was done: role.grant, or role for all that begin so.")
    @click.option("--subject", help="Part of what it was done to: an order's id, a key's.")
    @click.option("--since", callback=since_option, help="From a time on: 2026-01-31T12:00:00Z, or 2h, 7d ago.")
    @click.option("--before", type=int, help="Only rows below this number: the next page.")
    @click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
    @click.option("--json", "as_json", is_flag=True, help="One JSON object per line, nothing cut.")
    def listing(as_json: bool, **filters: Any) -> None:  # noqa: FBT001  click passes options by name
        """Show the newest acts."""
        on_kernel(lambda kernel: _list(kernel, as_json=as_json, **filters))

    @audit.command("verify", epilog="Example: vurksha audit verify --expect-head 42:9f86d081884c7d65...")
    @click.option("--expect-head", callback=_head, help="A head that was noted earlier: the chain must go through it.")
    def verify(expect_head: Head | None) -> None:
        """Walk the whole chain. Note the head that it prints elsewhere: it proves later that nothing was cut off."""
        on_kernel(lambda kernel: _verify(kernel, expect_head))

    return audit


async def _list(
    kernel: Kernel, *, actor: str | None, action: str | None, subject: str | None, since: datetime | None,
    before: int | None, limit: int, as_json: bool,
) -> None:  # fmt: skip
    rows = await kernel.db.fetch(LIST, actor, action, subject, since, before, limit)
    if as_json:
        for row in rows:
            click.echo(dump_json({**row, "details": orjson.loads(row["details"])}).decode())
    elif not rows:
        click.echo("no such acts")
    else:
        click.echo(table(("NUMBER", "AT", "ACTOR", "ACTION", "SUBJECT", "DETAILS"), map(_line, rows), whole=2))
        if len(rows) == limit:
            click.echo(f"older ones: --before {rows[-1]['number']}", err=True)


def _line(row: Row) -> tuple[object, ...]:
    told = {k: f"[{len(v)}]" if isinstance(v, list) else v for k, v in orjson.loads(row["details"]).items()}
    details = ", ".join(f"{key}={value}" for key, value in told.items())
    return row["number"], row["at"], row["actor"], row["action"], row["subject"], details


async def _verify(kernel: Kernel, expected: Head | None) -> None:
    chain = Chain(kernel.db, expected)
    try:
        walk = chain.walk()
        first = await anext(walk, 0)
        with progress("verifying", chain.length) as bar:
            bar.update(first)
            async for count in walk:
                bar.update(count)
    except Broken as broken:
        raise click.ClickException(f"the audit log was tampered with: {broken}") from None
    click.echo(f"the chain is whole: {chain.head.number} acts\nhead {chain.head}")
