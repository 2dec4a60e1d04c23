"""The order domain's own rules, contributed as any plugin's are: delivery fee, minimum order, moves, cash."""

from collections.abc import Sequence
from typing import Any

from core.extensions import Extends, Extensions
from core.isolation.guards import Guards
from core.types import Paise, rupees
from plugins.order.contributions import Charge, CheckoutProblem, PaymentMethods, Phase, PriceAdjuster, Purchase
from plugins.order.models import DELIVERY, GOODS, OrderSettings
from plugins.order.ports import (
    CHECKOUT_CHECKS,
    COUPON_INVALID,
    METHOD_NOT_OFFERED,
    MINIMUM_NOT_MET,
    ORDER_TRANSITIONS,
    PAYMENT_METHODS,
    PRICE_ADJUSTERS,
)
from plugins.order.standing import Method
from plugins.order.transitions import BUILT_IN


class BuiltIn:
    """What the order domain contributes to its own points."""

    def __init__(self, terms: OrderSettings, extensions: Extensions, guards: Guards) -> None:
        self._terms, self._extensions, self._guards = terms, extensions, guards

    def declared(self) -> Sequence[Extends[Any]]:
        """For the hook `extends`."""
        return (
            Extends(PRICE_ADJUSTERS, PriceAdjuster(phase=Phase.BASE, adjust=self.goods)),
            Extends(PRICE_ADJUSTERS, PriceAdjuster(phase=Phase.FEE, adjust=self.delivery)),
            Extends(CHECKOUT_CHECKS, self.coupon),
            Extends(CHECKOUT_CHECKS, self.minimum),
            Extends(CHECKOUT_CHECKS, self.method),
            Extends(PAYMENT_METHODS, AtTheDoor()),
            *(Extends(ORDER_TRANSITIONS, transition) for transition in BUILT_IN),
        )

    def goods(self, purchase: Purchase) -> Sequence[Charge]:
        """The items at the catalogue's prices."""
        return (Charge(code=GOODS, label="Items", amount=Paise(sum(item.total for item in purchase.items))),)

    def delivery(self, purchase: Purchase) -> Sequence[Charge]:
        """Free from an amount on."""
        if purchase.subtotal >= self._terms.free_delivery_paise:
            return ()
        return (Charge(code=DELIVERY, label="Delivery", amount=Paise(self._terms.delivery_fee_paise)),)

    async def coupon(self, purchase: Purchase) -> Sequence[CheckoutProblem]:
        """A coupon that changes nothing is not silently lost."""
        if not purchase.coupon or any(one.charge.coupon for one in purchase.charges):
            return ()
        return (CheckoutProblem(code=COUPON_INVALID, remedy="Order without this coupon."),)

    async def minimum(self, purchase: Purchase) -> Sequence[CheckoutProblem]:
        """Small orders cost more to bring than they earn."""
        least, current = self._terms.minimum_paise, purchase.subtotal
        if current >= least:
            return ()
        details = {"minimumAmount": rupees(least), "currentAmount": rupees(current)}
        remedy = f"Add items for Rs. {rupees(least - current):.2f} more."
        return (CheckoutProblem(code=MINIMUM_NOT_MET, remedy=remedy, details=details),)

    async def method(self, purchase: Purchase) -> Sequence[CheckoutProblem]:
        """Only what somebody can collect now."""
        if any(self._offers(one.plugin, one.item, purchase.method) for one in self._extensions.of(PAYMENT_METHODS)):
            return ()
        remedy = "Pay cash on delivery, or try again later."
        return (CheckoutProblem(code=METHOD_NOT_OFFERED, remedy=remedy, details={"method": purchase.method.value}),)

    def _offers(self, plugin: str, methods: PaymentMethods, method: Method) -> bool:
        try:
            return self._guards.pure(plugin, PAYMENT_METHODS.name, _collects, methods, method)
        except Exception:
            if plugin in self._guards.optional:
                return False
            raise


def _collects(methods: PaymentMethods, method: Method) -> bool:
    return method.value in methods.offered()


class AtTheDoor:
    """Cash on delivery: nobody has to collect it online."""

    def offered(self) -> frozenset[str]:
        """Always."""
        return frozenset({Method.COD.value})
