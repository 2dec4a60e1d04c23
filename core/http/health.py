"""Health (RELIABILITY 4.10): answered from memory, so in well under 50 ms whatever is down."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

import attrs
import orjson

from core.http.compile import Incoming
from core.http.envelope import JSON, NO_STORE, Clockwork, correlation_of, request_id_of
from core.http.table import Values
from core.tasks import contained

log = logging.getLogger("core.health")

PROBE_EVERY = 1.0
PROBE_LIMIT = 0.2
CUT_OFF_AFTER = 6.0
"""Seconds since the last good probe: seen with one a second, that is 5 to 8 s after a cut (RELIABILITY 2)."""
READINESS = {"healthy": "ready", "degraded": "degraded", "unhealthy": "not_ready"}
"""What `/health/ready` calls the state that `/health` tells of."""
MAX_SKEW = 5.0
"""Seconds that the machine's clock may differ from the database's."""


@attrs.frozen(kw_only=True)
class HealthCheck:
    """A named check: it returns when all is well and raises when not, within `limit` seconds."""

    name: str
    check: Callable[[], Awaitable[object]]
    vital: bool = False
    """A replica that fails it while a peer does not gets no requests: for what all replicas lean on."""
    limit: float = PROBE_LIMIT


@attrs.define
class Outcome:
    """What a dependency's last probe found."""

    up: bool = False
    millis: int = 0


def _nobody(_: str) -> bool:
    return False


class Health:
    """The replica's state. `reasons` are why it is not ready.

    A dependency that is down makes unready only while `elsewhere` says that a peer reaches it.
    """

    def __init__(self, checks: Sequence[HealthCheck], version: str, elsewhere: Callable[[str], bool] = _nobody) -> None:
        self._checks, self._version, self._elsewhere = checks, version, elsewhere
        self._began = time.monotonic()
        self._last_up = {check.name: self._began for check in checks}
        self._why: dict[str, str] = {}
        self.outcomes = {check.name: Outcome() for check in checks}
        self.reasons: set[str] = {"starting"}

    async def probe(self) -> None:
        """Ask every dependency once."""
        await asyncio.gather(*(self._probe(check) for check in self._checks))
        for check in self._checks:
            if check.vital:
                self._judge(check.name)

    async def _probe(self, check: HealthCheck) -> None:
        began = time.monotonic()
        try:
            with contained:
                async with asyncio.timeout(check.limit):
                    await check.check()
            up = True
        except Exception:  # noqa: BLE001  whatever it is, the dependency is not well
            up = False
        now = time.monotonic()
        self.outcomes[check.name] = Outcome(up, round((now - began) * 1000))
        if up:
            self._last_up[check.name] = now

    def _judge(self, name: str) -> None:
        gone = not self.outcomes[name].up and time.monotonic() - self._last_up[name] >= CUT_OFF_AFTER
        cut_off = gone and self._elsewhere(name)
        if self.because(f"reach {name}", f"cut off from {name}" if cut_off else ""):
            log.warning("%s %s", "cut off from" if cut_off else "no longer cut off from", name)

    def because(self, topic: str, why: str = "") -> bool:
        """Be unready because of something, or no longer; whether that is news."""
        before, self._why[topic] = self._why.get(topic, ""), why
        self.reasons.discard(before)
        self.reasons |= {why} - {""}
        return before != why

    def skew(self, seconds: float) -> None:
        """How far the clock is off, as a probe of the database found."""
        if self.because("clock", "clock" if abs(seconds) > MAX_SKEW else ""):
            log.warning("the clock is %.1f s off the database's", seconds)

    @property
    def ready(self) -> bool:
        """Whether the balancer should send requests here."""
        return not self.reasons

    def report(self) -> dict[str, object]:
        """What `/health` says."""
        well = all(outcome.up for outcome in self.outcomes.values())
        return {
            "status": "unhealthy" if not self.ready else "healthy" if well else "degraded",
            "timestamp": datetime.now(UTC),
            "uptime": int(time.monotonic() - self._began),
            "version": self._version,
            "reasons": sorted(self.reasons),
            "dependencies": {
                name: {"status": "up" if o.up else "down", "latencyMs": o.millis} for name, o in self.outcomes.items()
            },
        }


class HealthEndpoint:
    """`/health`, `/health/live` and `/health/ready`, without envelope (CONTRACT B.2).

    Only the last one's status says something: the first is for people, who read on.
    """

    tally = None
    """Neither counted nor traced: probes ask all the time."""

    def __init__(self, kind: str, health: Health, clockwork: Clockwork) -> None:
        self._kind, self._health, self._clockwork = kind, health, clockwork

    async def serve(self, incoming: Incoming, _: Values) -> bytes:
        """From memory."""
        status, body = 200, self._health.report()
        if self._kind == "live":
            body = {"status": "ok", "timestamp": body["timestamp"]}
        elif self._kind == "ready":
            status = 200 if self._health.ready else 503
            body["status"] = READINESS[str(body["status"])]
        rid = request_id_of(incoming.headers.get("X-Request-ID")).encode()
        raw, correlation = orjson.dumps(body, option=orjson.OPT_UTC_Z), correlation_of(incoming.headers, rid)
        return self._clockwork.answer(status, JSON + NO_STORE, rid, raw, correlation)


def path_items() -> Mapping[str, dict[str, object]]:
    """The health routes for the OpenAPI document."""
    schema = {"type": "object", "required": ["status", "timestamp"], "properties": {"status": {"type": "string"}}}
    content = {"application/json": {"schema": schema}}

    def item(name: str, summary: str, *, may_fail: bool) -> dict[str, object]:
        responses: dict[str, object] = {"200": {"description": "well enough to serve", "content": content}}
        if may_fail:
            responses["503"] = {"description": "not ready, with the reasons", "content": content}
        return {
            "get": {"operationId": name, "summary": summary, "tags": ["health"], "security": [], "responses": responses}
        }

    return {
        "/health": item("health", "State of the replica and of what it depends on", may_fail=False),
        "/health/live": item("healthLive", "Whether the process answers", may_fail=False),
        "/health/ready": item("healthReady", "Whether it should get requests", may_fail=True),
    }
