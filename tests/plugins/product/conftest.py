import pytest

from core.testing import TestApp
from tests.plugins.product.shelf import Shelf, new_shelf


@pytest.fixture
async def shelf(app: TestApp) -> Shelf:
    return await new_shelf(app)
