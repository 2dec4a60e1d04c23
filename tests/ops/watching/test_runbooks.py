"""Every alert has a page, and every step on it can be taken."""

import asyncio
import logging
import re
from pathlib import Path

import click
import pytest

from core.cli import program
from core.console.commands import MAKERS
from core.tasks import Tasks
from tests.docs.tables import built
from tests.ops.watching.case import BY_NAME
from tests.ops.watching.pages import FOLDER, TEXTS, commands, lines
from tests.ops.watching.tools import dump, figures, run

HEADS = ["First look", "What to do", "Whom to wake"]
PROGRAMS = {"vurksha", "curl", "psql", "redis-cli", "rabbitmqctl", "promtool", "amtool"}
CONSOLE = {re.sub(r"_command$", "", maker.__name__) for maker in MAKERS}


@pytest.mark.parametrize("name", BY_NAME)
def test_an_alerts_page_says_what_it_means_and_what_to_do(name: str) -> None:
    text = TEXTS[name]
    assert text.startswith(f"# {name}\n")
    assert "**For customers:**" in text
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADS
    assert f"`vurksha-{BY_NAME[name].area}`" in text
    assert len(text.splitlines()) < 80


@pytest.mark.parametrize("name", BY_NAME)
def test_its_links_lead_to_pages(name: str) -> None:
    assert [link for link in re.findall(r"\]\(([^)]+)\)", TEXTS[name]) if not (FOLDER / link).exists()] == []


def test_every_program_is_one_that_operators_have() -> None:
    assert {line.split()[0] for _, line in lines("bash")} <= PROGRAMS
    assert {line.split()[0] for _, line in lines("console")} <= CONSOLE


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_of_the_program_is_there_with_its_options(words: list[str]) -> None:
    extra = {command.name or "": command for command in built().plugins.declared("commands")}
    command: click.Command = click.Group("vurksha", {**program.commands, **extra})
    context, rest = click.Context(command), list(words)
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest[0])
        assert found, words
        command, rest = found, rest[1:]
        context = click.Context(command, parent=context)
    command.make_context(words[-1], rest, parent=context)


async def test_the_line_of_a_loop_that_keeps_failing_is_the_one_that_pages_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails() -> None:
        raise OSError

    given_up = asyncio.Event()
    tasks = Tasks(lambda _: given_up.set(), first_pause=0)
    tasks.forever("publisher", fails)
    async with asyncio.timeout(10):
        await given_up.wait()
    await tasks.stop(1)
    line = next(record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL)
    for name in ("ReplicaDown", "ReplicaRestarts"):
        assert re.search(f"`critical`[^\n]*`{line}`", TEXTS[name]), line


@pytest.mark.ops
def test_every_question_of_a_page_is_promql(tmp_path: Path) -> None:
    asked = sorted({line for _, line in lines("promql")})
    rules = [{"record": f"page:{number}", "expr": expr} for number, expr in enumerate(asked)]
    run("promtool", "check", "rules", dump({"groups": [{"name": "pages", "rules": rules}]}, tmp_path / "pages.yml"))
    figures(f"{len(TEXTS)} pages, {len(commands())} commands of the program, {len(asked)} questions")
