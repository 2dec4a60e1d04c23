"""The typed registry through which one domain reaches another's port."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

import attrs

T = TypeVar("T")


@attrs.frozen(eq=False)
class Port(Generic[T]):
    """The key of a port: `CATALOG: Port[Catalog] = Port("product.catalog")`, declared in the owner's `ports.py`."""

    name: str


@attrs.frozen
class Provided(Generic[T]):
    """An implementation for a port, as the hook `provides` returns it."""

    port: Port[T]
    implementation: T


class PortMissing(LookupError):
    """Nobody provides the port that was asked for."""


class Services:
    """Ports by key, filled plugin by plugin in dependency order and sealed before the first request."""

    def __init__(self) -> None:
        self._known: dict[Port[Any], object] = {}
        self._owners: dict[Port[Any], str] = {}
        self._sealed = False

    def add(self, provided: Provided[T], owner: str = "kernel") -> None:
        """Register one implementation. A port has exactly one. `owner` is the name of the plugin that provides it."""
        if self._sealed:
            raise RuntimeError(f"{provided.port.name}: the registry is sealed, provide ports from the hook `provides`")
        if provided.port in self._known:
            raise RuntimeError(f"{provided.port.name} is provided twice")
        self._known[provided.port] = provided.implementation
        self._owners[provided.port] = owner

    def get(self, port: Port[T]) -> T:
        """The implementation of a port; raises PortMissing with its name."""
        try:
            return cast("T", self._known[port])
        except KeyError:
            raise PortMissing(f"nobody provides the port {port.name}") from None

    def has(self, port: Port[Any]) -> bool:
        """Whether someone provides the port."""
        return port in self._known

    @property
    def owners(self) -> Mapping[Port[Any], str]:
        """Who provides which port: a plugin's name, or `kernel`."""
        return self._owners

    def drop(self, owner: str) -> None:
        """The kernel's: forget what a plugin provided that is left out after all."""
        for port in [port for port, name in self._owners.items() if name == owner]:
            del self._known[port], self._owners[port]

    def seal(self) -> None:
        """No more registrations."""
        self._sealed = True
