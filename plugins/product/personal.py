"""Personal data of the catalogue: reviews. Answers that show one are made anew within minutes (RELIABILITY 4.15)."""

from typing import TYPE_CHECKING

from core.privacy.model import BATCH, Fate, Holding, PersonalData, Step, Subject
from core.types import UserId
from plugins.product import personal_queries

if TYPE_CHECKING:
    from core.store.db import Tx

HOLDINGS = (Holding("products.reviews", Fate.DELETED),)


async def export(tx: "Tx", user_id: UserId) -> dict[str, str]:
    """What the user wrote."""
    return {"reviews": await personal_queries.copy(tx, user_id)}


async def erase(tx: "Tx", subject: Subject) -> Step:
    """The reviews; a product's rating is a number of its own and stays."""
    deleted = await personal_queries.delete(tx, subject.user_id, BATCH)
    return Step.MORE if deleted == BATCH else Step.DONE


PERSONAL_DATA = PersonalData(holdings=HOLDINGS, export=export, erase=erase)
