"""How a route is declared, and what its handler gets and gives.

A `Route` says everything that the kernel does around a handler; `core.http.compile` turns it into one coroutine. The
same declaration makes the OpenAPI document, the 405 and the docs page. A handler takes a `Call` and never aiohttp's
request.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import attrs

from core.auth import Principal, Role
from core.errors import Code
from core.resilience.rank import Rank
from core.store.db import Tx

B = TypeVar("B")
Q = TypeVar("Q")


@attrs.frozen
class Permission:
    """A right, which a plugin names and the settings may give to others (core.permissions)."""

    name: str
    """`<plugin>.<what>`, such as "payment.refund"."""
    meaning: str
    """What it lets people do, for people."""
    roles: frozenset[Role]
    """Who has it where the settings say nothing."""
    fresh: bool = False
    """Only in a session that began within the last five minutes: a stolen phone or token does not send money away."""


@attrs.frozen
class Policy:
    """Who may call a route. Deny first: a route without a policy does not start."""

    roles: frozenset[Role] | None = None
    """None: nobody needs to sign in, and any Authorization header is ignored."""
    live: bool = False
    """The session and its role are as the database has them: for orders, addresses, admin (RELIABILITY 4.4).

    A SAFE route's are read before the handler, never from a standby. A write's are read in its own transaction and held
    until the commit: the kernel opens it for KEYED and NATURAL routes (`call.tx`), the SQL function of a COMMAND route
    asks for itself.
    A handler that ends sessions is not live: it must lock all of them before it asks about one.
    """
    ended: bool = False
    """Also for tokens whose session has ended: the repeat of a logout whose answer was lost."""
    permission: Permission | None = None
    """The right that `roles` are those of; it may also ask for a fresh sign-in."""


PUBLIC = Policy()
USER = Policy(frozenset(Role))
LIVE_USER = Policy(frozenset(Role), live=True)
ONCE_USER = Policy(frozenset(Role), ended=True)
"""Whoever has, or had, a session."""
ADMIN = Policy(frozenset({Role.ADMIN}), live=True)


class Repeat(Enum):
    """What makes a mutating route safe to repeat (RELIABILITY 4.1)."""

    SAFE = "safe"
    """It only reads."""
    NATURAL = "natural"
    """Doing it twice leaves what doing it once leaves, or its own rule (a code used once, a grace) covers a repeat."""
    KEYED = "keyed"
    """The kernel opens the transaction (`call.tx`), claims `X-Idempotency-Key` in it and stores the answer with it."""
    COMMAND = "command"
    """One SQL function claims `call.operation` through `kernel.begin_operation` and stores the answer itself."""


@attrs.frozen
class Operation:
    """The identity of a keyed request: who, which route, which key, and what was asked."""

    user_id: UUID
    route: str
    key: str
    """The client's key; without one, an id of the kernel's own, which settles an ambiguous commit all the same."""
    given: bool
    """Whether the client sent the key."""
    fingerprint: bytes
    """SHA-256 of the canonical input: path values, decoded body, the query where the route has one; keys sorted."""


@attrs.frozen
class Sent:
    """A body as it was sent, byte for byte, and all headers of its request; names are compared without case."""

    body: bytes
    headers: Mapping[str, str]


@attrs.define
class Call(Generic[B, Q]):
    """One request, as a handler sees it."""

    body: B
    query: Q
    path: Mapping[str, UUID | str]
    request_id: str
    client: str
    """The client's address, as far as trusted proxies vouch for it."""
    user_agent: str
    if_match: str | None
    _principal: Principal | None = attrs.field(default=None, alias="principal")
    _tx: Tx | None = None
    _operation: Operation | None = None
    sent: Sent | None = None
    """What a route with `raw` was sent."""

    @property
    def principal(self) -> Principal:
        """Who is asking. Routes whose policy is PUBLIC have none."""
        return cast("Principal", self._principal)

    @property
    def tx(self) -> Tx:
        """The transaction of a KEYED route, or of a NATURAL one whose policy is live.

        The kernel commits it when the handler returns. Whoever works in it opens no other.
        """
        return cast("Tx", self._tx)

    @property
    def operation(self) -> Operation:
        """The operation of a COMMAND route."""
        return cast("Operation", self._operation)

    def claim(self, operation: Operation) -> None:
        """The kernel's: this request is a keyed one."""
        self._operation = operation

    def open(self, tx: Tx) -> None:
        """The kernel's: the handler works in this transaction."""
        self._tx = tx

    def uuid(self, name: str) -> UUID:
        """A path value declared as `{name:uuid}`."""
        return cast("UUID", self.path[name])

    def text(self, name: str) -> str:
        """A path value declared as `{name}`."""
        return cast("str", self.path[name])


@attrs.frozen
class Encoded:
    """JSON that is encoded already: the bytes of the answer's `data`."""

    json: bytes


@attrs.frozen
class Pagination:
    """Where a list answer stands (CONTRACT A.2)."""

    page: int
    limit: int
    total: int

    @classmethod
    def whole(cls, total: int) -> "Pagination":
        """Of a list that has only one page."""
        return cls(page=1, limit=max(total, 1), total=total)


@attrs.frozen(kw_only=True)
class Reply:
    """A handler's answer where the plain data object does not say it all."""

    data: object
    """An instance of the route's `answer`, or `Encoded` bytes of one."""
    status: int | None = None
    pagination: Pagination | None = None
    valid: Callable[[], bool] | None = None
    """On a route with `cache`: says, at each later hit, whether the encoded answer may still be sent."""
    replayed: bool = False
    """This is the stored answer of an earlier request with the same key."""
    etag: str | None = None


Handler = Callable[[Call[Any, Any]], Awaitable[object]]


@attrs.frozen
class Cache:
    """Lets the kernel keep encoded answers by raw path and query, with ETag and 304. For public reads."""

    max_age: int
    """Seconds that clients may keep the answer."""


@attrs.frozen
class Raw:
    """The handler reads `call.sent` itself: for notices of other systems, whose proof is over the raw bytes."""

    max_body: int = 262_144
    """Bytes (RELIABILITY 4.12)."""
    rate: float = 1_000.0
    """Requests a second and address on this replica, counted apart from people's (RELIABILITY 4.9)."""


@attrs.frozen(kw_only=True)
class Route:
    """A declared route. `path` is below /api/v1: `/orders/{order_id:uuid}/cancel`."""

    method: str
    path: str
    policy: Policy
    handler: Handler
    answer: type
    """The attrs class of `data`."""
    summary: str
    status: int = 200
    body: type | None = None
    """The attrs class of the body. An empty body is an object without fields."""
    query: type | None = None
    raw: Raw | None = None
    """Instead of `body`, on a public route that changes things."""
    repeat: Repeat = Repeat.SAFE
    errors: tuple[Code, ...] = ()
    """The domain's own codes that it may answer; the kernel adds those of the steps it puts around the handler."""
    cache: Cache | None = None
    paged: bool = False
    """The answer carries `pagination`."""
    private: bool = True
    """Personal data: `Cache-Control: no-store`."""
    deadline: float | None = None
    """Seconds; by default 2 for reads and 4 for writes (RELIABILITY 3)."""
    rank: Rank = attrs.field(default=attrs.Factory(lambda route: _rank(route), takes_self=True))  # noqa: PLW0108  below
    """Who goes first when there is not enough for all (RELIABILITY 4.9); by default as policy and `repeat` have it."""


def _rank(route: Route) -> Rank:
    roles = route.policy.roles
    if route.repeat is not Repeat.SAFE:
        return Rank.CART
    if roles is None:
        return Rank.CATALOGUE
    return Rank.OWN if Role.CUSTOMER in roles else Rank.REPORTS


@attrs.frozen
class Files:
    """A folder of small public files, read at start and served from memory: `/images/tomato.svg`."""

    prefix: str
    folder: Path
    max_age: int = 86_400
    policy: str | None = None
    """Their Content-Security-Policy, for a page of the plugin's own. Without one nothing in a page may load or run."""


def aliases(route: Route, *paths: str) -> tuple[Route, ...]:
    """The same route under further paths."""
    return (route, *(attrs.evolve(route, path=path) for path in paths))
