"""Payments are taken out of a shop that has sold with them: first on paper, then for real."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from core.plugins import find
from core.testing import NewDatabase
from core.testing.running import settings_for
from tests.plugins.order.conftest import Buyer, body
from tests.plugins.payment.conftest import BUILT_IN, Till, opened_till
from tests.plugins.payment.sandbox.test_app import decided

WAIT = 15.0
Program = Callable[..., str]


@pytest.fixture(scope="module")
async def url(new_database: NewDatabase) -> str:
    """One shop, with payments and then without."""
    return await new_database()


@pytest.fixture(scope="module")
def program(url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """`vurksha plugins ...` as an operator runs it beside the shop."""
    env = os.environ | {
        "VURKSHA_ENV": "test", "VURKSHA_PLUGINS": ",".join(BUILT_IN), "DATABASE_URL": url, "REDIS_URL": redis_url,
        "DATA_DIR": str(tmp_path_factory.mktemp("operator")),
    }  # fmt: skip

    def call(*words: str) -> str:
        asked = [sys.executable, "-m", "core", "plugins", *words]
        done = subprocess.run(asked, env=env, cwd=Path.cwd(), capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


@pytest.fixture(scope="module")
def opened(url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The shop with some plugins, on the same database each time."""
    classes = dict(zip(BUILT_IN, find(BUILT_IN), strict=True))
    data = tmp_path_factory.mktemp("data")

    def open_shop(*names: str) -> AbstractAsyncContextManager[Till]:
        plugins = [classes[name] for name in names]
        return opened_till(settings_for(url, redis_url, data, plugins), plugins)

    return open_shop


async def paid_online(till: Till, buyer: Buyer) -> dict[str, Any]:
    order = await till.ordered(buyer, await till.shop.product())
    token = (await till.view(order, buyer))["toPay"]["page"].partition("#")[2]
    await decided(till, token, approve=True)
    return await till.status(order, buyer, "CONFIRMED")


async def until_status(till: Till, buyer: Buyer, order: dict[str, Any], status: int) -> None:
    """Until the replica has heard of it, which the operator was promised within two seconds."""
    end = time.monotonic() + WAIT
    while (await till.app.get(f"/payments/{order['id']}", as_=buyer)).status != status:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)


async def sold_on(till: Till, buyer: Buyer, old: dict[str, Any]) -> None:
    """Cash is taken, nothing else is, and what was paid online still says so."""
    mango = await till.shop.product()
    assert (await till.shop.ordered(buyer, mango, paymentMethod="COD"))["paymentMethod"] == "COD"
    refused = await till.shop.place(buyer, body(mango, 1, paymentMethod="UPI"))
    assert (refused.status, refused.code) == (422, "PAYMENT_METHOD"), refused.body
    kept = await till.shop.order(buyer, old["id"])
    told = ("paymentMethod", "paymentStatus", "status", "total", "orderNumber")
    assert {name: kept[name] for name in told} == {name: old[name] for name in told}
    assert kept["paymentStatus"] == "COMPLETED"


@pytest.mark.slow
async def test_the_shop_sells_on_without_payments(opened: Any, program: Program) -> None:
    async with opened(*BUILT_IN) as till:
        buyer = await till.shop.buyer()
        old = await paid_online(till, buyer)

        told = await asyncio.to_thread(program, "disable", "payment")
        assert "/payments/{order_id:uuid}/start" in told
        assert "order.payment_methods" in told
        assert "Nothing was changed." in told
        await paid_online(till, buyer)

        await asyncio.to_thread(program, "disable", "payment", "--reason", "the provider's contract ends", "--yes")
        await until_status(till, buyer, old, 503)
        answer = await till.app.get(f"/payments/{old['id']}", as_=buyer)
        assert (answer.code, answer.json["error"]["details"]) == ("SYS_002", {"plugin": "payment"})
        await sold_on(till, buyer, old)

        await asyncio.to_thread(program, "enable", "payment", "--yes")
        await until_status(till, buyer, old, 200)
        await paid_online(till, buyer)
        await asyncio.to_thread(program, "disable", "payment", "--yes")

    assert "Now take payment out of `plugins`" in await asyncio.to_thread(program, "uninstall", "payment", "--yes")
    async with opened(*(name for name in BUILT_IN if name != "payment")) as till:
        await sold_on(till, buyer, old)
        assert (await till.app.get(f"/payments/{old['id']}", as_=buyer)).status in {404, 503}
