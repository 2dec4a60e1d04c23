"""The ring: what its rows say holds on every replica, a dump of it reveals nothing, no change breaks its rules."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from uuid import uuid4

import jwt
import orjson
import pytest

from core import keys, keys_book
from core.auth import SigningKey, TokenIssuer
from core.errors import TOKEN_INVALID, UNAVAILABLE, Code, Problem
from core.keys import KeyRing, Seals
from core.keys_book import KeyBook, KeyRefused
from core.store.db import Db

SECRET, NEW_SECRET = "s" * 40, "n" * 40
ACTS = "SELECT action, subject, details::text AS details FROM kernel.audit WHERE actor = $1 ORDER BY number"
OLDER = "UPDATE kernel.signing_keys SET created_at = created_at - make_interval(secs => $1)"
RETIRED = "UPDATE kernel.signing_keys SET retired_at = clock_timestamp() - make_interval(secs => $1) WHERE kid = $2"


class Replica:
    """An issuer and its ring."""

    def __init__(self, db: Db, secret: str = SECRET, *also: str) -> None:
        self.tokens = TokenIssuer(secret, also, issuer="vurksha", audience="app", minutes=15)
        self.ring = KeyRing(db, self.tokens)

    def token(self) -> str:
        return "Bearer " + self.tokens.issue(uuid4(), uuid4(), "CUSTOMER")

    def refuses(self, token: str) -> Code | None:
        try:
            self.tokens.principal(token)
        except Problem as problem:
            return problem.code
        return None


@pytest.fixture
async def db(kernel_db: Db) -> AsyncIterator[Db]:
    """Without a key."""
    await change(kernel_db, "DELETE FROM kernel.signing_keys")
    yield kernel_db
    await change(kernel_db, "DELETE FROM kernel.signing_keys")


def book_of(db: Db, replica: Replica | None = None) -> KeyBook:
    return KeyBook(db, (replica or Replica(db)).tokens, f"test:{uuid4()}")


@pytest.fixture
def book(db: Db) -> KeyBook:
    return book_of(db)


async def change(db: Db, sql: str, *args: object) -> None:
    async with db.connection() as connection:
        await connection.execute(sql, *args)


async def rotated(db: Db, book: KeyBook, algorithm: str = "HS256") -> tuple[str, str]:
    """The key that signs now, and the one that did."""
    kid = await book.add(algorithm)
    await change(db, OLDER, keys.SETTLE)
    return kid, await book.activate(kid)


async def states(book: KeyBook) -> list[str]:
    return [key.state for key in await book.all()]


async def refusal(act: Awaitable[object]) -> str:
    with pytest.raises(KeyRefused) as caught:
        await act
    return str(caught.value)


async def test_a_ring_without_rows_is_the_key_of_the_settings(db: Db, book: KeyBook) -> None:
    replica, other = Replica(db, SECRET, NEW_SECRET), Replica(db, NEW_SECRET)
    await replica.ring.read()
    assert replica.refuses(replica.token()) is replica.refuses(other.token()) is None
    [root] = await book.all()
    assert (root.kid, root.state, root.is_root, root.since) == (SigningKey.of(SECRET).kid, "active", True, None)


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
async def test_a_rotation_step_by_step(db: Db, book: KeyBook, algorithm: str) -> None:
    one, other = Replica(db), Replica(db)
    before = one.token()
    kid = await book.add(algorithm)
    await one.ring.read()
    assert jwt.get_unverified_header(one.token()[7:])["kid"] == SigningKey.of(SECRET).kid, "next does not sign"
    await change(db, OLDER, keys.SETTLE)
    assert await book.activate(kid) == SigningKey.of(SECRET).kid
    late = one.token()
    await one.ring.read()
    after = one.token()
    assert jwt.get_unverified_header(after[7:]) == {"alg": algorithm, "typ": "JWT", "kid": kid}
    await other.ring.read()
    assert [other.refuses(token) for token in (before, late, after)] == [None, None, None]
    assert await states(book) == ["retired", "active"]


async def test_a_revoked_key_is_refused_though_its_token_was_remembered(db: Db, book: KeyBook) -> None:
    replica = Replica(db)
    token = replica.token()
    _, old = await rotated(db, book)
    await replica.ring.read()
    assert replica.refuses(token) is None
    await book.revoke(old)
    assert replica.refuses(token) is None, "until the ring is read again"
    await replica.ring.read()
    assert replica.refuses(token) is TOKEN_INVALID
    assert Replica(db).refuses(token) is None, "a replica that has not read"
    assert await db.fetchval("SELECT sealed FROM kernel.signing_keys WHERE kid = $1", old) is None


async def test_a_retired_key_verifies_until_its_last_token_has_expired(db: Db, book: KeyBook) -> None:
    replica = Replica(db)
    token = replica.token()
    _, old = await rotated(db, book)
    for seconds, refused in ((15 * 60 + keys.MARGIN - 30, None), (15 * 60 + keys.MARGIN + 1, TOKEN_INVALID)):
        await change(db, RETIRED, seconds, old)
        await replica.ring.read()
        assert replica.refuses(token) is refused
    [first, _] = await book.all()
    assert first.until is not None
    assert first.since is not None
    assert (first.until - first.since).total_seconds() == 15 * 60 + keys.MARGIN


async def test_other_configured_keys_go_on_verifying_beside_the_ring(db: Db, book: KeyBook) -> None:
    replica, coming = Replica(db, SECRET, NEW_SECRET), Replica(db, NEW_SECRET)
    await rotated(db, book)
    await replica.ring.read()
    assert replica.refuses(coming.token()) is None


async def test_the_database_holds_no_secret_in_the_open(db: Db, book: KeyBook) -> None:
    kid = await book.add()
    sealed = await db.fetchval("SELECT sealed FROM kernel.signing_keys WHERE kid = $1", kid)
    key = Seals([SigningKey.of(SECRET)]).open(kid, "HS256", sealed)
    assert key is not None
    assert SigningKey.of(key.secret).kid == kid
    assert len(key.secret) == 32
    dump = "".join(map(str, await db.fetch("SELECT k::text FROM kernel.signing_keys k")))
    assert key.secret.hex() not in dump
    assert SECRET not in dump


async def test_a_sealed_key_is_bound_to_its_row(db: Db, book: KeyBook) -> None:
    kid = await book.add()
    sealed = await db.fetchval("SELECT sealed FROM kernel.signing_keys WHERE kid = $1", kid)
    seals = Seals([SigningKey.of(SECRET)])
    assert seals.open("another", "HS256", sealed) is None
    assert seals.open(kid, "HS512", sealed) is None
    assert seals.open(kid, "HS256", sealed[:-1] + bytes([sealed[-1] ^ 1])) is None
    assert Seals([SigningKey.of(NEW_SECRET)]).open(kid, "HS256", sealed) is None


async def test_jwt_secret_itself_changes_by_way_of_also_accepted(db: Db, book: KeyBook) -> None:
    old = Replica(db)
    await rotated(db, book)
    await old.ring.read()
    changed = Replica(db, NEW_SECRET, SECRET)
    await changed.ring.read()
    assert changed.refuses(old.token()) is old.refuses(changed.token()) is None
    fresh = book_of(db, changed)
    await rotated(db, fresh)
    alone = Replica(db, NEW_SECRET)
    await alone.ring.read()
    await changed.ring.read()
    assert alone.refuses(changed.token()) is None, "the new key was sealed under the new secret"


async def test_a_ring_of_another_secret_is_told_and_left(
    db: Db, book: KeyBook, caplog: pytest.LogCaptureFixture
) -> None:
    kid, old = await rotated(db, book)
    stranger = Replica(db, NEW_SECRET)
    await stranger.ring.read()
    assert f"signing key {kid} cannot be opened" in caplog.text
    assert stranger.refuses(stranger.token()) is None, "signs with its own, as without a ring"
    strange = book_of(db, stranger)
    assert [key.readable for key in await strange.all()] == [False, False]
    await book.revoke(old)
    assert [key.readable for key in await strange.all()] == [True, False], "nobody has a revoked key's secret"
    waiting = await book.add()
    await change(db, OLDER, keys.SETTLE)
    assert "another JWT_SECRET" in await refusal(strange.activate(waiting))


async def test_without_a_key_to_sign_with_nothing_is_signed(
    db: Db, book: KeyBook, caplog: pytest.LogCaptureFixture
) -> None:
    _, old = await rotated(db, book)
    await book.revoke(old)
    await change(db, "UPDATE kernel.signing_keys SET sealed = sealed || '\\x00' WHERE state = 'active'")
    replica = Replica(db)
    await replica.ring.read()
    with pytest.raises(Problem) as caught:
        replica.token()
    assert caught.value.code is UNAVAILABLE
    assert "no key to sign with" in caplog.text


async def test_with_the_database_away_the_last_ring_holds_and_nobody_is_turned_away(
    db: Db, book: KeyBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica, ahead = Replica(db), Replica(db)
    kid = await book.add()
    await replica.ring.read()
    await book.activate(kid, force=True)
    token = replica.token()
    with monkeypatch.context() as patch:
        patch.setattr(db.pool, "_closed", True)
        patch.setattr(db.pool, "_free", type(db.pool._free)())
        await replica.ring._refresh()
        assert replica.refuses(token) is None
        assert not replica.tokens.stale, "not yet"
        patch.setattr(keys, "DOUBT", 0.0)
        await replica.ring._refresh()
    await rotated(db, book)
    await ahead.ring.read()
    assert replica.refuses(token) is None
    assert replica.refuses(ahead.token()) is UNAVAILABLE, "it may be a good key: no 401 in an outage"
    await replica.ring.read()
    assert replica.refuses(ahead.token()) is None
    assert replica.refuses(Replica(db, NEW_SECRET).token()) is TOKEN_INVALID


async def test_a_ring_is_read_again_and_again(db: Db, book: KeyBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "POLL", 0.01)
    replica = Replica(db)
    polling = asyncio.create_task(replica.ring.run())
    kid = await book.add()
    async with asyncio.timeout(10):
        while kid not in replica.tokens._ring:
            await asyncio.sleep(0.01)
    polling.cancel()


async def test_a_key_is_not_activated_before_every_replica_can_know_it(db: Db, book: KeyBook) -> None:
    kid = await book.add()
    said = await refusal(book.activate(kid))
    assert said.startswith(f"{kid} is 0 s old and a replica may not know it yet: wait 10 s")
    await book.activate(kid, force=True)


async def test_each_change_has_its_rules(db: Db, book: KeyBook) -> None:
    root = SigningKey.of(SECRET).kid
    assert "is the one that signs" in await refusal(book.revoke(root))
    assert "signs: activating another" in await refusal(book.retire(root))
    assert "only a next key" in await refusal(book.activate(root))
    for act in (book.activate, book.retire, book.revoke):
        assert "there is no key nonsense" in await refusal(act("nonsense"))
    assert await db.fetchval("SELECT count(*) FROM kernel.signing_keys") == 0, "refusals write nothing"
    kid = await book.add()
    assert f"{kid} is next already" in await refusal(book.add())
    await book.retire(kid)
    assert f"{kid} is retired already" in await refusal(book.retire(kid))
    assert f"{kid} is retired: only a next key" in await refusal(book.activate(kid))
    await book.revoke(kid)
    assert f"{kid} is revoked already" in await refusal(book.revoke(kid))
    assert await states(book) == ["active", "revoked"]


async def test_changes_at_once_are_one_after_the_other(db: Db, book: KeyBook) -> None:
    others = [book_of(db) for _ in range(4)]
    done = await asyncio.gather(*(other.add() for other in others), return_exceptions=True)
    assert sum(isinstance(each, str) for each in done) == 1
    assert sum(isinstance(each, KeyRefused) for each in done) == 3
    assert await states(book) == ["active", "next"]


async def test_every_change_is_audited_without_a_secret(db: Db) -> None:
    replica, actor = Replica(db), f"test:{uuid4()}"
    book = KeyBook(db, replica.tokens, actor)
    kid, old = await rotated(db, book)
    await book.revoke(old)
    spare = await book.add("HS512")
    await book.retire(spare)
    rows = await db.fetch(ACTS, actor)
    assert [(row["action"], row["subject"], orjson.loads(row["details"])) for row in rows] == [
        ("key.add", f"key:{kid}", {"algorithm": "HS256"}),
        ("key.activate", f"key:{kid}", {"retires": old, "forced": False}),
        ("key.revoke", f"key:{old}", {"was": "retired"}),
        ("key.add", f"key:{spare}", {"algorithm": "HS512"}),
        ("key.retire", f"key:{spare}", {}),
    ]


def test_times_keep_the_promise() -> None:
    assert keys.SETTLE <= 10, "revoked everywhere within 10 s (RELIABILITY 4.4)"
    assert keys.POLL * 3 < keys.SETTLE, "even when a poll or two fail"
    assert keys_book.SETTLE == keys.SETTLE
