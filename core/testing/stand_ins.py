"""What stands in a test for plugins that are not loaded: their names, their ports, and somebody who knows sessions."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from core.auth import SESSIONS, Principal, Role
from core.errors import SESSION_EXPIRED, Problem
from core.hookspecs import hookimpl
from core.kernel import Kernel, Manifest
from core.plugins import find, manifest_of
from core.services import Port, Provided
from core.store.db import Db, Tx

Fakes = Mapping[Port[Any], object]
"""Implementations for ports whose owner is not loaded."""
NOTHING: Fakes = MappingProxyType({})
KERNEL = "kernel"
"""Ports that the kernel itself asks for; only required plugins may provide them."""


class Gate:
    """Sessions without accounts: each lives, in the role of its token, until a test ends it."""

    def __init__(self) -> None:
        self.ended: set[UUID] = set()
        self.stale: set[UUID] = set()
        """Sessions that began long ago."""

    async def require(self, _: Tx | Db, principal: Principal) -> Role:
        """The token's own role."""
        if principal.session_id in self.ended:
            raise Problem(SESSION_EXPIRED)
        return principal.role

    async def recent(self, _: Tx | Db, principal: Principal, _seconds: float) -> bool:
        """Unless the test says otherwise."""
        return principal.session_id not in self.stale

    def revoked(self, session_id: UUID) -> bool:
        """Ended by the test."""
        return session_id in self.ended


class StandIn:
    """A plugin that is there by name only, and provides what it is given."""

    def __init__(
        self, name: str, fakes: Fakes = NOTHING, *, requires: tuple[str, ...] = (), required: bool = False
    ) -> None:
        self.manifest = Manifest(name=name, version="0", schema=name, requires=requires, required=required)
        self._fakes = dict(fakes)

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """What is given, but for ports that somebody else provides already."""
        return [Provided(port, one) for port, one in self._fakes.items() if not kernel.services.has(port)]


def classes(plugins: Sequence[type | str]) -> list[type]:
    """Plugin classes, those given by name found by their entry points."""
    return [one for each in plugins for one in (find([each]) if isinstance(each, str) else [each])]


def completed(plugins: Sequence[object], fakes: Fakes) -> list[object]:
    """These plugins, and stand-ins for all that they lean on; the last knows sessions, should nobody else do so.

    A fake is provided by the stand-in of its owner, the first part of its port's name; beside an owner that is loaded,
    by a stand-in that comes after it.
    """
    manifests = [manifest_of(plugin) for plugin in plugins]
    there = {manifest.name for manifest in manifests}
    owned: dict[str, dict[Port[Any], object]] = {KERNEL: {}}
    for port, one in fakes.items():
        owned.setdefault(port.name.partition(".")[0], {})[port] = one
    absent = sorted(({name for manifest in manifests for name in manifest.requires} | set(owned)) - there - {KERNEL})
    beside = [StandIn(f"{name}_fakes", owned[name], requires=(name,)) for name in sorted(there & set(owned))]
    kernel = StandIn("kernel_fakes", {SESSIONS: Gate(), **owned[KERNEL]}, required=True)
    return [*(StandIn(name, owned.get(name, NOTHING)) for name in absent), *plugins, *beside, kernel]
