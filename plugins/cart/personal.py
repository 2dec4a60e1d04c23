"""Personal data of the cart: its row, for a while a doubt, and its copy in Redis (RELIABILITY 4.15)."""

from typing import TYPE_CHECKING

from core.privacy.model import Fate, Holding, PersonalData, Step, Subject
from core.types import UserId
from plugins.cart import personal_queries

if TYPE_CHECKING:
    from core.store.db import Tx
    from plugins.cart.copies import Copies

HOLDINGS = (Holding("carts.carts", Fate.DELETED), Holding("carts.doubts", Fate.DELETED))


def personal_data(copies: "Copies") -> PersonalData:
    """For the hook. Without Redis an erasure waits: a copy there may live for 7 days."""

    async def export(tx: "Tx", user_id: UserId) -> dict[str, str]:
        return {"lines": await personal_queries.copy(tx, user_id)}

    async def erase(tx: "Tx", subject: Subject) -> Step:
        await personal_queries.delete(tx, subject.user_id)
        return Step.DONE

    return PersonalData(holdings=HOLDINGS, export=export, erase=erase, elsewhere=copies.erase)
