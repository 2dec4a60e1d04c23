"""Whether a plugin's migrations keep to its own schema.

Of other schemas they may call functions: the kernel's, and those of plugins that it requires, which are ports like any
other. This is read from the text, so that a slip is told at start; it is no wall against malice.
"""

import re
from collections.abc import Collection, Iterator

NOISE = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Texts and comments."""
THINGS = frozenset({"into", "table", "exists", "on", "only", "references", "function", "procedure", "view", "update"})
"""Words after which a name is that of a thing, even where a bracket follows it."""
LAST_WORD = re.compile(r"(\w+)\s+\Z")
FAR = 40
"""Characters before a name in which the word before it is looked for."""
MADE = re.compile(
    r"\b(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+|UNLOGGED\s+|MATERIALIZED\s+)*"
    r"(?:TABLE|VIEW|FUNCTION|PROCEDURE|SEQUENCE|TYPE|DOMAIN)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?!IF\b)(\w+)\b(?!\s*\.)",
    re.IGNORECASE,
)
SCHEMA = re.compile(r"\b(?:CREATE|ALTER|DROP)\s+SCHEMA\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?!IF\b)(\w+)", re.IGNORECASE)


def strays(sql: str, own: str, callable_: Collection[str], others: Collection[str]) -> Iterator[str]:
    """What it names outside the schema `own`. It may call functions of the schemas `callable_`, of `others` nothing."""
    plain = NOISE.sub(" ", sql)
    foreign = re.compile(rf"\b({'|'.join(sorted({*callable_, *others} - {own}))})\.\w+(\s*\()?", re.IGNORECASE)
    for found in foreign.finditer(plain):
        name = found[1].lower()
        before = LAST_WORD.search(plain[max(0, found.start() - FAR) : found.start()])
        called = found[2] and not (before and before[1].lower() in THINGS)
        if name not in callable_ or not called:
            yield f"names the schema {name}"
    yield from (f"touches {name}, which is in no schema of its own" for name in MADE.findall(plain))
    yield from (f"touches the schema {name}" for name in SCHEMA.findall(plain) if name.lower() != own)
