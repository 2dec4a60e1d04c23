"""`vurksha privacy`, as an operator uses it beside a shop that serves."""

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest
from click.testing import CliRunner, Result

from core.app import App
from core.kernel import Kernel
from core.privacy.commands import privacy_command
from core.testing import TestApp
from core.testing.stand_ins import StandIn
from core.types import uuid7
from plugins.cart.copies import Copies
from tests.forgetting import STATE, begun, erased, go_on, holding
from tests.people import Customer, NewCustomer, sign_in

AUDIT = "SELECT action, actor, subject FROM kernel.audit WHERE subject = $1 ORDER BY number"
PLACES = "INSERT INTO users.accounts (id, phone, name) VALUES ($1, $2, 'Back Again') RETURNING id"


@attrs.frozen
class Terminal:
    """Runs the commands as the program does: on an app of their own that is not started, on a loop of their own."""

    app: App

    def _on_kernel(self, work: Callable[[Kernel], Awaitable[None]]) -> None:
        beside = App(self.app.settings, [type(one)() for one in self.app.plugins.all if not isinstance(one, StandIn)])

        async def main() -> None:
            await beside.db.pool.open()
            try:
                await work(beside.kernel)
            finally:
                await beside.db.pool.close()

        asyncio.run(main())

    async def _run(self, args: tuple[str, ...]) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, privacy_command(self._on_kernel), args)

    async def run(self, *args: str) -> str:
        """What a command prints."""
        done = await self._run(args)
        assert done.exit_code == 0, done.output
        return done.output

    async def complaint(self, *args: str) -> str:
        """The line with which it gives up."""
        done = await self._run(args)
        assert done.exit_code == 1, done.output
        return done.output


@pytest.fixture
def terminal(app: TestApp) -> Terminal:
    """A second process's view of the same shop."""
    return Terminal(app.app)


async def acts(app: TestApp, who: Customer) -> list[str]:
    """What the audit log has of somebody."""
    rows = await app.db.fetch(AUDIT, f"account:{who.user_id}")
    assert all(row["actor"].startswith("cli:") for row in rows)
    return [row["action"] for row in rows]


async def test_an_operator_closes_an_account_and_undoes_it(
    app: TestApp, terminal: Terminal, customer: Customer
) -> None:
    assert "can be undone" in await terminal.run("erase", customer.phone)
    assert (await app.get("/users/me", as_=customer)).status in (200, 401)
    assert (await app.put("/users/me", json={"name": "Asha"}, as_=customer)).code == "AUTH_004"
    assert "is open again" in await terminal.run("undo", str(customer.user_id))
    again = await sign_in(app, customer.phone)
    assert again.user_id == customer.user_id
    assert await acts(app, customer) == ["privacy.erase", "privacy.undo"]
    assert str(customer.user_id) in await terminal.run("requests")
    assert "nothing to undo" in await terminal.complaint("undo", str(customer.user_id))


async def test_now_means_that_the_service_begins_at_once_and_nothing_can_be_undone(
    app: TestApp, terminal: Terminal, customer: Customer
) -> None:
    assert "within minutes" in await terminal.run("erase", customer.phone, "--now")
    assert "nothing to undo" in await terminal.complaint("undo", customer.phone)
    await begun(app, customer.user_id)
    await go_on(app, customer.user_id)
    assert await app.db.fetchval(STATE, customer.user_id) == "done"
    assert await holding(app.db, customer.phone) == set()
    assert "no such account" in await terminal.complaint("export", customer.phone)


@pytest.mark.parametrize("who", ["9999999999", "nobody", str(uuid7())], ids=["phone", "word", "id"])
async def test_nobody_unknown_is_closed_or_copied(terminal: Terminal, who: str) -> None:
    for command in ("erase", "export", "undo"):
        assert "no such account" in await terminal.complaint(command, who)


async def test_a_copy_for_an_operator_is_whole_and_only_theirs_to_read(
    app: TestApp, terminal: Terminal, customer: Customer, tmp_path: Path
) -> None:
    await app.put("/users/me", json={"name": "Asha Rao"}, as_=customer)
    document = orjson.loads(await terminal.run("export", customer.phone))
    assert document["user"]["profile"]["name"] == "Asha Rao"
    file = tmp_path / "asha.json"
    assert "written to" in await terminal.run("export", str(customer.user_id), "--output", str(file))
    assert orjson.loads(file.read_bytes())["user"]["profile"]["phone"] == customer.full_phone
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "File exists" in await terminal.complaint("export", str(customer.user_id), "--output", str(file))
    assert await acts(app, customer) == ["privacy.export"] * 3


async def test_the_ledger_erases_again_what_a_backup_brought_back(
    app: TestApp, terminal: Terminal, new_customer: NewCustomer, tmp_path: Path
) -> None:
    gone, known = await new_customer(), await new_customer()
    for who in (gone, known):
        await app.delete("/users/me", as_=who)
        await erased(app, who.user_id)
    kept = tmp_path / "erased.jsonl"
    kept.write_text(await terminal.run("ledger"))
    await app.db.command("DELETE FROM kernel.erased WHERE user_id = $1 RETURNING user_id", gone.user_id)
    await app.db.command("DELETE FROM kernel.erasures WHERE user_id = $1 RETURNING user_id", gone.user_id)
    for who in (gone, known):
        await app.db.command(PLACES, who.user_id, who.full_phone)
    told = await terminal.run("reapply", str(kept))
    assert "accounts of the ledger are erased again" in told
    for who in (gone, known):
        assert await app.db.fetchval("SELECT count(*) FROM users.accounts WHERE id = $1", who.user_id) == 0
        assert await app.app.privacy.erasures.is_erased(app.db, who.user_id)
    assert await app.db.fetchval("SELECT details ->> 'entered' FROM kernel.audit ORDER BY number DESC LIMIT 1") == "1"


async def test_what_could_not_be_erased_again_is_said(
    app: TestApp, terminal: Terminal, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.delete("/users/me", as_=customer)
    await erased(app, customer.user_id)

    async def broken(*_: Any) -> None:
        raise LookupError

    monkeypatch.setattr(Copies, "erase", broken)
    assert "not erased yet" in await terminal.complaint("reapply")
    monkeypatch.undo()
    await app.db.fetch("UPDATE kernel.erasures SET next_attempt_at = now() WHERE state = 'erasing' RETURNING id")
    await go_on(app, customer.user_id)
    assert await app.db.fetchval(STATE, customer.user_id) == "done"


async def test_a_file_that_is_no_ledger_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text('{"userId": "1"}\n')
    assert "is not what" in await terminal.complaint("reapply", str(wrong))
