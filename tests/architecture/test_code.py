"""Habits that a reader may count on in every file."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.code import ROOT, files, tree

CODE = [path for path in files("core", "plugins") if path.parts[:2] != ("core", "testing")]
"""What serves. The authors' harness asks the environment for its servers, and every table there is, as tests may."""
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP)\s")
RUNS_SQL = {"fetch", "fetchrow", "fetchval", "execute", "executemany", "command"}
ASKS_THE_ENVIRONMENT = {"core/cli.py", "core/supervisor.py", "core/reload.py", "core/backup/programs.py"}
"""The program hands it to the settings, its replicas and PostgreSQL's programs; nobody else looks."""
SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:|pyright:|mypy:|ruff:)", re.IGNORECASE)
EXPLAINED = re.compile(
    r"# (noqa: [A-Z]+\d+(, [A-Z]+\d+)*  |type: ignore\[[a-z-]+(,[a-z-]+)*\]  # |pragma: no cover  )(?!noqa)[^\s#]"
)
"""What it is that a tool shall not say here, two blanks, and why."""
BOUND_TO_A_LOOP = {
    "create_pool",
    "connect",
    "Pool",
    "Redis",
    "ClientSession",
    "Queue",
    "Semaphore",
    "Event",
    "Condition",
}


def spots(nodes: Iterator[ast.expr | ast.stmt], path: Path) -> list[str]:
    return [f"{path}:{node.lineno}" for node in nodes]


def built_sql(path: Path) -> Iterator[ast.expr]:
    """Strings put together while running that read like SQL."""
    for node in ast.walk(tree(path)):
        parts: list[ast.AST] = []
        if isinstance(node, ast.JoinedStr):
            parts = list(node.values)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            parts = [node.left]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            parts = [node.func.value]
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if isinstance(node, ast.expr) and any(SQL.search(text) for text in texts):
            yield node


def unnamed_sql(path: Path) -> Iterator[ast.expr]:
    """Calls that run SQL which is neither a constant nor a name."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        if node.func.attr in RUNS_SQL and isinstance(node.args[0], ast.JoinedStr | ast.BinOp | ast.Call):
            yield node


@pytest.mark.parametrize("path", CODE, ids=str)
def test_sql_is_literal(path: Path) -> None:
    assert spots(built_sql(path), path) + spots(unnamed_sql(path), path) == []


def test_the_environment_is_read_in_one_place() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path in CODE
        if str(path) not in ASKS_THE_ENVIRONMENT
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv")
    ]
    assert found == []


def test_only_the_commands_print() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path in CODE
        if path.name not in ("__main__.py", "cli.py", "commands.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert found == []


def opened_at_import(path: Path) -> Iterator[ast.stmt]:
    """Module-level variables that hold a pool, a client or anything else that belongs to one loop."""
    for node in tree(path).body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call):
            called = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
            if called in BOUND_TO_A_LOOP:
                yield node


def kept_at_import(path: Path) -> Iterator[ast.stmt]:
    """Module-level containers that begin empty, and so are there to be filled while running."""
    for node in tree(path).body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        empty = isinstance(value, ast.Dict) and not value.keys
        empty = empty or (isinstance(value, ast.List) and not value.elts)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and not value.args:
            empty = value.func.id in ("dict", "list", "set", "deque", "defaultdict")
        if empty:
            yield node


def test_importing_opens_and_keeps_nothing() -> None:
    found = [spot for path in CODE for spot in spots(opened_at_import(path), path) + spots(kept_at_import(path), path)]
    assert found == []


def unexplained(path: Path) -> Iterator[int]:
    """Lines that silence a tool without a reason; those that only speak of it are no comments."""
    if SILENCED.search((ROOT / path).read_text("utf-8")):
        with (ROOT / path).open("rb") as source:
            comments = [token for token in tokenize.tokenize(source.readline) if token.type == tokenize.COMMENT]
        for comment in comments:
            found = SILENCED.finditer(comment.string)
            if not all(EXPLAINED.match(comment.string, one.start()) for one in found):
                yield comment.start[0]


def test_whoever_silences_a_tool_says_why() -> None:
    everything = [*files("core", "plugins", "ops", "tests"), Path("setup.py")]
    assert [f"{path}:{line}" for path in everything for line in unexplained(path)] == []


@pytest.mark.parametrize(
    ("rule", "breach"),
    [
        (built_sql, 'sql = f"SELECT {column} FROM t"'),
        (built_sql, 'sql = "DELETE FROM %s" % table'),
        (built_sql, 'sql = "UPDATE {} SET x = 1".format(table)'),
        (unnamed_sql, "db.fetch(BEGIN + rest)"),
        (opened_at_import, "pool = asyncpg.create_pool(dsn)"),
        (kept_at_import, "seen: dict[str, int] = {}"),
        (kept_at_import, "waiting = deque()"),
        (unexplained, "import this  # noqa"),
        (unexplained, "import this  # noqa: F401"),
        (unexplained, "import this  # noqa: F401 this"),
        (unexplained, "import this  # pragma: no cover"),
        (unexplained, "that = this  # type: ignore"),
        (unexplained, "that = this  # type: ignore[misc]"),
        (unexplained, "that = this  # type: ignore[misc]  # noqa: F821  later"),
        (unexplained, "# ruff: noqa: F821"),
    ],
)
def test_these_rules_catch_a_breach(rule: object, breach: str, tmp_path: Path) -> None:
    planted = tmp_path / "breach.py"
    planted.write_text(breach + "\n")
    assert callable(rule)
    assert list(rule(planted))
