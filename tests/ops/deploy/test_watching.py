import math

import pytest

from ops.deploying.model import Figures, Totals
from ops.deploying.scraping import buckets
from ops.deploying.watching import Limits, quantile, since, worse

TEXT = """# TYPE vurksha_request_seconds histogram
vurksha_request_seconds_bucket{plugin="order",route="a",le="0.1"} 3
vurksha_request_seconds_bucket{plugin="order",route="a",le="+Inf"} 4
vurksha_request_seconds_bucket{plugin="cart",route="b",le="0.1"} 1
vurksha_request_seconds_bucket{plugin="cart",route="b",le="+Inf"} 1
vurksha_request_seconds_sum{plugin="cart",route="b"} 0.1
# TYPE other counter
other_total 9
"""


def test_buckets_of_all_routes_are_added_up() -> None:
    assert buckets(TEXT) == {0.1: 4, math.inf: 5}


@pytest.mark.parametrize(
    ("counts", "p99"),
    [
        ({}, 0.0),
        ({0.1: 0.0, math.inf: 0.0}, 0.0),
        ({0.1: 100.0, math.inf: 100.0}, 0.099),
        ({0.1: 50.0, 0.2: 100.0, math.inf: 100.0}, 0.198),
        ({0.1: 50.0, 0.2: 60.0, math.inf: 100.0}, 0.2),
    ],
    ids=["nothing", "none", "first", "second", "beyond"],
)
def test_a_quantile_is_interpolated_as_prometheus_does(counts: dict[float, float], p99: float) -> None:
    assert quantile(counts, 0.99) == pytest.approx(p99)


def test_a_counter_that_went_back_counts_as_nothing() -> None:
    before, now = Totals(requests=9, errors=2, buckets={1.0: 9}), Totals(requests=3, buckets={1.0: 3})
    assert since(before, now) == Figures()


OLD = Figures(requests=1000, errors=10, p99=0.15)


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (Figures(requests=19, errors=19, p99=9), ""),
        (Figures(requests=100, errors=2, p99=0.2), ""),
        (Figures(requests=100, errors=3, p99=0.2), "3 of 100 requests failed (3.0%, 1.0% before)"),
        (Figures(requests=100, p99=0.29), ""),
        (Figures(requests=100, p99=0.31), "p99 is 310 ms, 150 ms before"),
        (Figures(requests=100), "nobody measured how long answers took"),
    ],
    ids=["few", "as bad", "worse", "a little slower", "slow", "blind"],
)
def test_worse_is_more_than_a_little(new: Figures, why: str) -> None:
    assert worse(new, OLD, Limits()) == why


def test_without_a_release_before_the_promise_counts() -> None:
    assert worse(Figures(requests=100, p99=0.21), None, Limits()) == "p99 is 210 ms"
    assert worse(Figures(requests=100, errors=2, p99=0.1), None, Limits()) == "2 of 100 requests failed (2.0%)"
