"""What `app`, `kernel` and `sample` do: plugins chosen, the rest stood in for, events, people."""

from uuid import UUID

import pytest

from core.auth import SESSIONS, Role
from core.plugins import PluginError
from core.services import Port
from core.testing import Gate, NewKernel, sample
from core.testing.stand_ins import classes
from core.types import uuid7
from tests.core.events.samples import ParcelArrived, ParcelMoved
from tests.core.testing.domain.parcels import SCALES, FlatScales, Label, ParcelsPlugin, Size, Weight


async def test_a_kernel_loads_what_is_asked_for_and_stands_in_for_the_rest(kernel: NewKernel) -> None:
    app = await kernel([ParcelsPlugin], {SCALES: FlatScales()}, VURKSHA_HTTP__USER_RATE="7")
    assert {manifest.name for manifest in app.app.plugins.manifests} == {"scales", "parcels", "kernel_fakes"}
    assert app.app.settings.http.user_rate == 7
    assert (await app.get(f"/parcels/{uuid7()}/weight")).data == {"grams": 250}


async def test_a_port_that_nobody_stands_in_for_is_named(kernel: NewKernel) -> None:
    with pytest.raises(Exception, match=r"scales\.scales"):
        await kernel([ParcelsPlugin])


async def test_a_fake_beside_its_owner_gives_way_to_what_is_provided(kernel: NewKernel) -> None:
    spare: Port[str] = Port("parcels.spare")
    app = await kernel([ParcelsPlugin], {SCALES: FlatScales(), spare: "fake"})
    assert app.services.get(spare) == "fake"
    assert {one.name: one.requires for one in app.app.plugins.manifests}["parcels_fakes"] == ("parcels",)


async def test_a_person_has_a_role_and_a_session_that_a_test_may_end(kernel: NewKernel) -> None:
    app = await kernel([ParcelsPlugin], {SCALES: FlatScales()})
    admin, gate = app.person(Role.ADMIN), app.services.get(SESSIONS)
    principal = app.kernel.tokens.principal(f"Bearer {admin.token}")
    assert await gate.require(app.db, principal) is Role.ADMIN
    assert isinstance(gate, Gate)
    gate.ended.add(admin.session_id)
    assert (await app.post("/parcels/names/mine", as_=admin)).code == "AUTH_004"
    with pytest.raises(Exception, match="session"):
        await gate.require(app.db, principal)


async def test_what_is_announced_reaches_the_consumers_and_can_be_read_back(kernel: NewKernel) -> None:
    app, parcel = await kernel([ParcelsPlugin], {SCALES: FlatScales()}), uuid7()
    moved = [ParcelMoved(parcel_id=parcel, step_number=number) for number in (1, 2)]
    await app.announce(*moved, ParcelArrived(parcel_id=parcel))
    assert await app.db.fetchval("SELECT parcel_id FROM parcels.arrived") == parcel
    assert await app.emitted(ParcelMoved, of=parcel) == moved
    assert await app.emitted(ParcelMoved, of=uuid7()) == []


def test_a_sample_has_a_plausible_value_for_each_field() -> None:
    label = sample(Label, note="given")
    assert isinstance(label.parcel_id, UUID)
    assert isinstance(label.sender, UUID)
    assert (label.grams, label.weight) == (1, 1.0)
    assert (label.size, label.weights, label.names, label.note) == (Size.SMALL, [1], ("text",), "given")
    assert (label.extra, label.label) == ({}, Weight(grams=1))


def test_plugins_are_named_or_given() -> None:
    cart, parcels = classes(["cart", ParcelsPlugin])
    assert (cart.__name__, parcels) == ("CartPlugin", ParcelsPlugin)
    with pytest.raises(PluginError, match="nosuch"):
        classes(["nosuch"])
