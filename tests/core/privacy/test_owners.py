"""Owners that fail, hang or do not end: the others erase in time all the same (RELIABILITY 4.15)."""

from typing import Any

import attrs
import click
import pytest

from core.isolation.guards import Guards
from core.privacy.commands import Desk, export
from core.privacy.model import PersonalData
from core.settings import IsolationSettings
from core.store.db import Db
from tests.core.privacy.domains import Domain, left, privacy
from tests.core.privacy.erasing import due, state
from tests.forgetting import SETTLED


async def test_one_that_keeps_failing_is_named_and_put_aside_and_stops_no_erasure(
    db: Db, caplog: pytest.LogCaptureFixture
) -> None:
    """An optional plugin: what is required is erased in time, whatever it does (72 hours)."""
    users = [await due(db, base=5, top=5) for _ in range(7)]
    gift = Domain("gift", broken=True)
    guards = Guards(IsolationSettings(), ["gift"])
    worker = privacy(db, Domain("base"), gift, Domain("top"), guards=guards)
    await worker.erase_due()
    assert [await left(db, user, "base", "top") for user in users] == [[0, 0]] * 7
    states = [await state(db, user) for user in users]
    assert (
        states
        == [("erasing", ["top", "base", "kernel"], "gift: Fault")] * 5
        + [("erasing", ["top", "base", "kernel"], None)] * 2
    ), "who is put aside has not failed"
    assert guards.aside["gift"].reason == "personal_data: Fault, 5 failures in a row"
    assert len(gift.asked) == 5
    assert "failed at attempt 1: gift: Fault" in caplog.text
    gift.broken = False
    guards.follow({})
    for user in users:
        await db.command(SETTLED, user)
    await worker.erase_due()
    assert {(await state(db, user))[0] for user in users} == {"done"}


async def test_one_that_hangs_is_given_up_in_time(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.privacy.work.ANSWER", 0.05)
    user = await due(db, base=5, gift=25)
    guards = Guards(IsolationSettings(failures=1), ["gift"])
    await privacy(db, Domain("base"), Domain("gift", hangs=True), guards=guards).erase_one()
    assert await state(db, user) == ("erasing", ["base", "kernel"], "gift: Overran")
    assert await left(db, user, "base", "gift") == [0, 15], "what was done before stays done"
    assert not guards.available("gift")


async def test_one_that_never_comes_to_an_end_keeps_others_waiting_for_its_turn_only(
    db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.privacy.work.TURN", 0.05)
    user = await due(db, base=5)
    await privacy(db, Domain("base"), Domain("gift", endless=True)).erase_one()
    assert await state(db, user) == ("erasing", ["base", "kernel"], None)


def test_keys_that_several_name_are_emptied_together(db: Db) -> None:
    class Other(Domain):
        """Knows of another key."""

        def declared(self) -> PersonalData:
            return attrs.evolve(super().declared(), payloads={"parcel.lost": ("weight",)})

    *_, (_, kernel) = privacy(db, Domain("base"), Other("gift")).owners
    assert kernel.elsewhere.__self__._keys == ['["note"]', '["note","about","weight"]']  # type: ignore[attr-defined]  # a bound method has it


async def test_an_operator_is_told_who_a_copy_lacks(db: Db) -> None:
    class Everybody:
        """Is found."""

        async def find(self, _: object, who: str) -> str:
            return who

    people: Any = Everybody()
    desk = Desk(db, privacy(db, Domain("base"), Domain("gift", broken=True)), people)
    with pytest.raises(click.ClickException, match="there is no whole copy: gift: Fault"):
        await export(desk, "0190a1b2-0000-7000-8000-000000000000", print)
    lacking = privacy(db, Domain("base"))
    lacking._plugins.left_out["gift"] = "cannot be imported"
    with pytest.raises(click.ClickException, match="there is no whole copy: gift: left out"):
        await export(Desk(db, lacking, people), "0190a1b2-0000-7000-8000-000000000000", print)
