"""What of a log call's arguments may be told: it goes by their type, and what is not known is told by its class alone.

Our own calls name ids, counts and words of the code. A library's may hold anything: an error of the database driver
quotes the value that it refused.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from enum import Enum
from pathlib import PurePath
from uuid import UUID

PLAIN = (str, int, float, bool, UUID, date, timedelta, PurePath, Enum, type(None))
"""Told as they are; of texts `core.observe.logging` still takes out what looks private."""
OWN = ("core", "plugins")
"""Packages whose errors and value objects say nothing private of themselves when they have words of their own."""


def tellable(value: object) -> object:
    """The value, or what may be told of it."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return {tellable(key): tellable(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [tellable(one) for one in value]
    cls = type(value)
    if cls.__module__.partition(".")[0] in OWN and _has_words(cls):
        return str(value)
    return cls.__name__


def _has_words(cls: type) -> bool:
    """Errors are written to be read; of other classes those with a `__str__`: a generated repr shows every field."""
    return issubclass(cls, BaseException) or cls.__str__ is not object.__str__
