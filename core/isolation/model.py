"""What is written down of a plugin that is put aside."""

from datetime import datetime

import attrs

QUARANTINED, DISABLED = "quarantined", "disabled"
KERNEL = "kernel"
"""Who puts aside what misbehaves."""


@attrs.frozen(kw_only=True)
class PluginState:
    """A plugin that no replica calls: quarantined by the kernel, or disabled by an operator."""

    plugin: str
    state: str
    reason: str
    by: str
    since: datetime | None = None
    """By the database's clock; None until it is written."""
