"""Pricing: every price adjuster in its phase, each line explained. Pure, from the catalogue's prices to the total."""

import re
from collections.abc import Sequence

import attrs

from core.extensions import Extension, Extensions
from core.isolation.guards import Guards
from plugins.order.contributions import Charge, Explained, Phase, PriceAdjuster, Purchase
from plugins.order.ports import PRICE_ADJUSTERS

RANK = {phase: rank for rank, phase in enumerate(Phase)}
A_RUPEE = 100
MOST_LINES = 50
"""That one adjuster may add."""
LONGEST = 100
CODE = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")


class Nonsense(ValueError):
    """What a contribution answered cannot be used."""


class Pricing:
    """Bills from what plugins contribute; available ones only, in an order that is always the same."""

    def __init__(self, extensions: Extensions, guards: Guards) -> None:
        self._extensions, self._guards = extensions, guards

    def priced(self, purchase: Purchase) -> Purchase:
        """The purchase with all its explained lines. Raises what an adjuster of a required plugin raises."""
        for one in sorted(self._extensions.of(PRICE_ADJUSTERS), key=lambda one: RANK[one.item.phase]):
            try:
                purchase = self._guards.pure(one.plugin, PRICE_ADJUSTERS.name, adjusted, one, purchase)
            except Exception:
                if one.plugin not in self._guards.optional:
                    raise
        return purchase


def adjusted(one: Extension[PriceAdjuster], purchase: Purchase) -> Purchase:
    """The purchase with what one adjuster adds, or Nonsense."""
    phase = one.item.phase
    answer: object = one.item.adjust(purchase)
    if not isinstance(answer, Sequence) or len(answer) > MOST_LINES:
        raise Nonsense("no short list of charges")
    charges = [_sound(charge, purchase) for charge in answer]
    explained = tuple(Explained(phase=phase, plugin=one.plugin, charge=charge) for charge in charges)
    after = attrs.evolve(purchase, charges=(*purchase.charges, *explained))
    _check_sums(phase, after)
    return after


def _sound(charge: object, purchase: Purchase) -> Charge:
    """A charge that is what its class says, or Nonsense: plugins are not bound to run under a type checker."""
    if not isinstance(charge, Charge):
        raise Nonsense("no charge")
    if type(charge.amount) is not int:
        raise Nonsense("an amount is whole paise")
    if not CODE.fullmatch(charge.code):
        raise Nonsense("a code is lower-case words")
    if not 0 < len(charge.label) <= LONGEST:
        raise Nonsense("a label is a short text")
    if charge.product_id is not None and all(charge.product_id != item.product_id for item in purchase.items):
        raise Nonsense("no line of this purchase")
    if charge.coupon is not None and charge.coupon != purchase.coupon:
        raise Nonsense("another coupon than the customer's")
    return charge


def _check_sums(phase: Phase, after: Purchase) -> None:
    came_to = after.sum_of(phase)
    wrong = {Phase.DISCOUNT: came_to > 0, Phase.ROUNDING: abs(came_to) >= A_RUPEE}.get(phase, came_to < 0)
    if wrong:
        raise Nonsense(f"{phase} cannot come to {came_to} paise")
    if after.total < 0:
        raise Nonsense("the total falls below zero")
