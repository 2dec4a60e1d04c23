"""The alerts by what they watch, and every rule of the shop in `GROUPS`."""

from ops.prometheus.alerts import business, events, plugins, replicas, slo, stores
from ops.prometheus.model import Alert

GROUPS = (slo.GROUP, replicas.GROUP, stores.GROUP, events.GROUP, plugins.GROUP, business.GROUP)
ALERTS = tuple(rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert))
