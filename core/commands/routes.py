"""Routes, as operators see them."""

from collections.abc import Iterable

from core.http.routing import Route

FEW = 2
"""Roles that are named; more of them are whoever is signed in."""


def in_order(routes: Iterable[Route]) -> list[Route]:
    """By path, then method."""
    return sorted(routes, key=lambda route: (route.path, route.method))


def who(route: Route) -> str:
    """Who may call it."""
    roles = route.policy.roles
    if roles is None:
        return "public"
    return "user" if len(roles) > FEW else "/".join(sorted(roles))
