"""Whether a migration only expands: the release before goes on working on what it leaves (RELIABILITY 4.11, ADR 37).

Read from the text, so that a slip is told before it is applied; it is no wall against malice. What takes something away
belongs in a file of phase post, one release later.
"""

import re
from collections.abc import Iterator, Sequence

from core.store.schema import Migration, MigrationError

BODIES = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Bodies of functions, texts, comments."""
MADE = re.compile(r"\bCREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.]+)", re.IGNORECASE)
ALTERED = re.compile(r"\bALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?([\w.]+)", re.IGNORECASE)
UNFILLED = (
    r"\bADD\s+(?:COLUMN\s+)?(?!CONSTRAINT\b)\w+\s+(?:(?!\bDEFAULT\b|\bGENERATED\b|,\s*ADD\b).)*\bNOT\s+NULL\b"
    r"(?!(?:(?!,\s*ADD\b).)*\b(?:DEFAULT|GENERATED)\b)"
)
"""NOT NULL with no value of its own, before the next ADD."""
TAKES = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), what)
    for pattern, what in (
        (r"\bDROP\s+(?:TABLE|SCHEMA|VIEW|MATERIALIZED\s+VIEW|SEQUENCE|TYPE|DOMAIN)\b", "drops what older code may use"),
        (r"\bDROP\s+(?:FUNCTION|PROCEDURE)\b", "drops a function that older code may call"),
        (r"\bALTER\s+TABLE\b.*\bDROP\s+(?!CONSTRAINT\b|NOT\b|DEFAULT\b|IDENTITY\b|EXPRESSION\b)\w", "drops a column"),
        (r"\bDROP\s+DEFAULT\b", "drops a default that older code may lean on"),
        (r"\bRENAME\b", "renames"),
        (r"\bALTER\s+(?:COLUMN\s+)?\w+\s+(?:SET\s+DATA\s+)?TYPE\b", "changes a column's type"),
        (r"\bALTER\s+(?:COLUMN\s+)?\w+\s+SET\s+NOT\s+NULL\b", "refuses NULL where older code may write it"),
        (UNFILLED, "adds a column that older code does not fill"),
        (r"^\s*TRUNCATE\b", "empties a table"),
        (r"\bREVOKE\b", "takes rights away"),
    )
)  # fmt: skip


def takes_away(sql: str) -> str:
    """What in it older code would miss; empty where it only expands. Tables made in the same text are free."""
    plain = BODIES.sub(" ", sql)
    made = {name.lower() for name in MADE.findall(plain)}
    for statement in plain.split(";"):
        table = ALTERED.search(statement)
        if table and table[1].lower() in made:
            continue
        for pattern, what in TAKES:
            if pattern.search(statement):
                return f"{what}: {' '.join(statement.split())[:80]}"
    return ""


def contracting(files: Sequence[Migration]) -> Iterator[str]:
    """Of migrations about to be applied, those that do more than expand, each with why."""
    for file in files:
        if file.phase == "post":
            yield f"{file} contracts (vurksha migrate --post, when nothing older runs)"
        elif what := takes_away(file.sql):
            yield f"{file} {what}"


def only_expands(files: Sequence[Migration]) -> None:
    """Raises MigrationError otherwise. Of a database that nobody migrated yet nobody can miss anything."""
    first = any(file.owner == "kernel" and file.version == 1 for file in files)
    if not first and (found := list(contracting(files))):
        raise MigrationError(f"not expand-only: {'; '.join(found)}")
