"""Cart checks: collected from plugins, and those that misbehave."""

import asyncio
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from core.extensions import Extends
from core.testing import TestApp
from core.types import UserId, uuid7
from plugins.cart.copies import Copies
from plugins.cart.ports import CART_CHECKS, CartCheck, CartContents, CartProblem
from plugins.cart.service import CartService
from plugins.product.ports import Catalog, ProductId
from tests.plugins.cart.conftest import Shopper, contributed

CART = CartContents(user_id=UserId(uuid7()), lines={})
LATE = CartProblem(code="SEASON_OVER", message="The season is over.", remedy="Come back in May.")


def checks(check: Any, plugin: str = "season") -> tuple[str, Extends[CartCheck]]:
    return plugin, Extends(CART_CHECKS, check)


async def late(_: CartContents) -> Sequence[CartProblem]:
    return [LATE]


async def test_problems_of_all_checks_come_together_in_the_plugins_order() -> None:
    async def full(cart: CartContents) -> Sequence[CartProblem]:
        return [attrs.evolve(LATE, code=f"LINES_{len(cart.lines)}")]

    problems, _ = contributed(checks(late), checks(full, "lorry"))
    assert [one.code for one in await problems.problems(CART)] == ["SEASON_OVER", "LINES_0"]


async def test_a_cart_that_another_plugin_objects_to_is_not_valid(
    app: TestApp, catalog: Catalog, shopper: Shopper, product: ProductId
) -> None:
    service = CartService(app.db, Copies(app.redis), catalog, contributed(checks(late))[0])
    await service.add(shopper.user_id, product, 1)
    answer = await service.check(shopper.user_id)
    assert (answer.valid, answer.invalid_items, answer.problems) == (False, (), (LATE,))
    assert [line.valid for line in answer.items] == [True]


async def raises(_: CartContents) -> Sequence[CartProblem]:
    raise ZeroDivisionError


async def hangs(_: CartContents) -> Sequence[CartProblem]:
    await asyncio.sleep(60)
    return ()


async def nothing(_: CartContents) -> None:
    """Forgets to answer."""


async def texts(_: CartContents) -> list[str]:
    return ["no"]


async def wordless(_: CartContents) -> Sequence[CartProblem]:
    return [CartProblem(code="X", message=None, remedy="")]  # type: ignore[arg-type]  # as untyped plugins may


@pytest.mark.parametrize("wrong", [raises, hangs, nothing, texts, wordless])
async def test_an_optional_plugins_check_that_fails_is_left_out_and_counted(
    wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.cart.checking.BUDGET", 0.02)
    problems, guards = contributed(checks(wrong), checks(late, "other"))
    for _ in range(guards.settings.failures):
        assert await problems.problems(CART) == (LATE,)
    assert not guards.available("season")
    assert await problems.problems(CART) == (LATE,)


async def test_a_required_plugins_check_that_fails_fails_the_answer() -> None:
    with pytest.raises(ZeroDivisionError):
        await contributed(checks(raises, "cart"))[0].problems(CART)
