"""Checkout checks: every problem of every check, answered at once."""

from collections.abc import Mapping, Sequence

from core.errors import Problem
from core.extensions import Extensions
from core.isolation.guards import Guards
from plugins.order.contributions import CheckoutCheck, CheckoutProblem, Purchase
from plugins.order.ports import CHECKOUT_CHECKS
from plugins.order.pricing import Nonsense

BUDGET = 0.5
"""Seconds that one check of an optional plugin may take."""
REFUSALS = range(400, 500)
TOKENS_ONLY = 401
"""The app refreshes and signs out on it (CONTRACT A.1)."""


class Checks:
    """Asks what plugins contribute, one after the other."""

    def __init__(self, extensions: Extensions, guards: Guards) -> None:
        self._extensions, self._guards = extensions, guards

    async def refuse(self, purchase: Purchase) -> None:
        """Raise what stands against an order. One problem is answered as itself, several under the first's code."""
        found: list[CheckoutProblem] = []
        for one in self._extensions.of(CHECKOUT_CHECKS):
            optional = one.plugin in self._guards.optional
            try:
                found += await self._guards.call(
                    one.plugin,
                    CHECKOUT_CHECKS.name,
                    checked,
                    one.item,
                    purchase,
                    timeout=BUDGET if optional else None,
                )
            except Exception:
                if not optional:
                    raise
        if found:
            raise problem_of(found)


async def checked(check: CheckoutCheck, purchase: Purchase) -> Sequence[CheckoutProblem]:
    """What one check finds, or Nonsense."""
    found: object = await check(purchase)
    if not isinstance(found, Sequence):
        raise Nonsense("no list of problems")
    return [_sound(one) for one in found]


def _sound(one: object) -> CheckoutProblem:
    if not isinstance(one, CheckoutProblem):
        raise Nonsense("no problem")
    if one.code.status not in REFUSALS or one.code.status == TOKENS_ONLY:
        raise Nonsense("a problem's code is a 4xx, never 401")
    return one


def problem_of(found: Sequence[CheckoutProblem]) -> Problem:
    """The refusal: the first problem's, which says so, and with several all of them under `problems`."""
    first = found[0]
    details: dict[str, object] = dict(first.details or {})
    if len(found) > 1:
        details["problems"] = [_shown(one) for one in found]
    return Problem(first.code, first.message, details=details or None)


def _shown(one: CheckoutProblem) -> Mapping[str, object]:
    shown: dict[str, object] = {
        "code": one.code.name,
        "message": one.message or one.code.message,
        "remedy": one.remedy,
        "productId": None if one.product_id is None else str(one.product_id),
    }
    return shown | ({"details": dict(one.details)} if one.details else {})
