"""Checkout checks: collected, answered at once, and those that misbehave."""

import asyncio
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from core.errors import Code, Problem
from core.extensions import Extends
from core.types import Paise
from plugins.order.checking import Checks, problem_of
from plugins.order.ports import CHECKOUT_CHECKS, CheckoutCheck, CheckoutProblem, Phase, Purchase
from plugins.order.pricing import Pricing
from tests.plugins.order.conftest import contributed
from tests.plugins.order.test_pricing import MANGO, adds, purchase

CHEAP = attrs.evolve(MANGO, unit_price=Paise(19_899))
NOT_HERE = Code("DELIVERY_AREA", 422, "We do not deliver to this place.")
PROBLEM = CheckoutProblem(code=NOT_HERE, remedy="Choose another address.", product_id=MANGO.product_id)


def checks(check: Any, *, plugin: str = "area") -> tuple[str, Extends[CheckoutCheck]]:
    return plugin, Extends(CHECKOUT_CHECKS, check)


async def refuses(_: Purchase) -> Sequence[CheckoutProblem]:
    return [PROBLEM]


async def refused(wish: Purchase, *others: tuple[str, Extends[Any]]) -> Problem | None:
    extensions, guards = contributed(*others)
    try:
        await Checks(extensions, guards).refuse(Pricing(extensions, guards).priced(wish))
    except Problem as problem:
        return problem
    return None


async def test_a_good_order_is_refused_by_nobody() -> None:
    assert await refused(purchase()) is None


async def test_one_problem_is_answered_as_itself() -> None:
    small = purchase(CHEAP)
    problem = await refused(small)
    assert problem is not None
    assert (problem.code.name, problem.details) == ("BIZ_006", {"minimumAmount": 199, "currentAmount": 198.99})
    problem = await refused(purchase(), checks(refuses))
    assert problem is not None
    assert (problem.code, problem.message, problem.details) == (NOT_HERE, NOT_HERE.message, None)


async def test_several_problems_are_answered_at_once_under_the_first_ones_code() -> None:
    small = purchase(CHEAP, coupon="FRESH10")
    problem = await refused(small, checks(refuses))
    assert problem is not None
    assert problem.code.name == "BIZ_007"
    assert problem.details is not None
    told: Any = problem.details["problems"]
    assert [one["code"] for one in told] == ["BIZ_007", "BIZ_006", "DELIVERY_AREA"]
    assert all(one["message"] and one["remedy"] for one in told)
    assert told[1]["details"] == {"minimumAmount": 199, "currentAmount": 198.99}
    assert told[2]["productId"] == str(MANGO.product_id)


async def test_details_of_the_first_problem_stay_its_own() -> None:
    first = CheckoutProblem(code=NOT_HERE, remedy="-", message="Not there.", details={"pinCode": "411001"})
    problem = problem_of([first, PROBLEM])
    assert problem.message == "Not there."
    assert problem.details is not None
    assert problem.details["pinCode"] == "411001"


async def test_a_coupon_that_a_line_redeems_is_no_problem() -> None:
    redeemed = adds(Phase.DISCOUNT, Paise(-100), coupon="FRESH10")
    assert await refused(purchase(coupon="FRESH10"), redeemed) is None


async def raises(_: Purchase) -> Sequence[CheckoutProblem]:
    raise ZeroDivisionError


async def hangs(_: Purchase) -> Sequence[CheckoutProblem]:
    await asyncio.sleep(60)
    return ()


async def nothing(_: Purchase) -> None:
    """Forgets to answer."""


async def texts(_: Purchase) -> list[str]:
    return ["no"]


async def signs_out(_: Purchase) -> Sequence[CheckoutProblem]:
    return [CheckoutProblem(code=Code("X", 401, "Sign in."), remedy="")]


async def breaks(_: Purchase) -> Sequence[CheckoutProblem]:
    return [CheckoutProblem(code=Code("X", 500, "Broken."), remedy="")]


@pytest.mark.parametrize("wrong", [raises, hangs, nothing, texts, signs_out, breaks])
async def test_an_optional_plugins_check_that_fails_blocks_nobody(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.order.checking.BUDGET", 0.02)
    extensions, guards = contributed(checks(wrong))
    checking, wish = Checks(extensions, guards), Pricing(extensions, guards).priced(purchase())
    for _ in range(guards.settings.failures):
        await checking.refuse(wish)
    assert not guards.available("area")
    await checking.refuse(wish)


async def test_a_required_plugins_check_that_fails_fails_the_order() -> None:
    extensions, guards = contributed(checks(raises, plugin="order"))
    with pytest.raises(ZeroDivisionError):
        await Checks(extensions, guards).refuse(Pricing(extensions, guards).priced(purchase()))
