"""What the probe plugin holds of people."""

from core.privacy.model import Fate, Holding, PersonalData, Step, Subject
from core.store.db import Tx
from core.types import UserId


def rows_by_name(forgotten: list[UserId]) -> PersonalData:
    """Rows that are named by a user's id. `forgotten` is told who was asked for."""

    async def export(tx: Tx, user_id: UserId) -> dict[str, str]:
        count = await tx.fetchval("SELECT count(*) FROM probes.rows WHERE name = $1", str(user_id))
        return {"rows": str(count)}

    async def erase(tx: Tx, subject: Subject) -> Step:
        await tx.execute("DELETE FROM probes.rows WHERE name = $1", str(subject.user_id))
        return Step.DONE

    async def elsewhere(user_id: UserId) -> None:
        forgotten.append(user_id)

    return PersonalData(
        holdings=[Holding("probes.rows", Fate.DELETED)], export=export, erase=erase, elsewhere=elsewhere
    )
