"""What traces cost, a tenth of the requests sampled: `python -m tests.core.observe.tracing.costing [--pairs 40]`.

One server in this process, loaded by another without a pause. Traces are on and off in turn, until the process has used
a little of its processor each time, and what a request costs is compared within each pair: the machine's speed drifts,
and neighbours share it. While they are on every request is traced: that is ten times the signal in the same noise. A
tenth of it, and what it costs to decide that a request is not traced, is what a shop pays. What the exporter's thread
still does after its slice counts to it. And what one look costs where traces are off.
"""

import argparse
import asyncio
import gc
import secrets
import shutil
import tempfile
import time
import timeit
from collections.abc import Mapping
from pathlib import Path
from statistics import median, quantiles

import attrs
import uvloop

from core.convert import dump_json
from core.observe import tracing, tracing_export
from core.observe.tracing import Span, Tracer
from core.observe.tracing_export import Exporter
from core.serve import COLLECT
from core.settings import TracingSettings
from core.store.embedded import Embedded
from core.testing import TestApp
from tests.core.observe.tracing.pressing import collector, loaded
from tests.people import new_phone, sign_in
from tests.ports import free_port
from tests.rogues.running import serving

ALLOWED = 1.05
"""Times the processor time of a request without."""
SAMPLE = 0.1
"""Share of the requests that a shop traces."""
ROOM = 1_000_000
"""Spans that may wait here: each is paid for, none is dropped."""
SLICE, WARM, SETTLE, LOOK = 0.5, 2.0, 0.01, 0.01
"""Seconds of processor time of a slice; seconds before the first, before each, and between looks."""
CUSTOMERS = 8
LIST, CART = "/api/v1/products?page=1&limit=20", "/api/v1/cart"
ADDRESS = {
    "fullName": "Asha Rao", "phoneNumber": "9876501234", "addressLine1": "12 Lake Road", "city": "Bengaluru",
    "state": "Karnataka", "pinCode": "560001",
}  # fmt: skip


class Nobody:
    """Takes spans and forgets them."""

    sent = lost = 0

    def take(self, span: Span, /) -> None:
        """See Taker."""


@attrs.frozen
class Used:
    """Processor seconds and requests."""

    seconds: float
    requests: int

    @property
    def each(self) -> float:
        """Microseconds a request."""
        return self.seconds / max(1, self.requests) * 1e6


class Meter:
    """What this process uses."""

    def __init__(self, shop: TestApp) -> None:
        server = shop.app._server
        assert server is not None
        self._server = server

    def now(self) -> tuple[float, int]:
        """Since its start."""
        return time.process_time(), self._server.requests_count

    async def slice(self, seconds: float = SLICE) -> Used:
        """Until so much of the processor was used."""
        used, requests = self.now()
        while time.process_time() < used + seconds:
            await asyncio.sleep(LOOK)
        return self.since((used, requests))

    def since(self, before: tuple[float, int]) -> Used:
        """The difference."""
        now = self.now()
        return Used(now[0] - before[0], now[1] - before[1])


async def pair(meter: Meter, exporter: Exporter, *, first: bool) -> tuple[float, float]:
    """Microseconds a request when none is traced and when each is, which may be `first`."""
    without = None if first else await meter.slice()
    await asyncio.sleep(SETTLE)
    tracing.arm(Tracer(1.0, exporter))
    with_ = await meter.slice()
    tracing.arm(None)
    before = meter.now()
    while exporter.waiting:
        await asyncio.sleep(LOOK)
    tail = meter.since(before)
    if without is None:
        await asyncio.sleep(SETTLE)
        without = await meter.slice()
    late = tail.seconds * 1e6 - tail.requests * without.each
    return without.each, with_.each + late / max(1, with_.requests)


async def requests(shop: TestApp) -> Mapping[str, list[bytes]]:
    """What each case sends, a request for each connection."""
    found = (await shop.get("/products?page=1&limit=3")).data["products"]
    await shop.app.db.fetchval("UPDATE products.stock SET available = 100000000 RETURNING 1")
    items = [{"productId": one["id"], "quantity": 2} for one in found]
    people = [await sign_in(shop, new_phone()) for _ in range(CUSTOMERS)]
    for one in people:
        for item in items:
            await shop.post("/cart/items", json=item, headers={"Authorization": f"Bearer {one.token}"})
    body = {"items": items, "paymentMethod": "COD", "deliveryAddress": ADDRESS}
    return {
        "a cached read": [plain("GET", LIST) for _ in people],
        "a cart": [plain("GET", CART, one.token) for one in people],
        "an order": [plain("POST", "/api/v1/orders", one.token, body) for one in people],
    }


def plain(method: str, path: str, token: str = "", body: Mapping[str, object] | None = None) -> bytes:
    """A request as it travels. Each time `KEY` in it is another one."""
    content = b"" if body is None else dump_json(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    if body is not None:
        key = f"{secrets.token_hex(8)}-KEY"
        lines += ["Content-Type: application/json", f"X-Idempotency-Key: {key}", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def compared(pairs: int, folder: Path, embedded: Embedded, only: str) -> dict[str, list[tuple[float, float]]]:
    """Each case, without and with traces in turn."""
    servers = await embedded.start(folder / "servers")
    env = {
        "DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, "DATA_DIR": str(folder / "data"),
        "VURKSHA_HTTP__ADDRESS_RATE": "10000000.0", "VURKSHA_HTTP__USER_RATE": "10000000.0",
        "VURKSHA_LOG__REQUESTS": "false", "OPERATIONS_TOKEN": "t" * 32, "VURKSHA_OPERATIONS__PORT": "0",
    }  # fmt: skip
    found: dict[str, list[tuple[float, float]]] = {}
    tracing_export.MOST = ROOM  # a replica drops what its collector is too slow for
    with collector(free_port()) as url:
        async with serving(None, env) as shop:
            exporter = Exporter(TracingSettings(endpoint=url), {"service.name": "vurksha"})
            exporter.start()
            gc.set_threshold(*COLLECT)  # as `vurksha serve` does
            gc.collect()
            gc.freeze()
            meter, port = Meter(shop), int(shop.url.rpartition(":")[2])
            for case, sent in (await requests(shop)).items():
                if only not in case:
                    continue
                with loaded(port, sent, folder):
                    await asyncio.sleep(WARM)
                    found[case] = [await pair(meter, exporter, first=bool(turn % 2)) for turn in range(pairs)]
            await exporter.stop(5.0)
            assert exporter.sent, "nothing was traced"
            assert not exporter.lost, "not all was traced"
    return found


def told(case: str, pairs: list[tuple[float, float]], undecided: float) -> tuple[float, str]:
    """How many times dearer a request becomes, by the median of the pairs, and the figures for people."""
    without = median(one for one, _ in pairs)
    shares = [SAMPLE * (two / one - 1) + undecided / one for one, two in pairs]
    low, middle, high = (1 + share for share in quantiles(shares, n=4))
    traced = median(two for _, two in pairs)
    spread = f"half of the pairs x{low:.3f} to x{high:.3f}"
    return middle, f"{case} {without:.1f} us, {traced:.1f} traced, x{middle:.3f} ({spread})"


def look() -> float:
    """Microseconds of one look at whether traces are on."""
    return _timed("tracing.armed is not None")


def decision() -> float:
    """Microseconds of the decision that a request is not traced."""
    return _timed("tracer.root(None)", {"tracer": Tracer(0.0, Nobody())})


def _timed(statement: str, names: Mapping[str, object] | None = None) -> float:
    times = 1_000_000
    return min(timeit.repeat(statement, globals={**globals(), **(names or {})}, number=times, repeat=5)) / times * 1e6


async def main(pairs: int, only: str) -> int:
    """Print the figures; 1 when it costs more than is allowed."""
    folder = Path(tempfile.mkdtemp(prefix="vk-costing-", dir="/tmp"))
    folder.chmod(0o711)
    embedded = Embedded(durable=False)
    try:
        undecided = decision()
        found = await compared(pairs, folder, embedded, only)
        cases = [told(case, measured, undecided) for case, measured in found.items()]
    finally:
        await embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)
    figures = "; ".join(text for _, text in cases)
    print(f"figures: off: {look():.3f} us for a look; {SAMPLE:.0%} sampled: {figures}; {pairs} pairs")  # noqa: T201  a program for people
    return int(any(ratio > ALLOWED for ratio, _ in cases))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--only", default="", help="cases that hold this text")
    asked = parser.parse_args()
    raise SystemExit(uvloop.run(main(asked.pairs, asked.only)))
