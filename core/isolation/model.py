"""What is written down of a plugin that is put aside."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import attrs

QUARANTINED, DISABLED = "quarantined", "disabled"
KERNEL = "kernel"
"""Who puts aside what misbehaves."""


def printable(words: str) -> str:
    """What a log and PostgreSQL take of it: an exception's words may hold anything."""
    return words.replace("\0", "").encode("utf-8", "replace").decode()


@attrs.frozen(kw_only=True)
class PluginState:
    """A plugin that no replica calls: quarantined by the kernel, or disabled by an operator."""

    plugin: str
    state: str
    reason: str = attrs.field(converter=printable)
    by: str
    since: datetime | None = None
    """By the database's clock; None until it is written."""


def cascaded(states: Mapping[str, PluginState], requires: Mapping[str, Iterable[str]]) -> dict[str, PluginState]:
    """These, and with each those that require it. Never written down: who went with another comes back with it.

    `requires` says of each plugin what it cannot do without, in dependency order.
    """
    aside = dict(states)
    for plugin, needed in requires.items():
        cause = next((aside[name] for name in needed if name in aside), None)
        if cause is not None and plugin not in aside:
            reason = f"requires {cause.plugin}, which is {cause.state}: {cause.reason}"
            aside[plugin] = attrs.evolve(cause, plugin=plugin, reason=reason)
    return aside
