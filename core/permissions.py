"""Rights that plugins name, and who has them.

    REFUND = Permission("payment.refund", "send money back", frozenset({Role.ADMIN}), fresh=True)

    Route(..., policy=needs(REFUND))

A shop may give a right to other roles of its staff than the plugin's author thought of:

    [permissions.roles]
    "payment.refund" = ["ADMIN", "SUPPORT"]
"""

from collections.abc import Iterable, Mapping, Sequence

import attrs

from core.auth import Role
from core.http.routing import Permission, Policy, Route
from core.settings import BadSettings

STAFF = frozenset({Role.ADMIN, Role.SUPPORT, Role.DELIVERY_PARTNER})


def needs(permission: Permission) -> Policy:
    """Only for who has this right now, by the database: whoever lost a role lost its rights with it."""
    return Policy(permission.roles, live=True, permission=permission)


class Granted:
    """Who has which right here: the settings' word before the author's."""

    def __init__(self, roles: Mapping[str, Sequence[str]]) -> None:
        """Raises BadSettings where a right is left to nobody, or to somebody who is not staff."""
        wrong = [name for name, given in roles.items() if not given or not STAFF.issuperset(given)]
        if wrong:
            raise BadSettings([f"permissions.roles.{name}: some of {', '.join(sorted(STAFF))}" for name in wrong])
        self._roles = {name: frozenset(map(Role, given)) for name, given in roles.items()}

    def applied(self, route: Route) -> Route:
        """The route as this shop has it."""
        permission = route.policy.permission
        if permission is None or (roles := self._roles.get(permission.name)) is None:
            return route
        return attrs.evolve(route, policy=attrs.evolve(route.policy, roles=roles))

    def check(self, routes: Iterable[Route], plugins: Iterable[str]) -> None:
        """Raises BadSettings for a right that its plugin, which is loaded, does not know: it is misspelt."""
        known = {route.policy.permission.name for route in routes if route.policy.permission}
        loaded = set(plugins)
        wrong = [name for name in self._roles if name not in known and name.partition(".")[0] in loaded]
        if wrong:
            there = ", ".join(sorted(known)) or "none"
            raise BadSettings([f"permissions.roles.{name}: there is {there}" for name in wrong])
