"""What the statements of the kernel's own watch do."""

from core.store import watch
from tests.simulation.postgres import Meaning, Tables
from tests.simulation.storage import Outcome, Row, Txn


def ask(txn: Txn, tables: Tables) -> Outcome:
    return Outcome([Row({"read_only": False})])


def true(txn: Txn, tables: Tables) -> Outcome:
    return Outcome([Row({"true": True})])


MEANINGS: dict[str, Meaning] = {watch.ASK: ask, "SELECT true": true}
