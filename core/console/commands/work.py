"""`slow`, `tasks`, `where` and `stack`: who holds the loop, what runs on it, and where it is now."""

from asyncio import runners
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.commands.shared import WIDTH, moment, table
from core.console.desk import Desk

if TYPE_CHECKING:
    from core.app import App
    from core.observe.slow import Slow

MOST = 20
ROOT, RUNNER = f"{Path(__file__).parents[3]}/", runners.__file__
SPENT = ("PLUGIN", "LOOP s", "SHARE", "STOOD STILL", "DB s", "STATEMENTS", "TASKS", "FAILED")
CALLS = ("NO", "PLUGIN", "WHAT", "SECONDS", "AT")


def slow_command(desk: Desk) -> click.Command:
    """`slow`."""

    @click.command("slow", epilog="Example: slow 2")
    @click.argument("number", required=False, type=click.IntRange(1, MOST))
    @click.option("--latest", is_flag=True, help="The newest first, instead of the worst.")
    def slow(number: int | None, *, latest: bool) -> None:
        """Who holds the loop, and where: the worst calls.

        What each plugin used of it since the start, the calls during which nobody else was served, and the stack of the
        worst; with NUMBER the stack of that one.
        """
        calls = desk.see(lambda app: app.usage.recent_calls(MOST) if latest else app.usage.slow_calls(MOST))
        if number is None:
            click.echo(table(SPENT, desk.see(_spent)))
            click.echo()
        if not calls:
            click.echo("nobody has held the loop since the start")
            return
        if number is None:
            rows = [(place, one.plugin, one.what, f"{one.seconds:.2f}", one.at) for place, one in enumerate(calls, 1)]
            click.echo(table(CALLS, rows, whole=2))
            click.echo()
        elif number > len(calls):
            raise click.ClickException(f"there are {len(calls)} such calls")
        click.echo(_stack(calls[(number or 1) - 1]))

    return slow


def _spent(app: "App") -> list[Sequence[object]]:
    usage = app.usage
    loop, still, statements, spent = (
        usage.loop_seconds(),
        usage.loop_blocks(),
        usage.db_statements(),
        usage.db_seconds(),
    )
    tasks, failures, whole = usage.tasks(), usage.failures(), sum(loop.values()) or 1.0
    return [
        (name, f"{seconds:.1f}", f"{seconds / whole:.0%}", still.get(name, 0), f"{spent.get(name, 0):.1f}",
         statements.get(name, 0), tasks.get(name, 0), failures.get(name, 0))
        for name, seconds in sorted(loop.items(), key=lambda item: -item[1])
    ]  # fmt: skip


def _stack(one: "Slow") -> str:
    head = f"{one.plugin} held the loop for {one.seconds:.2f} s at {moment(one.at)}, in {one.what or 'the kernel'}:"
    return "\n".join([head, *map(cut, inner(one.stack))])


def inner(stack: Sequence[str]) -> Sequence[str]:
    """What the loop runs, without what runs the loop; files of ours and of packages without where they are kept."""
    began = max((place for place, line in enumerate(stack, 1) if line.startswith(RUNNER)), default=0)
    return [line.removeprefix(ROOT).rpartition("/site-packages/")[2] for line in stack[began:]]


def cut(line: str) -> str:
    """A line of a stack within the width; its end says more than its beginning."""
    room = WIDTH - 2
    return f"  {line if len(line) <= room else '…' + line[1 - room :]}"


def tasks_command(desk: Desk) -> click.Command:
    """`tasks`."""

    @click.command("tasks", epilog="Example: tasks relay")
    @click.argument("word", default="")
    @click.option("--limit", type=click.IntRange(1, 1000), default=40, show_default=True)
    def tasks(word: str, limit: int) -> None:
        """Tasks of the loop. Also told while it is held.

        WORD is a part of the name or of the coroutine.
        """
        found = desk.monitor.tasks(word)
        rows = [(one.task_id, one.state, one.name, one.coro) for one in found[:limit]]
        click.echo(table(("TASK", "STATE", "NAME", "COROUTINE"), rows) if rows else f"no task has {word}")
        if len(found) > limit:
            click.echo(f"{limit} of {len(found)}: --limit shows more")

    return tasks


def where_command(desk: Desk) -> click.Command:
    """`where TASK`."""

    @click.command("where", epilog="Example: where 139872302194432")
    @click.argument("task", metavar="NUMBER")
    def where(task: str) -> None:
        """Where a task waits. Also told while the loop is held."""
        try:
            click.echo("\n".join(map(cut, desk.monitor.where(task).splitlines())))
        except LookupError:
            raise click.ClickException(f"there is no task {task}: `tasks` lists them, and they come and go") from None

    return where


def stack_command(desk: Desk) -> click.Command:
    """`stack`."""

    @click.command("stack", epilog="Example: stack")
    def stack() -> None:
        """Where the loop is now, innermost last. Also told while it is held."""
        found = inner(desk.monitor.stack())
        click.echo("\n".join(map(cut, found)) if found else "the loop has nothing to do")

    return stack
