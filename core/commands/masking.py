"""Payloads as an operator may see them: ids, numbers, states and times; of people only that there is something."""

import re

PERSONAL = re.compile(
    "name|phone|mobile|address|mail|city|state$|pin_?code|street|landmark|^lat|^lng|note|instruction|changes|deliveredto"
    "|code$|otp|token|secret|password|body|text|message|title|data$",
    re.IGNORECASE,
)
"""Keys below which nothing is shown."""
PLAIN = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # an id
    r"|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})"  # a time
    r"|[A-Z][A-Z_]{1,30}|VRK-\d{4}-\d{6,9}|[a-z]+\.[a-z_.]+"  # a state, an order's number, an event's type
)
"""Texts that are shown: those in which nobody's data fits."""
KINDS = re.compile("(type|status|method|source|queue|exchange)$", re.IGNORECASE)
KIND = re.compile(r"[A-Za-z_.:-]{1,60}")
"""Below keys that name a kind of thing, a word is shown too."""
LARGEST = 10_000_000
"""A whole number beyond it may be a phone."""


def masked(value: object, key: str = "") -> object:
    """A JSON value without what may be personal. What is hidden says how long it is."""
    hidden = bool(key) and PERSONAL.search(key) is not None
    if isinstance(value, dict):
        if hidden:
            return f"*** ({len(value)} fields)"
        return {name: masked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item, key) for item in value]
    if isinstance(value, str):
        shown = PLAIN.fullmatch(value) or (KINDS.search(key) and KIND.fullmatch(value))
        return value if shown and not hidden else f"*** ({len(value)} characters)"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if not hidden and abs(value) < LARGEST else "***"
    return value
