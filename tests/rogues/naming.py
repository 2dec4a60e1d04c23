"""How well it is known who holds the loop: `python -m tests.rogues.naming`. The app on uvloop, as it is served.

A plugin computes for 300 ms and for 4 ms in one route and sleeps in another; what it is charged is compared with what
it used, and all charges with what the loop used. Exits with 1 when that differs by more than is allowed.
"""

import shutil
import tempfile
import time
from pathlib import Path

import uvloop

from core.app import App
from core.store.embedded import Embedded
from tests.core.harness import Probe, running, settings_of
from tests.core.http.probe import ProbePlugin
from tests.core.observe.busy.plugin import Busy

COMPUTES, SLEEPS = "GET /api/v1/busy/computes/{ms}", "GET /api/v1/busy/sleeps"
LONG, SHORT = (300, 8), (4, 400)
"""Milliseconds, and how often."""
OWN, ALL = 0.15, 0.05
"""The parts by which a plugin's charge and the sum of all may differ."""


async def measured(probe: Probe) -> tuple[bool, str]:
    """Whether it is known well enough, and the figures."""
    usage = probe.app.usage
    before, began = sum(usage.loop_seconds().values()), time.thread_time()
    for ms, times in (LONG, SHORT):
        for _ in range(times):
            await probe.get(f"/busy/computes/{ms}")
    used, charged = time.thread_time() - began, sum(usage.loop_seconds().values()) - before
    await probe.get("/busy/sleeps")
    await probe.get("/probe/hello")
    computed, own = sum(ms * times for ms, times in (LONG, SHORT)) / 1000, usage.loop_by_route()["busy", COMPUTES]
    worst = next(slow for slow in usage.slow_calls() if slow.what == COMPUTES)
    slept = usage.loop_by_route().get(("busy", SLEEPS), 0.0)
    place = next((call for call in reversed(worst.stack) if "busy/plugin.py" in call), "nowhere")
    known = abs(own / computed - 1) < OWN and charged > (1 - ALL) * used and slept > 0.1 and place.endswith("computing")
    return known, (
        f"computed {computed:.2f} s, charged to its route {own:.2f} s; the loop used {used:.2f} s, all charges are"
        f" {charged:.2f} s; slept 0.40 s, charged {slept:.2f} s; worst call {worst.seconds:.2f} s of {worst.what}"
        f" at {Path(place).name}"
    )


async def main() -> int:
    """Print the figures."""
    folder = Path(tempfile.mkdtemp(prefix="vk-naming-", dir="/tmp"))
    folder.chmod(0o711)
    embedded, plugin = Embedded(durable=False), ProbePlugin()
    try:
        servers = await embedded.start(folder / "servers")
        patient = {"failures": 1000, "blocks": 1000, "longest_block": 100.0}
        settings = settings_of(servers.database_url, servers.redis_url, folder / "data", isolation=patient)
        async with running(App(settings, [plugin, Busy()]), plugin) as probe:
            known, figures = await measured(probe)
    finally:
        await embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"figures: {figures}")  # noqa: T201  a program for people
    return int(not known)


if __name__ == "__main__":
    raise SystemExit(uvloop.run(main()))
