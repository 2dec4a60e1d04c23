"""Cart checks: what the cart itself and other plugins have against ordering a cart as it is."""

from collections.abc import Sequence

import attrs

from core.extensions import Extends, Extensions
from core.isolation.guards import Guards
from plugins.cart.models import checked
from plugins.cart.ports import CART_CHECKS, CartCheck, CartContents, CartProblem
from plugins.product.ports import INSUFFICIENT_STOCK, Catalog

BUDGET = 0.5
"""Seconds that one check of an optional plugin may take."""


class Nonsense(ValueError):
    """What a check answered cannot be shown."""


class CartChecks:
    """Asks what plugins contribute, one after the other, in the plugins' order."""

    def __init__(self, extensions: Extensions, guards: Guards) -> None:
        self._extensions, self._guards = extensions, guards

    async def problems(self, cart: CartContents) -> tuple[CartProblem, ...]:
        """All of them. Raises what a check of a required plugin raises."""
        found: list[CartProblem] = []
        for one in self._extensions.of(CART_CHECKS):
            optional = one.plugin in self._guards.optional
            budget = BUDGET if optional else None
            try:
                found += await self._guards.call(one.plugin, CART_CHECKS.name, _asked, one.item, cart, timeout=budget)
            except Exception:
                if not optional:
                    raise
        return tuple(found)


async def _asked(check: CartCheck, cart: CartContents) -> Sequence[CartProblem]:
    found: object = await check(cart)
    if not isinstance(found, Sequence):
        raise Nonsense("no list of problems")
    return [_sound(one) for one in found]


def _sound(one: object) -> CartProblem:
    if not isinstance(one, CartProblem):
        raise Nonsense("no problem")
    if any(not isinstance(text, str) for text in (one.code, one.message, one.remedy)):
        raise Nonsense("code, message and remedy are texts")
    return one


@attrs.frozen
class InStock:
    """The cart's own check, contributed as any other: what is sold, in a quantity that is there."""

    catalog: Catalog

    def declared(self) -> Sequence[Extends[CartCheck]]:
        """For the hook `extends`."""
        return (Extends(CART_CHECKS, self.check),)

    async def check(self, cart: CartContents) -> Sequence[CartProblem]:
        """A problem for each line that could not be ordered."""
        lines = checked(cart.lines, self.catalog.many(cart.lines.keys())).invalid_items
        return [
            CartProblem(
                code=INSUFFICIENT_STOCK.name,
                message=INSUFFICIENT_STOCK.message,
                remedy="Change the quantity." if line.available else "Take it out of the cart.",
                product_id=line.product_id,
            )
            for line in lines
        ]
