"""Two small plugins: one keeps parcels, badly or well; the other needs it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol
from uuid import UUID

import attrs

from core.events.model import EventMeta
from core.events.subscription import Subscription
from core.hookspecs import hookimpl
from core.http.fields import Whole
from core.http.routing import PUBLIC, USER, Call, Repeat, Route
from core.kernel import Kernel, Manifest
from core.services import Port, Provided
from core.store.db import Tx
from core.types import UserId, uuid7
from tests.core.events.samples import ParcelArrived


class Scales(Protocol):
    def weigh(self, parcel_id: UUID) -> int: ...


SCALES: Port[Scales] = Port("scales.scales")


class Size(StrEnum):
    SMALL = "small"


@attrs.frozen(kw_only=True)
class Label:
    """One of every kind of field."""

    parcel_id: UUID
    sender: UserId
    grams: Annotated[int, Whole(1, 9)]
    weight: float | None
    size: Size
    weights: list[int]
    names: tuple[str, ...]
    note: str | None
    extra: Mapping[str, str]
    label: "Weight"


@attrs.frozen(kw_only=True)
class Weight:
    grams: int = 7


@attrs.frozen(kw_only=True)
class Seen:
    grams: int


ONCE = "INSERT INTO parcels.arrived (parcel_id) VALUES ($1) ON CONFLICT DO NOTHING"
EACH = "INSERT INTO parcels.log (id, parcel_id) VALUES ($1, $2)"


class ParcelsPlugin:
    """Each handler and route as it should be."""

    manifest: ClassVar = Manifest(
        name="parcels", version="1.0.0", schema="parcels", requires=("scales",), events=("parcel",)
    )
    folder = "parcels_migrations"

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        self._scales = kernel.services.get(SCALES)
        return ()

    @hookimpl
    def migrations(self) -> Path:
        return Path(__file__).parent / self.folder

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return (Subscription("parcels.book", ParcelArrived, self.book),)

    @hookimpl
    def routes(self) -> Sequence[Route]:
        return (
            Route(
                method="GET",
                path="/parcels/{parcel_id:uuid}/weight",
                policy=PUBLIC,
                handler=self.weight,
                answer=Seen,
                summary="Weigh",
            ),
            Route(
                method="POST",
                path="/parcels/names/{name}",
                policy=USER,
                handler=self.weight,
                answer=Seen,
                summary="Name",
                repeat=Repeat.NATURAL,
            ),
        )

    async def book(self, tx: Tx, event: ParcelArrived, _: EventMeta) -> None:
        await tx.execute(ONCE, event.parcel_id)

    async def weight(self, call: Call[None, None]) -> Seen:
        return Seen(grams=self._scales.weigh(call.uuid("parcel_id")))


class ForgetfulPlugin(ParcelsPlugin):
    """Writes another row at each delivery, emits again, and does not say what becomes of its people."""

    async def book(self, tx: Tx, event: ParcelArrived, _: EventMeta) -> None:
        await tx.execute(EACH, uuid7(), event.parcel_id)

    folder = "forgetful_migrations"


class FlatScales:
    def weigh(self, parcel_id: UUID) -> int:
        return 250
