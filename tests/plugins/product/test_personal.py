"""Reviews of people who are erased (RELIABILITY 4.15)."""

import orjson

from core.privacy.model import Step, Subject
from core.testing import TestApp
from core.types import UserId, uuid7
from plugins.product.personal import PERSONAL_DATA
from tests.plugins.product.shelf import new_shelf

REVIEW = """INSERT INTO products.reviews (id, product_id, user_id, user_name, rating, comment, is_approved)
    VALUES ($1, $2, $3, $4, 4, 'sweet', true) RETURNING id"""


async def test_a_review_is_copied_for_its_author_and_goes_with_them(app: TestApp) -> None:
    shelf, asha, other = await new_shelf(app), UserId(uuid7()), UserId(uuid7())
    product = await shelf.product()
    for user, name in ((asha, "Asha"), (other, "Ravi")):
        await app.db.command(REVIEW, uuid7(), product, user, name)
    async with app.db.transaction() as tx:
        (copied,) = orjson.loads((await PERSONAL_DATA.export(tx, asha))["reviews"])
        assert await PERSONAL_DATA.erase(tx, Subject(asha, final=False)) is Step.DONE
    assert (copied["name"], copied["rating"], copied["comment"]) == ("Asha", 4, "sweet")
    left = await app.db.fetch("SELECT user_name FROM products.reviews WHERE product_id = $1", product)
    assert [row["user_name"] for row in left] == ["Ravi"]
