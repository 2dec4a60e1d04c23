"""Turning a declared route into the one coroutine that serves it, with just the steps that it asked for.

    id -> limit -> who -> body -> place -> deadline -> decode -> handler -> encode -> head

Nothing here knows aiohttp: an `Incoming` is a request as text and headers, an answer is bytes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import attrs

from core import context
from core.auth import Principal, SessionGate, TokenIssuer
from core.convert import Unreadable, text, wire
from core.errors import FORBIDDEN, INTERNAL, SESSION_EXPIRED, TIMEOUT, UNAVAILABLE, UNSUPPORTED_MEDIA, Problem
from core.http.body import decode, parse_query
from core.http.cached import CachedAnswers, Memory
from core.http.deadlines import Deadlines
from core.http.envelope import JSON, NO_STORE, Clockwork, correlation_of, pagination_json, request_id_of
from core.http.idempotency import Unencodable, admit, as_reply, encoded, in_transaction, keyed, operation_of, settled
from core.http.limits import Buckets, Limited
from core.http.routing import Call, Repeat, Reply, Route, Sent
from core.http.table import Values
from core.isolation.guards import Guards
from core.observe import tracing
from core.observe.logging import RequestLog
from core.observe.meter import KERNEL, Meter
from core.observe.progress import Progress
from core.observe.spent import begin
from core.resilience.rank import rank
from core.resilience.shedding import Shedder
from core.store.db import Db
from core.store.standby import by_the_primary
from core.tasks import Stray

READ_DEADLINE, WRITE_DEADLINE = 2.0, 4.0
"""Seconds (RELIABILITY 3)."""


class Incoming(Protocol):
    """A request, as the transport hands it over."""

    method: str
    target: str
    """Path and query as sent."""
    headers: Mapping[str, str]
    """Names are compared without case."""
    client: str

    async def read(self, limit: int) -> bytes:
        """The whole body, or Problem(PAYLOAD_TOO_LARGE)."""
        ...


@attrs.frozen(kw_only=True)
class Pieces:
    """What compiled routes share."""

    db: Db
    tokens: TokenIssuer
    gate: SessionGate
    users: Buckets
    addresses: Buckets
    clockwork: Clockwork
    log: RequestLog
    memory: Memory
    shedder: Shedder
    max_body: int
    deadlines: Deadlines = attrs.field(factory=Deadlines)
    meter: Meter = attrs.field(factory=Meter)


class Endpoint:
    """A compiled route."""

    def __init__(
        self, route: Route, pieces: Pieces, name: str, plugin: str = KERNEL, guards: Guards | None = None
    ) -> None:
        """`guards` hear of each answer of an optional plugin that was sent, or could not be."""
        self.route, self.name, self.plugin, self._pieces, self._guards = route, name, plugin, pieces, guards
        self.tally = pieces.meter.route(plugin, name)
        self._public = route.policy.roles is None
        if route.cache and (not self._public or route.method != "GET"):
            raise ValueError(f"{name}: only public reads are kept, because what is kept is answered unasked")
        if route.raw and (not self._public or route.body or route.repeat is Repeat.SAFE):
            raise ValueError(f"{name}: raw bytes are for public writes without a body class")
        self._operates = route.repeat in (Repeat.KEYED, Repeat.COMMAND)
        if self._public and (self._operates or route.policy.live):
            raise ValueError(f"{name}: a key is somebody's, and so is a session: a public route has neither")
        if route.repeat is Repeat.COMMAND and route.policy.permission and route.policy.permission.fresh:
            raise ValueError(f"{name}: its SQL function asks for the session, and not for a fresh sign-in")
        self._prepare()
        self._addresses = Buckets(route.raw.rate, name="webhook") if route.raw else pieces.addresses
        self._deadline = route.deadline or (READ_DEADLINE if route.repeat is Repeat.SAFE else WRITE_DEADLINE)
        self._kind = JSON + (NO_STORE if route.private else b"")
        self._prolong = pieces.deadlines.extend
        self._answers = CachedAnswers(route.cache, pieces.memory, self.tally) if route.cache else None
        self._work = self._compose()

    def _prepare(self) -> None:
        """Have the converters ready; raises ValueError for a field that they cannot read."""
        try:
            if self.route.query is not None:
                text.prepare(self.route.query)
            if self.route.body is not None:
                wire.prepare(self.route.body)
        except Unreadable as error:
            raise ValueError(f"{self.name}: {error}") from None

    def _compose(self) -> Callable[[Call[Any, Any]], Awaitable[object]]:
        route, db, gate = self.route, self._pieces.db, self._pieces.gate
        if route.repeat is Repeat.KEYED:
            return settled(db, keyed(route, db, gate), self._pieces.deadlines)
        if route.repeat is Repeat.COMMAND:  # its SQL function checks the session, in its own transaction
            return settled(db, route.handler, self._pieces.deadlines)
        if not route.policy.live:
            return route.handler
        if route.repeat is Repeat.NATURAL:
            return in_transaction(route, db, gate)

        async def with_live_session(call: Call[Any, Any]) -> object:
            with by_the_primary():  # a standby may not have heard yet that the session ended, or of another role
                await admit(route, gate, db, call)
            return await route.handler(call)

        return with_live_session

    async def serve(self, incoming: Incoming, values: Values) -> bytes:
        """The whole HTTP answer of one request; no exception but a cancellation leaves it."""
        began, pieces, progress = time.perf_counter(), self._pieces, Progress()
        request_id = request_id_of(incoming.headers.get("X-Request-ID"))
        rid = request_id.encode()
        try:
            if self._public:
                self._addresses.take(incoming.client)
            found = self._answers.find(incoming.target, incoming.headers, rid) if self._answers else None
            status, answer = found or await self._answer(incoming, values, request_id, progress)
        except Problem as problem:
            progress.refused(problem)
            status, extra = problem.code.status, problem.headers if isinstance(problem, Limited) else b""
            answer = pieces.clockwork.refuse(rid, problem, incoming.headers, extra=extra)
        except (Exception, SystemExit) as error:  # noqa: BLE001  the last net: the client gets an id, the log the rest
            progress.failed(self._counted(error))
            status, answer = INTERNAL.status, pieces.clockwork.refuse(rid, Problem(INTERNAL), incoming.headers)
        trace = tracing.trace_id() if tracing.armed is not None else ""
        pieces.log.request(self.tally, status, began, request_id, progress, trace)
        return answer

    def _counted(self, error: BaseException) -> BaseException:
        """What went wrong; counted here where nobody else does it: the handler was done, its answer was not sent."""
        if not isinstance(error, Unencodable) or error.__cause__ is None:
            return error
        if self._guards is not None:
            self._guards.failed(self.plugin, self.name, error.__cause__)
        return error.__cause__

    async def _answer(
        self, incoming: Incoming, values: Values, request_id: str, progress: Progress
    ) -> tuple[int, bytes]:
        principal = None
        if not self._public:
            principal = self._principal(incoming)
            progress.user = principal.user_id
        seconds = self._seconds(incoming.headers.get("X-Request-Timeout-Ms"))
        rid = request_id.encode()
        context.cause.set(
            context.Cause(correlation_of(incoming.headers, rid).decode(), progress.user, request_id=request_id)
        )
        progress.spent = begin(self.plugin, self.name)
        shedder, writes = self._pieces.shedder, self.route.repeat is not Repeat.SAFE
        raw = await self._raw(incoming) if writes else b""  # before a place is taken: a slow client would hold it
        if (writes and shedder.stalled) or not shedder.enter(self.route.rank):
            raise Problem(UNAVAILABLE)
        began = time.monotonic()
        context.deadline.set(began + seconds)
        if writes:
            context.prolong.set(self._prolong)
        context.hurried.set(seconds < self._deadline)
        rank.set(self.route.rank)
        try:
            work = self._work_on(incoming, raw, values, request_id, principal)
            reply = await self._in_time(work, began + seconds)
        finally:
            shedder.leave(time.monotonic() - began)
        try:
            answer = self._encode(incoming, reply, rid)
        except Exception as error:
            raise Unencodable from error
        if self._guards is not None:
            self._guards.succeeded(self.plugin)
        return answer

    async def _in_time(self, work: Awaitable[Reply], until: float) -> Reply:
        """Its result, or Problem(TIMEOUT)."""
        deadlines, task = self._pieces.deadlines, asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine runs in one
        deadlines.begin(task, until)
        try:
            return await work
        except asyncio.CancelledError:
            if deadlines.was_late(task):
                raise Problem(TIMEOUT) from None
            if not task.cancelling():
                raise Stray("what the request waited for was given up") from None
            raise
        except TimeoutError:
            raise Problem(TIMEOUT) from None
        finally:
            deadlines.end(task)

    async def _work_on(
        self, incoming: Incoming, raw: bytes, values: Values, request_id: str, principal: Principal | None
    ) -> Reply:
        return as_reply(await self._work(self._call(incoming, raw, values, request_id, principal)))

    def _principal(self, incoming: Incoming) -> Principal:
        pieces = self._pieces
        try:
            principal = pieces.tokens.principal(incoming.headers.get("Authorization"))
        except Problem:
            pieces.addresses.take(incoming.client)  # guessing tokens is limited by address
            raise
        pieces.users.take(principal.user_id)
        if not self.route.policy.ended and pieces.gate.revoked(principal.session_id):
            raise Problem(SESSION_EXPIRED)
        if principal.role not in (self.route.policy.roles or ()):
            raise Problem(FORBIDDEN)
        return principal

    def _seconds(self, asked: str | None) -> float:
        """The deadline; the client may only lower it."""
        if asked is None or not asked.isascii() or not asked.isdigit():
            return self._deadline
        return min(self._deadline, max(int(asked[:9]), 1) / 1000)

    def _call(
        self, incoming: Incoming, raw: bytes, values: Values, request_id: str, principal: Principal | None
    ) -> Call[Any, Any]:
        route, headers = self.route, incoming.headers
        query: object = None
        body: object = None
        sent: dict[str, Any] = {}
        if route.query is not None:
            query = text.structure(parse_query(incoming.target.partition("?")[2]), route.query)
        if route.body is not None:
            sent = decode(raw)
            body = wire.structure(sent, route.body)
        call: Call[Any, Any] = Call(
            body=body,
            query=query,
            path=values,
            request_id=request_id,
            client=incoming.client,
            user_agent=headers.get("User-Agent", "")[:200],
            if_match=headers.get("If-Match"),
            principal=principal,
            sent=Sent(raw, headers) if route.raw else None,
        )
        if self._operates:
            call.claim(operation_of(route, call, headers, sent))
        return call

    async def _raw(self, incoming: Incoming) -> bytes:
        headers, own = incoming.headers, self.route.raw
        if own is not None:  # its proof is over the bytes, whatever they are said to be
            return await incoming.read(own.max_body)
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Problem(UNSUPPORTED_MEDIA)
        raw = await incoming.read(self._pieces.max_body)
        kind = headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()
        if raw and kind != "application/json":
            raise Problem(UNSUPPORTED_MEDIA)
        return raw

    def _encode(self, incoming: Incoming, reply: Reply, rid: bytes) -> tuple[int, bytes]:
        clockwork, data = self._pieces.clockwork, encoded(reply.data)
        pages = pagination_json(reply.pagination) if reply.pagination else b""
        if self._answers is not None and reply.valid is not None:
            return self._answers.keep(incoming.target, incoming.headers, rid, data, pages, reply.valid)
        status, kind = reply.status or self.route.status, self._kind
        if reply.etag is not None:
            kind += b"ETag: %b\r\n" % reply.etag.encode()
        if reply.replayed:
            kind += b"X-Idempotent-Replayed: true\r\n"
        body, correlation = clockwork.success(rid, data, pages), correlation_of(incoming.headers, rid)
        return status, clockwork.answer(status, kind, rid, body, correlation)
