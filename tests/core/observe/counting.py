"""What a request's line and its counting cost: `python -m tests.core.observe.counting`."""

import sys
import time
from statistics import median

from core.observe.logging import RequestLog
from core.observe.meter import Meter

BATCH, ROUNDS = 1_000, 40
LIMIT = 1.0
"""Microseconds before the answer leaves that are far too much, also on a busy machine: it is a tuple in a list."""


class Nowhere:
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        """Gone."""
        return len(text)

    def flush(self) -> None:
        """Nothing to do."""


def main() -> None:
    """Measure, tell, and fail when a request waits for its line."""
    out = RequestLog(Nowhere())  # type: ignore[arg-type]  # it asks no more of a stream
    route = Meter().route("product", "GET /api/v1/products")
    noted: list[float] = []
    flushed: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(BATCH):
            out.request(route, 200, began, "0c5f0ef8-7b69-4a3c-8a9f-000000000001")
        middle = time.process_time()
        out.flush()
        noted.append(middle - began)
        flushed.append(time.process_time() - middle)
    before, after = (median(one) / BATCH * 1e6 for one in (noted, flushed))
    assert route.requests == BATCH * ROUNDS
    sys.stdout.write(
        f"figures: {before:.2f} us a request before its answer, {after:.2f} us later for line and counts\n"
    )
    assert before < LIMIT


if __name__ == "__main__":
    main()
