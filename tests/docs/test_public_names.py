"""Public names that neither a page nor a plugin of ours shows, each in an example of its own."""

import time
from uuid import UUID

import pytest

from core.context import deadline, remaining
from core.errors import FORBIDDEN, GONE, Problem
from core.events.model import EventMeta
from core.events.subscription import Handler, Subscription
from core.privacy.model import People
from core.store.db import Db, Tx
from core.testing import TestApp, sample
from core.types import UserId
from plugins.order.ports import OrderDelivered
from tests.people import Customer


async def arrived(tx: Tx, event: OrderDelivered, meta: EventMeta) -> None:
    assert meta.aggregate_id == str(event.order_id)


async def test_a_handler_takes_the_transaction_the_event_and_its_meta() -> None:
    handler: Handler = arrived
    event = sample(OrderDelivered)
    about = sample(EventMeta, aggregate_id=str(event.order_id))
    await Subscription("notes.arrivals", OrderDelivered, handler).handler(None, event, about)  # type: ignore[arg-type]  # not used


def test_a_call_to_a_provider_takes_what_the_deadline_leaves() -> None:
    token = deadline.set(time.monotonic() + 0.5)
    assert remaining(cap=3.0) < 0.5
    deadline.reset(token)
    assert remaining(cap=3.0) == 3.0


@pytest.mark.parametrize(("code", "status"), [(FORBIDDEN, 403), (GONE, 410)])
def test_a_refusal_has_its_code_and_public_details(code: type, status: int) -> None:
    with pytest.raises(Problem) as refused:
        raise Problem(code, details={"until": "2026-01-31"})  # type: ignore[arg-type]  # parametrised
    assert refused.value.code.status == status


class Nobody:
    """The owner of accounts, where there are none."""

    async def find(self, source: Tx | Db, who: str) -> UserId | None:
        return None

    async def close(self, tx: Tx, user_id: UserId) -> None:
        """Nothing to close."""

    async def reopen(self, tx: Tx, user_id: UserId) -> bool:
        return False


async def test_people_are_found_by_whoever_owns_accounts(app: TestApp, customer: Customer) -> None:
    people: People = Nobody()
    assert await people.find(app.db, str(UUID(int=customer.user_id.int))) is None
