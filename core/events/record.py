"""Events as rows of the outbox: what a transaction writes for those it announces."""

from collections.abc import Sequence

from core.context import cause
from core.convert import dump_json, wire
from core.events.model import Event
from core.observe import tracing
from core.types import uuid7

SOURCE = "vurksha"
INSERT_EVENTS = "SELECT kernel.emit_all($1, $2, $3, $4, $5, $6, $7)"


def encode(events: Sequence[Event]) -> tuple[object, ...]:
    """The arguments of INSERT_EVENTS: one array per column, and the metadata that all share."""
    because = cause.get()
    metadata: dict[str, object] = {"correlationId": because.correlation_id or str(uuid7()), "source": SOURCE}
    if because.causation_id is not None:
        metadata["causationId"] = because.causation_id
    if tracing.armed is not None and (traceparent := tracing.carried()) is not None:
        metadata[tracing.TRACEPARENT] = traceparent
    about = next((user for event in events if (user := getattr(event, "user_id", None))), because.user_id)
    if about is not None:  # of an order, its owner, whoever of the staff or the house moved it (CONTRACT B.8)
        metadata["userId"] = about
    return (
        [uuid7() for _ in events],
        [event.event_type for event in events],
        [event.version for event in events],
        [event.aggregate_type for event in events],
        [str(getattr(event, event.aggregate_key)) for event in events],
        [wire.dump(event).decode() for event in events],
        dump_json(metadata).decode(),
    )
