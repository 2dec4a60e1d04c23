from uuid import UUID

import orjson
import pytest

from core.context import Cause, cause
from core.events.record import encode
from core.store.db import Db
from core.types import uuid7
from tests.core.events.relaying import unpublished
from tests.core.events.samples import ParcelArrived, ParcelMoved


def test_an_event_is_encoded_as_the_app_reads_it() -> None:
    parcel, user, because = uuid7(), uuid7(), uuid7()
    token = cause.set(Cause("request-1", user, because))
    ids, types, versions, kinds, keys, payloads, metadata = encode([ParcelMoved(parcel_id=parcel, step_number=3)])
    cause.reset(token)
    assert isinstance(ids, list)
    assert isinstance(ids[0], UUID)
    assert (types, versions, kinds, keys) == (["parcel.moved"], [1], ["parcel"], [str(parcel)])
    assert isinstance(payloads, list)
    assert orjson.loads(payloads[0]) == {"parcelId": str(parcel), "stepNumber": 3}
    assert isinstance(metadata, str)
    assert orjson.loads(metadata) == {
        "correlationId": "request-1",
        "causationId": str(because),
        "userId": str(user),
        "source": "vurksha",
    }


def test_an_event_without_a_request_gets_a_correlation_id_of_its_own() -> None:
    metadata = encode([ParcelArrived(parcel_id=uuid7())])[-1]
    assert isinstance(metadata, str)
    found = orjson.loads(metadata)
    assert set(found) == {"correlationId", "source"}
    assert UUID(found["correlationId"]).version == 7


async def test_a_transaction_that_fails_announces_nothing(kernel_db: Db) -> None:
    with pytest.raises(ValueError, match="no"):  # noqa: PT012  the block is the transaction
        async with kernel_db.transaction() as tx:
            tx.emit(ParcelArrived(parcel_id=uuid7()))
            raise ValueError("no")
    assert await unpublished(kernel_db) == 0
