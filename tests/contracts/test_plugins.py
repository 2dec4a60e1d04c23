"""What every plugin has to keep, kept by our own."""

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from core.testing import Fakes, NewDatabase, PluginContract, TestApp, running, settings_for
from plugins.cart.plugin import CartPlugin
from plugins.notification.plugin import NotificationPlugin
from plugins.order.plugin import OrderPlugin
from plugins.payment.plugin import PaymentPlugin
from plugins.product.plugin import ProductPlugin
from plugins.user.plugin import UserPlugin
from plugins.user.ports import CODE_SENDER

pytestmark = pytest.mark.slow


class NoSender:
    """Takes codes nowhere, where notifications are absent."""

    async def send(self, phone: str, code: str, expires_in: int) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def fakes() -> Fakes:
    return {CODE_SENDER: NoSender()}


@pytest.fixture(scope="module")
async def app(
    plugins: list[type], new_database: NewDatabase, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TestApp]:
    """One in which nothing else goes on: rows are compared."""
    settings = settings_for(await new_database(), redis_url, tmp_path_factory.mktemp("plugins"), plugins)
    async with running(settings, plugins) as started:
        yield started


class TestUser(PluginContract):
    plugin = UserPlugin
    rows: ClassVar = {"accounts": "INSERT INTO users.accounts (id, phone) VALUES (gen_random_uuid(), '+919876543210')"}


class TestProduct(PluginContract):
    plugin = ProductPlugin
    about_things = ("products.products", "products.banners", "products.inventory_log")


class TestCart(PluginContract):
    plugin = CartPlugin


class TestOrder(PluginContract):
    plugin = OrderPlugin


class TestNotification(PluginContract):
    plugin = NotificationPlugin


class TestPayment(PluginContract):
    plugin = PaymentPlugin
