"""Access tokens: the algorithm is pinned, every claim is checked, a refusal is never remembered."""

import time
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import jwt
import pytest

from core import auth
from core.auth import LEEWAY, Role, SigningKey, TokenIssuer
from core.errors import TOKEN_EXPIRED, TOKEN_INVALID, UNAUTHORIZED, UNAVAILABLE, Problem

SECRET, OLD = "s" * 40, "o" * 40
USER, SESSION = uuid4(), uuid4()


def issuer(active: str = SECRET, *also: str) -> TokenIssuer:
    return TokenIssuer(active, also, issuer="vurksha", audience="app", minutes=15)


def forged(
    key: str = SECRET,
    algorithm: str | None = "HS256",
    kid: str | None = None,
    head: dict[str, object] | None = None,
    **changed: Any,
) -> str:
    now = int(time.time())
    claims = {
        "iss": "vurksha", "aud": "app", "sub": str(USER), "sid": str(SESSION), "role": "CUSTOMER", "type": "access",
        "iat": now, "exp": now + 900, **changed,
    }  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": kid or SigningKey.of(SECRET).kid, **(head or {})})


def refusal(token: str) -> object:
    with pytest.raises(Problem) as caught:
        issuer().principal(f"Bearer {token}")
    return caught.value.code


def test_an_issued_token_speaks_for_its_session() -> None:
    tokens = issuer()
    header = "Bearer " + tokens.issue(USER, SESSION, "ADMIN")
    for _ in range(2):  # verified, then remembered
        principal = tokens.principal(header)
        assert (principal.user_id, principal.session_id, principal.role) == (USER, SESSION, Role.ADMIN)


@pytest.mark.parametrize(
    "token",
    [
        forged(key=OLD),
        forged(iss="else"),
        forged(aud="else"),
        forged(type="refresh"),
        forged(type=None),
        forged(sub="no uuid"),
        forged(sid=None),
        forged(exp=None),
        forged(iat=None),
        forged(role="GOD"),
        forged(kid="unknown"),
        forged(key="", algorithm="none"),
        forged(key="s" * 64, algorithm="HS512"),
        forged(head={"jku": "https://evil.example/keys"}),
        forged(head={"jwk": {"kty": "oct", "k": "c3Nzc3Nzc3Nzc3Nzc3Nz"}}),
        forged(head={"x5u": "https://evil.example/cert"}),
        forged(head={"x5c": ["MIIB"]}),
        forged(head={"crit": ["exp"]}),
        forged(head={"typ": "at+jwt"}),
        forged(head={"typ": None}),
        forged(key="", algorithm="none", head={"kid": SigningKey.of(SECRET).kid, "typ": "JWT"}),
        forged(iss=None),
        forged(aud=None),
        forged(aud=["app", "else"], iss="VURKSHA"),
        jwt.encode({}, SECRET, "HS256"),
        "a.b.c",
        "",
        "é.é.é",
    ],
)
def test_what_is_not_ours_is_refused(token: str) -> None:
    assert refusal(token) is TOKEN_INVALID


def test_no_header_is_told_apart_from_a_bad_one() -> None:
    for header in (None, "", "Basic x"):
        with pytest.raises(Problem) as caught:
            issuer().principal(header)
        assert caught.value.code is UNAUTHORIZED


def test_expiry_has_a_leeway_and_holds_for_remembered_tokens_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(time.time())
    assert refusal(forged(exp=now - LEEWAY - 1)) is TOKEN_EXPIRED
    tokens = issuer()
    header = f"Bearer {forged(exp=now - LEEWAY + 3)}"
    assert tokens.principal(header).user_id == USER
    monkeypatch.setattr(auth, "time", SimpleNamespace(time=lambda: now + 3))  # it is no longer remembered
    monkeypatch.setattr(auth, "LEEWAY", 0)  # pyjwt asks a clock of its own
    with pytest.raises(Problem) as caught:
        tokens.principal(header)
    assert caught.value.code is TOKEN_EXPIRED


def test_a_token_is_verified_once_while_it_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, now = issuer(), int(time.time())
    header = f"Bearer {forged(exp=now + 60)}"
    tokens.principal(header)
    monkeypatch.delattr(auth.jwt, "decode")
    monkeypatch.setattr(auth.time, "time", lambda: now + 60 + LEEWAY - 1)
    assert tokens.principal(header).user_id == USER


@pytest.mark.parametrize("role", Role)  # their lengths differ, and with them what base64 would pad
def test_a_token_says_for_how_long_it_is_good_and_has_the_standard_form(role: Role) -> None:
    tokens = issuer()
    token = tokens.issue(USER, SESSION, role)
    head, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    assert tokens.lifetime == claims["exp"] - claims["iat"] == 15 * 60
    assert head == {"alg": "HS256", "typ": "JWT", "kid": "b89616df24ce"}
    assert "=" not in token


def test_keys_rotate_without_a_refusal() -> None:
    """Accept the new key everywhere, sign with it, keep the old one until its tokens have expired, drop it."""
    before, both, after = issuer(OLD), issuer(SECRET, OLD), issuer(SECRET)
    old, new = ("Bearer " + i.issue(USER, SESSION, "CUSTOMER") for i in (before, both))
    assert both.principal(old).user_id == both.principal(new).user_id == after.principal(new).user_id == USER
    with pytest.raises(Problem):
        after.principal(old)


def test_a_key_verifies_by_its_own_algorithm_only() -> None:
    tokens, long = issuer(), SigningKey.of(b"l" * 64, "HS512")
    tokens.adopt(long, [*tokens.configured, long])
    header = "Bearer " + tokens.issue(USER, SESSION, "CUSTOMER")
    assert jwt.get_unverified_header(header[7:])["alg"] == "HS512"
    assert tokens.principal(header).user_id == USER
    other = SigningKey(long.kid, long.secret, "HS256")
    confused = issuer()
    confused.adopt(other, [other])
    with pytest.raises(Problem) as caught:
        tokens.principal("Bearer " + confused.issue(USER, SESSION, "CUSTOMER"))
    assert caught.value.code is TOKEN_INVALID


def test_a_key_that_leaves_takes_the_memory_of_its_tokens_along() -> None:
    tokens = issuer(SECRET, OLD)
    new, old = tokens.configured
    header = "Bearer " + issuer(OLD).issue(USER, SESSION, "CUSTOMER")
    tokens.principal(header)
    tokens.adopt(new, [new, old, SigningKey.of("a third")])
    assert header in tokens._known, "one more key forgets nothing"
    tokens.adopt(new, [new])
    with pytest.raises(Problem):
        tokens.principal(header)


def test_without_a_key_nothing_is_issued_and_it_is_nobodys_fault() -> None:
    tokens = issuer()
    tokens.adopt(None, tokens.configured)
    with pytest.raises(Problem) as caught:
        tokens.issue(USER, SESSION, "CUSTOMER")
    assert caught.value.code is UNAVAILABLE


def test_a_token_of_a_replica_whose_clock_is_ahead_is_good() -> None:
    ahead = int(time.time()) + 600
    assert issuer().principal(f"Bearer {forged(iat=ahead, exp=ahead + 900)}").user_id == USER


def test_a_stale_ring_turns_nobody_away_for_a_key_it_may_lack() -> None:
    tokens = issuer()
    assert tokens.stale is False
    tokens.stale = True
    for token, code in ((issuer(OLD).issue(USER, SESSION, "CUSTOMER"), UNAVAILABLE), (forged(key=OLD), TOKEN_INVALID)):
        with pytest.raises(Problem) as caught:
            tokens.principal(f"Bearer {token}")
        assert caught.value.code is code


def test_the_memory_of_verified_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 20)
    tokens = issuer()
    sizes = []
    for _ in range(50):
        tokens.principal("Bearer " + tokens.issue(uuid4(), SESSION, "CUSTOMER"))
        sizes.append(len(tokens._known))
    assert sizes == [*range(1, 21), *[20] * 30], "the oldest makes room"


def test_a_token_that_expired_is_soon_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, now = issuer(), int(time.time())
    for _ in range(30):
        tokens.principal(f"Bearer {forged(sub=str(uuid4()), exp=now + 60)}")
    longer = f"Bearer {forged(exp=now + 600)}"
    tokens.principal(longer)
    assert len(tokens._known) == 31
    monkeypatch.setattr(auth.time, "time", lambda: now + 60 + LEEWAY)
    for _ in range(4):
        tokens.principal(f"Bearer {forged(sub=str(uuid4()), exp=now + 600)}")
    assert longer in tokens._known
    assert len(tokens._known) == 1 + 4


def test_roles_and_the_leeway_are_those_of_the_contract() -> None:
    assert " ".join(Role) == "CUSTOMER DELIVERY_PARTNER SUPPORT ADMIN"
    assert LEEWAY == 5


def test_keys_do_not_print() -> None:
    assert SECRET not in repr(SigningKey.of(SECRET))
