import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from core import configuration, faultpoints
from core.settings import BadSettings
from tests.core.program import ROOT


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    faultpoints.arm([], "")


async def test_a_point_that_is_not_armed_does_nothing() -> None:
    assert not faultpoints.armed
    await faultpoints.reach("db.before_commit")


async def test_an_error_breaks_the_connection_where_the_word_fits() -> None:
    faultpoints.arm(["db.after_statement/orders.place=error"], "1")
    assert faultpoints.armed
    await faultpoints.reach("db.after_statement", "SELECT carts.add_line($1)")
    await faultpoints.reach("db.before_statement", "SELECT orders.place($1)")
    with pytest.raises(ConnectionResetError):
        await faultpoints.reach("db.after_statement", "SELECT orders.place($1)")


async def test_a_delay_takes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faultpoints, "DELAY", 0.05)
    faultpoints.arm(["inbox.before_done=delay"], "1")
    began = time.monotonic()
    await faultpoints.reach("inbox.before_done", "order.cart")
    assert time.monotonic() - began >= 0.05


async def test_a_chance_is_kept_and_a_seed_repeats_it() -> None:
    async def struck() -> list[int]:
        faultpoints.arm(["db.before_commit=error:0.1"], "seed")
        hits = []
        for number in range(1000):
            try:
                await faultpoints.reach("db.before_commit")
            except ConnectionResetError:
                hits.append(number)
        return hits

    first = await struck()
    assert 60 < len(first) < 140
    assert await struck() == first


@pytest.mark.parametrize("spec", ["db.before_commit", "db.nowhere=crash", "db.before_commit=explode", "=crash", "x"])
def test_what_is_no_fault_point_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="is no point=fault"):
        faultpoints.arm([spec], "1")


@pytest.mark.parametrize("fault", ["crash", "doom"])
def test_a_crash_is_a_kill(fault: str) -> None:
    code = (
        "import asyncio; from core import faultpoints as f\n"
        f"async def main():\n    f.arm(['db.before_commit={fault}'], '1'); await f.reach('db.before_commit')\n"
        "    await asyncio.sleep(5)\nasyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -9
    assert done.stderr == f"fault point db.before_commit  {fault}\n"


def test_production_refuses_fault_points() -> None:
    env = {"VURKSHA_ENV": "production", "VURKSHA_FAULTS__POINTS": "db.before_commit=crash"}
    with pytest.raises(BadSettings, match=r"faults\.points is for tests"):
        configuration.build(configuration.read(env), {})


async def test_a_struck_loop_goes_on() -> None:
    faultpoints.arm(["redis.before_call=error"], "1")
    with pytest.raises(ConnectionResetError):
        await faultpoints.reach("redis.before_call")
    await asyncio.sleep(0)
