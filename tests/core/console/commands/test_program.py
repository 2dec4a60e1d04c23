"""What can be typed and what cannot: every command with its help and an example, and none that runs code."""

import re

import click

from core.console import commands
from tests.core.console.conftest import Talk

LISTED = [
    "plugins", "routes", "events", "outbox", "dlq", "breakers", "pools", "cache", "sessions", "slow", "tasks", "where",
    "stack", "flags", "quarantine", "loglevel", "drain",
]  # fmt: skip
REFUSED = [
    "console", "cons", "con", "exec", "eval", "python", "py", "repl", "!", "?", "h", "q", "cancel", "ca", "kill",
    "signal", "sig", "ps", "p", "ps-terminated", "pt", "pst", "where-terminated", "wt", "w", "st", "stacktrace",
    "noop", "import", "open", "os", "sh", "shell", "help-me", "Plugins", "plugin", "plug", "uninstall",
]  # fmt: skip
"""Those of aiomonitor with their aliases, and what else somebody might try."""
CODE = (
    "print(1)",
    "__import__('os').system('true')",
    "console\nexec",
    "exec print(1)",
    "console --help",
    "; ls",
    "| sh",
)


def groups(program: click.Group) -> list[tuple[str, click.Command]]:
    """Every command with how it is typed, also those of groups."""
    found: list[tuple[str, click.Command]] = []
    for name, one in program.commands.items():
        found.append((name, one))
        if isinstance(one, click.Group):
            found += [(f"{name} {below}", command) for below, command in one.commands.items()]
    return found


async def test_help_lists_every_command_on_a_line_of_its_own(talk: Talk) -> None:
    said = await talk.says("help")
    assert re.findall(r"^  ([a-z]+)  ", said, re.MULTILINE) == [*LISTED, "help", "exit"]
    assert "..." not in said


async def test_every_command_has_help_with_an_example(talk: Talk) -> None:
    console = talk.probe.app.console
    assert console.visit is not None
    session = console.visit.monitor.session if console.visit.monitor else None
    assert session is not None
    for typed, command in groups(session._shell.program):
        said = await talk.says(f"{typed} --help")
        assert f"Usage: {typed}" in said
        assert command.help
        assert f"Example: {typed.split()[0]}" in said, typed
        assert "vurksha " not in said.partition("Example:")[2], typed


async def test_there_is_no_other_command_by_any_name(talk: Talk) -> None:
    for word in REFUSED:
        assert f"there is no command {word}" in await talk.complains(f"{word} print(1)")


async def test_code_is_not_run(talk: Talk) -> None:
    for line in CODE:
        said = await talk.complains(line)
        assert "there is no command" in said or "cannot be read" in said
    for option in ("-c print(1)", "--version", "--help"):
        assert "No such option" in await talk.complains(option)


async def test_no_command_of_aiomonitor_and_none_of_its_servers_is_used(talk: Talk) -> None:
    visit = talk.probe.app.console.visit
    assert visit is not None
    assert visit.monitor is not None
    assert not visit.monitor._console_enabled
    assert not visit.monitor._termui_tasks
    assert {made.__module__.rpartition(".")[0] for made in commands.MAKERS} == {"core.console.commands"}


async def test_an_empty_line_does_nothing_again(talk: Talk) -> None:
    assert await talk.says("loglevel WARNING core.cache")
    audited = "SELECT count(*) FROM kernel.audit"
    before = await talk.probe.app.db.fetchval(audited)
    assert await talk.says("") == ""
    assert await talk.probe.app.db.fetchval(audited) == before


MISTAKES = (
    ("routes 'a", "this line cannot be read: No closing quotation"),
    ("outbox list --state lost", "'lost' is not one of"),
    ("outbox nothing", "No such command 'nothing'"),
    ("sessions", "Missing argument 'USER'"),
    ("slow 0", "0 is not in the range"),
    ("drain now", "Got unexpected extra argument"),
)


async def test_mistakes_are_told_in_plain_words(talk: Talk) -> None:
    for line, said in MISTAKES:
        heard = await talk.complains(line)
        assert said in heard
        assert "says what can be asked" in heard or "cannot be read" in heard


async def test_what_a_terminal_may_complete_is_what_there_is(talk: Talk) -> None:
    words = talk.hello["commands"]
    assert [*words] == sorted([*LISTED, "help", "exit"])
    assert set(words["loglevel"]) == {"DEBUG", "INFO", "WARNING", "ERROR", "--help"}
    assert set(words["outbox"]["list"]["--state"]) == {"waiting", "dead", "published"}
