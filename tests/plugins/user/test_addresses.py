import asyncio
from collections.abc import Sequence
from uuid import UUID

import attrs
import pytest

from core.errors import Problem
from core.types import UserId, uuid7
from plugins.user.address_queries import AddressRows
from plugins.user.models import AddressDraft, AddressPatch
from plugins.user.ports import AddressView
from tests.plugins.user.conftest import House
from tests.plugins.user.test_models import DRAFT


async def owner(house: House) -> UserId:
    """A new customer."""
    return UserId((await house.sign_in()).account.id)


async def add(house: House, user_id: UserId, line1: str = "1 MG Road", *, default: bool = False) -> AddressView:
    """Save an address."""
    draft: AddressDraft = attrs.evolve(DRAFT, line1=line1)
    async with house.db.transaction() as tx:
        return await house.addresses.add(tx, user_id, draft, is_default=default)


async def change(
    house: House, user_id: UserId, address_id: UUID, patch: AddressPatch, *, default: bool | None = None
) -> AddressView:
    """Change an address."""
    async with house.db.transaction() as tx:
        return await house.addresses.change(tx, user_id, address_id, patch, is_default=default)


async def make_default(house: House, user_id: UserId, address_id: UUID) -> AddressView:
    """Make an address the default."""
    async with house.db.transaction() as tx:
        return await house.addresses.make_default(tx, user_id, address_id)


async def delete(house: House, user_id: UserId, address_id: UUID) -> None:
    """Delete an address."""
    async with house.db.transaction() as tx:
        await house.addresses.delete(tx, user_id, address_id)


def defaults(views: Sequence[AddressView]) -> list[str]:
    """First lines of default addresses."""
    return [view.line1 for view in views if view.is_default]


async def test_the_first_address_becomes_the_default_and_the_next_does_not(house: House) -> None:
    user_id = await owner(house)
    assert (await add(house, user_id, "a")).is_default
    assert not (await add(house, user_id, "b")).is_default
    assert (await add(house, user_id, "c", default=True)).is_default
    assert [view.line1 for view in await house.addresses.all(user_id)] == ["c", "b", "a"]
    assert defaults(await house.addresses.all(user_id)) == ["c"]


async def test_the_same_address_within_a_minute_is_the_same_address(house: House) -> None:
    user_id = await owner(house)
    first = await add(house, user_id)
    assert await add(house, user_id) == first
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE users.addresses SET created_at = created_at - interval '61 s' WHERE id = $1", first.id)
    assert (await add(house, user_id)).id != first.id


async def test_the_eleventh_address_is_refused_even_when_all_come_at_once(house: House) -> None:
    user_id = await owner(house)
    saved = await asyncio.gather(*(add(house, user_id, f"{i}") for i in range(14)), return_exceptions=True)
    refused = [outcome for outcome in saved if isinstance(outcome, Problem)]
    assert len(refused) == 4
    assert {(p.code.name, p.code.status) for p in refused} == {("VAL_002", 400)}
    assert len(await house.addresses.all(user_id)) == 10


async def test_there_is_exactly_one_default_whatever_happens_at_once(house: House) -> None:
    user_id = await owner(house)
    saved = [await add(house, user_id, f"{i}") for i in range(6)]
    await asyncio.gather(
        *(make_default(house, user_id, view.id) for view in saved[:5]),
        *(change(house, user_id, view.id, AddressPatch(), default=True) for view in saved[:5]),
        delete(house, user_id, saved[5].id),
        *(add(house, user_id, f"more {i}", default=True) for i in range(3)),
    )
    assert len(defaults(await house.addresses.all(user_id))) == 1


async def test_deleting_the_default_promotes_the_newest_other(house: House) -> None:
    user_id = await owner(house)
    first = await add(house, user_id, "a")
    await add(house, user_id, "b")
    newest = await add(house, user_id, "c")
    await delete(house, user_id, first.id)
    assert defaults(await house.addresses.all(user_id)) == ["c"]
    await delete(house, user_id, first.id)
    await delete(house, user_id, newest.id)
    assert defaults(await house.addresses.all(user_id)) == ["b"]


async def test_deleting_the_last_one_leaves_none(house: House) -> None:
    user_id = await owner(house)
    only = await add(house, user_id)
    await delete(house, user_id, only.id)
    assert await house.addresses.all(user_id) == []
    assert (await add(house, user_id, "new")).is_default


async def test_a_change_keeps_what_was_not_given_and_never_loses_the_default(house: House) -> None:
    user_id = await owner(house)
    first = await add(house, user_id)
    changed = await change(house, user_id, first.id, AddressPatch(city="Mumbai"), default=False)
    assert (changed.city, changed.line1, changed.is_default) == ("Mumbai", first.line1, True)
    assert changed.updated_at > first.updated_at
    assert changed.created_at == first.created_at


async def test_somebody_elses_address_does_not_exist(house: House) -> None:
    mine, theirs = await owner(house), await owner(house)
    view = await add(house, theirs)
    for attempt in (
        house.addresses.one(mine, view.id),
        change(house, mine, view.id, AddressPatch(city="x")),
        make_default(house, mine, view.id),
        delete(house, mine, view.id),
        house.addresses.one(mine, uuid7()),
    ):
        with pytest.raises(Problem) as caught:
            await attempt
        assert caught.value.code.name == "RES_001"
    assert await house.addresses.one(theirs, view.id) == view
    assert await AddressRows().find(house.db, mine, view.id) is None


async def test_a_deactivated_account_saves_no_address(house: House) -> None:
    done = await house.sign_in()
    await house.users.delete(house.principal(done))
    with pytest.raises(Problem) as caught:
        await add(house, UserId(done.account.id))
    assert caught.value.code.name == "AUTH_004"
