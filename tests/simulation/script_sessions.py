"""Scripts of the statements of sessions."""

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from plugins.user import queries
from tests.simulation.script import Step, mixed
from tests.simulation.storage import Values

USERS = [UUID(int=0x10 + n) for n in range(2)]
SESSIONS = [UUID(int=0x20 + n) for n in range(4)]
SALT = b"s" * 16


def owner(session: UUID) -> UUID:
    """Two sessions each."""
    return USERS[SESSIONS.index(session) // 2]


def token(session: UUID, generation: int) -> bytes:
    """The hash of one of its tokens."""
    return b"%d-%d" % (SESSIONS.index(session), generation)


def rows(now: datetime) -> list[tuple[str, Any, Values]]:
    """Table, key and values of what there is at first."""
    found: list[tuple[str, Any, Values]] = []
    for number, user in enumerate(USERS):
        phone = f"+91987654321{number}"
        found.append(("accounts", user, {"id": user, "phone": phone, "role": "CUSTOMER", "is_active": True}))
    for session in SESSIONS:
        values: Values = {"id": session, "user_id": owner(session), "generation": 0, "salt": SALT, "device_id": "d"}
        values |= {"rotated_at": now, "expires_at": now + timedelta(days=90), "ended_at": None, "end_reason": None}
        found.append(("sessions", session, values))
        hash_ = token(session, 0)
        found.append(
            ("refresh_tokens", hash_, {"hash": hash_, "session_id": session, "generation": 0, "issued_at": now})
        )
    return found


class Writer:
    """Draws statements."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def statement(self, hand: int) -> Step:
        """One of them."""
        makes = (self._presented, self._presented, self._rotate, self._owned, self._end, self._end_all, self._hold,
                 self._require, self._require, self._role, self._revoked)  # fmt: skip
        make = self._rng.choice(makes)
        sql, *args = make()
        return Step(hand, sql, tuple(args), make.__name__)

    def _session(self) -> UUID:
        return self._rng.choice(SESSIONS)

    def _presented(self) -> tuple[Any, ...]:
        return (
            queries.PRESENTED,
            token(self._session(), self._rng.choice((0, 0, 1, 2))),
            7,
            self._rng.choice((120, 7200)),
        )

    def _rotate(self) -> tuple[Any, ...]:
        session = self._session()
        return queries.ROTATE, session, token(session, self._rng.choice((1, 1, 2)))

    def _owned(self) -> tuple[Any, ...]:
        return queries.OWNED, token(self._session(), self._rng.choice((0, 1))), self._rng.choice(USERS)

    def _end(self) -> tuple[Any, ...]:
        return queries.END_SESSION, self._session(), self._rng.choice(("LOGOUT", "REUSE"))

    def _end_all(self) -> tuple[Any, ...]:
        return queries.END_SESSIONS, self._rng.choice(USERS), "LOGOUT_ALL"

    def _hold(self) -> tuple[Any, ...]:
        return queries.HOLD_SESSIONS, self._rng.choice(USERS)

    def _require(self) -> tuple[Any, ...]:
        session = self._session()
        return queries.REQUIRE, owner(session), session

    def _role(self) -> tuple[Any, ...]:
        return queries.ROLE, self._rng.choice(USERS), self._session()

    def _revoked(self) -> tuple[Any, ...]:
        return queries.REVOKED, self._rng.choice((600.0, 360_000.0))


def script(seed: int) -> list[Step]:
    """Of this seed."""
    rng = Random(f"sessions {seed}")
    return mixed(rng, Writer(rng).statement, 50)
