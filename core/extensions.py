"""Extension points: what a domain leaves open to other plugins, typed and named as ports are, but with many answers.

ADJUSTERS: Point[Adjuster] = Point("order.price_adjusters")        # in the `ports.py` of the domain that asks
return (Extends(ADJUSTERS, adjuster),)                             # from the hook `extends` of any plugin
for one in kernel.extensions.of(ADJUSTERS): ...                    # in the domain that asks, when it needs them
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen(eq=False)
class Point(Generic[T]):
    """The key of an extension point. Its name begins with that of the plugin that asks: `order.price_adjusters`."""

    name: str


@attrs.frozen
class Extends(Generic[T]):
    """One contribution to a point, as the hook `extends` returns it."""

    point: Point[T]
    item: T


@attrs.frozen
class Extension(Generic[T]):
    """A contribution, and the name of the plugin that made it."""

    plugin: str
    item: T


class Extensions:
    """Contributions by point, in dependency order of their plugins, and in the order in which each declared them."""

    def __init__(self, available: Callable[[str], bool] = lambda _: True) -> None:
        """`available` says of a plugin's name whether what it contributes may be used now."""
        self._available = available
        self._known: dict[Point[Any], list[Extension[Any]]] = {}
        self._sealed = False

    def add(self, plugin: str, extends: Extends[T]) -> None:
        """Register one contribution."""
        if self._sealed:
            raise RuntimeError(f"{extends.point.name}: contributions come from the hook `extends`")
        if not isinstance(extends, Extends):
            raise TypeError(f"a contribution is an Extends, not {type(extends).__name__}")
        self._known.setdefault(extends.point, []).append(Extension(plugin, extends.item))

    def of(self, point: Point[T]) -> Sequence[Extension[T]]:
        """What was contributed by plugins that are available now. Not before all plugins were asked."""
        if not self._sealed:
            raise RuntimeError(f"{point.name}: ask when the contributions are needed, not from the hook `provides`")
        return [one for one in self._known.get(point, ()) if self._available(one.plugin)]

    @property
    def all(self) -> Mapping[Point[Any], Sequence[Extension[Any]]]:
        """Everything that was contributed, also by plugins that are not available now."""
        return self._known

    @property
    def points(self) -> Sequence[Point[Any]]:
        """Those that somebody contributes to."""
        return [point for point, given in self._known.items() if given]

    def drop(self, plugin: str) -> None:
        """The kernel's: forget what a plugin contributed that is left out after all."""
        for point, given in self._known.items():
            self._known[point] = [one for one in given if one.plugin != plugin]

    def seal(self) -> None:
        """No more contributions."""
        self._sealed = True
