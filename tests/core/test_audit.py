"""The audit log: written with the act or not at all, one chain, and every way to forge it is found."""

import asyncio
import pwd
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import pytest

from core import audit
from core.audit import START, Broken, Chain, Head, record
from core.auth import Principal, Role
from core.store.db import Db, Refused
from core.types import SessionId, UserId

ACTOR = "cli:asha@desk"
HEAD_IS = """
INSERT INTO kernel.audit_head (number, hash) VALUES ($1, $2)
ON CONFLICT (one) DO UPDATE SET number = excluded.number, hash = excluded.hash
"""


async def forge(db: Db, sql: str, *args: object) -> None:
    """As somebody who owns the server can: no trigger speaks up."""
    async with db.connection() as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(sql, *args)
        await connection.execute("SET session_replication_role = origin")


async def cut(db: Db, head: Head) -> None:
    """The log as it was at an earlier head."""
    await forge(db, "DELETE FROM kernel.audit WHERE number > $1 OR number < 1", head.number)
    await forge(db, HEAD_IS, head.number, head.hash)


@pytest.fixture
async def db(kernel_db: Db) -> AsyncIterator[Db]:
    """With an empty log."""
    await cut(kernel_db, Head(0, START))
    yield kernel_db
    await cut(kernel_db, Head(0, START))


async def act(db: Db, action: str = "key.add", **details: object) -> None:
    async with db.transaction() as tx:
        await record(tx, actor=ACTOR, action=action, subject="key:1", details=details)


async def acts(db: Db, number: int) -> Head:
    for turn in range(number):
        await act(db, turn=turn)
    return await whole(db)


async def whole(db: Db, expected: Head | None = None) -> Head:
    chain = Chain(db, expected)
    counts = [count async for count in chain.walk()]
    assert sum(counts) == chain.head.number == chain.length
    return chain.head


async def complaint(db: Db, expected: Head | None = None) -> str:
    with pytest.raises(Broken) as caught:
        await whole(db, expected)
    return str(caught.value)


async def test_a_row_is_written_by_the_commit_of_its_act(db: Db) -> None:
    with suppress(LookupError):
        async with db.transaction() as tx:
            await record(tx, actor=ACTOR, action="key.add", subject="key:1")
            raise LookupError
    assert (await whole(db)).number == 0
    await act(db, algorithm="HS256")
    row = await db.fetchrow("SELECT number, actor, action, subject, details::text FROM kernel.audit")
    assert row is not None
    assert tuple(row) == (1, ACTOR, "key.add", "key:1", '{"algorithm": "HS256"}')


async def test_the_chain_holds_whatever_the_rows_say(db: Db) -> None:
    await act(db, text='"2:ab\u20b9\U0001f96d\n', empty=None, many=[1, 2.50, True], inner={"b": 1, "a": {}})
    await act(db, action="", n=10**18)
    assert (await whole(db)).number == 2


async def test_sql_functions_write_by_the_same_function(db: Db) -> None:
    assert await db.fetchval("SELECT kernel.record_audit('a', 'b', 'c', '{\"n\": 1.50}')") == 1
    assert (await whole(db)).number == 1


async def test_acts_at_once_make_one_chain_without_a_gap(db: Db) -> None:
    await asyncio.gather(*(act(db, turn=turn) for turn in range(10)))
    assert (await whole(db)).number == 10


async def test_long_chains_are_walked_in_batches(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BATCH", 3)
    await acts(db, 7)
    assert [count async for count in Chain(db).walk()] == [3, 3, 1]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE kernel.audit SET actor = 'x'",
        "DELETE FROM kernel.audit",
        "TRUNCATE kernel.audit",
        "UPDATE kernel.audit_head SET number = number",
        "DELETE FROM kernel.audit_head",
        "TRUNCATE kernel.audit_head",
    ],
)
async def test_the_database_refuses_to_change_what_was_written(db: Db, sql: str) -> None:
    before = await acts(db, 2)
    with pytest.raises(Refused, match="AUDIT_IS_APPEND_ONLY"):
        await db.command(sql)  # type: ignore[arg-type]  # each is a constant above
    assert await whole(db) == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE kernel.audit SET actor = 'cli:else@desk' WHERE number = 2", "row 2 is not as it was written"),
        ("UPDATE kernel.audit SET details = '{\"turn\":1}' WHERE number = 2", "row 2 is not as it was written"),
        ("UPDATE kernel.audit SET at = at + interval '1 us' WHERE number = 2", "row 2 is not as it was written"),
        ("UPDATE kernel.audit SET hash = sha256('x') WHERE number = 2", "row 2 is not as it was written"),
        ("DELETE FROM kernel.audit WHERE number = 2", "row 2 is missing"),
        ("DELETE FROM kernel.audit WHERE number = 1", "row 1 is missing"),
        ("DELETE FROM kernel.audit WHERE number = 3", "row 3 is missing, and all after it: the log went up to 3"),
        ("DELETE FROM kernel.audit", "row 1 is missing, and all after it: the log went up to 3"),
        ("DELETE FROM kernel.audit_head", "the head of the chain is gone"),
        ("INSERT INTO kernel.audit SELECT 4, at, actor, action, subject, details, hash FROM kernel.audit LIMIT 1",
         "row 4 was never written by the log"),
        ("INSERT INTO kernel.audit SELECT 0, at, actor, action, subject, details, hash FROM kernel.audit LIMIT 1",
         "row 0 was never written by the log"),
        ("UPDATE kernel.audit_head SET hash = sha256('x')", "row 3 was replaced"),
    ],
)  # fmt: skip
async def test_forgery_is_found_at_its_first_row(db: Db, sql: str, said: str) -> None:
    await acts(db, 3)
    await forge(db, sql)
    assert said in await complaint(db)


async def test_a_row_with_a_hash_made_to_fit_breaks_the_next_link(db: Db) -> None:
    await acts(db, 3)
    await forge(
        db,
        """
        UPDATE kernel.audit a SET actor = 'x', hash = sha256(
            (SELECT hash FROM kernel.audit WHERE number = 1)
            || kernel.audit_content(2, a.at, 'x', a.action, a.subject, a.details::text)) WHERE number = 2
        """,
    )
    assert "row 3 is not as it was written, or the one before it was replaced" in await complaint(db)


async def test_a_tail_that_was_cut_off_with_its_head_is_found_by_a_head_that_was_noted(db: Db) -> None:
    shorter = await acts(db, 2)
    longer = await acts(db, 2)
    await cut(db, shorter)
    assert await whole(db) == shorter, "nothing in the database tells"
    assert "row 3 is missing, and all after it: the log went up to 4" in await complaint(db, longer)
    await acts(db, 2)
    assert "row 4 was replaced" in await complaint(db, longer), "nor does writing on hide it"
    assert (await whole(db, shorter)).number == 4


async def test_acts_of_the_walk_s_own_time_do_not_disturb_it(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BATCH", 1)
    await acts(db, 2)
    chain = Chain(db)
    async for _ in chain.walk():
        await act(db)
    assert chain.head.number == 2
    assert (await whole(db)).number == 4


def test_a_head_is_read_as_it_is_printed() -> None:
    head = Head(42, bytes(range(32)))
    assert Head.read(str(head)) == head


@pytest.mark.parametrize("text", ["", "42", "42:", "42:ab", "x:" + "0" * 64, "4:" + "g" * 64, "\u0664:" + "0" * 64])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whatever it says
        Head.read(text)


async def test_details_hold_nobodys_data(db: Db) -> None:
    for name in ("phone", "token", "address"):
        with pytest.raises(ValueError, match=name):
            await act(db, inner=[{name: "x"}])
    await act(db, reason="asked by +91 98765 43210, eyJhbGciOi.eyJzdWIi.c2ln" + "x" * 300)
    details = await db.fetchval("SELECT details ->> 'reason' FROM kernel.audit")
    assert details.startswith("asked by ***, ***")
    assert len(details) <= 200


def test_actors_say_who_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    user, session = uuid4(), uuid4()
    who = Principal(UserId(user), SessionId(session), Role.ADMIN)
    assert audit.person(who) == f"user:{user} session:{session}"
    monkeypatch.setattr(audit.socket, "gethostname", lambda: "desk")
    assert audit.operator().startswith("cli:")
    assert audit.operator().endswith("@desk")

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert audit.operator().startswith("cli:uid-")
