"""The rows by which all replicas know which plugins are put aside: kernel.plugin_states. Every change is audited."""

from collections.abc import Mapping

from core import audit
from core.isolation.model import DISABLED, QUARANTINED, PluginState, printable
from core.store.db import Db, Tx

MOST_REASON = 300
"""Characters."""

# By the primary key, all; the table has a row per plugin at most.
LISTED = "SELECT plugin, state, reason, by, since FROM kernel.plugin_states ORDER BY plugin"
QUARANTINE = """
INSERT INTO kernel.plugin_states (plugin, state, reason, by) VALUES ($1, 'quarantined', $2, $3)
ON CONFLICT (plugin) DO NOTHING
"""
DISABLE = """
INSERT INTO kernel.plugin_states AS s (plugin, state, reason, by) VALUES ($1, 'disabled', $2, $3)
ON CONFLICT (plugin) DO UPDATE SET state = excluded.state, reason = excluded.reason, by = excluded.by,
    since = clock_timestamp()
WHERE s.state <> 'disabled'
"""
REMOVE = "DELETE FROM kernel.plugin_states WHERE plugin = $1 AND state = $2"


async def listed(source: Db | Tx) -> Mapping[str, PluginState]:
    """Who is put aside, by name."""
    return {row["plugin"]: PluginState(**row) for row in await source.fetch(LISTED)}


async def quarantine(tx: Tx, plugin: str, reason: str, by: str) -> bool:
    """Put a plugin aside on every replica. Whether it was not already: the first reason stays."""
    why = printable(reason)
    return bool(await tx.execute(QUARANTINE, plugin, why[:MOST_REASON], by)) and await _noted(
        tx, "quarantine", plugin, by, why
    )


async def disable(tx: Tx, plugin: str, reason: str, by: str) -> bool:
    """Put a plugin aside until an operator enables it, also one that is quarantined. Whether it was not disabled."""
    why = printable(reason)
    return bool(await tx.execute(DISABLE, plugin, why[:MOST_REASON], by)) and await _noted(
        tx, "disable", plugin, by, why
    )


async def readmit(tx: Tx, plugin: str, by: str) -> bool:
    """End a quarantine; every replica calls the plugin again within two seconds. Whether there was one."""
    return bool(await tx.execute(REMOVE, plugin, QUARANTINED)) and await _noted(tx, "readmit", plugin, by)


async def enable(tx: Tx, plugin: str, by: str) -> bool:
    """End what `disable` began. Whether it was disabled."""
    return bool(await tx.execute(REMOVE, plugin, DISABLED)) and await _noted(tx, "enable", plugin, by)


async def _noted(tx: Tx, act: str, plugin: str, by: str, reason: str = "") -> bool:
    details = {"reason": reason} if reason else {}
    await audit.record(tx, actor=by, action=f"plugin.{act}", subject=f"plugin:{plugin}", details=details)
    return True
