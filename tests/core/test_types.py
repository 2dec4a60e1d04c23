"""Ids."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from core.types import utc_now, uuid7


def test_ids_rise_and_never_repeat_even_across_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: [uuid7() for _ in range(2_000)], range(4)))
    assert all(run == sorted(run) for run in runs)
    assert len({one for run in runs for one in run}) == 8_000


def test_an_id_is_a_version_7_uuid_of_now() -> None:
    one = uuid7()
    assert (one.version, one.variant) == (7, "specified in RFC 4122")
    assert abs(datetime.fromtimestamp((one.int >> 80) / 1000, UTC) - utc_now()).total_seconds() < 60
