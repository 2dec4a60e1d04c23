"""Token buckets: fair, bounded, never unlimited, never zero."""

import secrets
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RATE_LIMITED
from core.http import limits
from core.http.limits import Buckets, Limited
from tests.core.harness import NewProbe, Probe
from tests.core.resilience.hand import Hand


def taken(buckets: Buckets, key: object, times: int) -> int:
    """How many of so many were let through."""
    passed = 0
    for _ in range(times):
        try:
            buckets.take(key)
        except Limited:
            continue
        passed += 1
    return passed


def test_a_burst_of_a_second_and_then_the_rate() -> None:
    clock = Hand()
    buckets = Buckets(10, clock)
    assert taken(buckets, "a", 50) == 10
    clock.now += 0.5
    assert taken(buckets, "a", 50) == 5
    clock.now += 60
    assert taken(buckets, "a", 50) == 10


def test_one_client_does_not_spend_anothers() -> None:
    buckets = Buckets(3, Hand())
    assert [taken(buckets, key, 5) for key in ("a", "b", "a")] == [3, 3, 0]


@given(st.floats(0, 50), st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_never_more_than_the_rate_and_never_nothing(rate: float, pauses: list[float]) -> None:
    clock = Hand()
    buckets, passed = Buckets(rate, clock), 0
    for pause in pauses:
        clock.now += pause
        passed += taken(buckets, "a", 20)
    whole = max(rate, 1.0)
    assert 1 <= passed <= whole * (1 + sum(pauses)) + 1e-6


def test_memory_is_bounded_and_the_busy_ones_are_kept_if_they_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST", 10)
    clock = Hand()
    buckets = Buckets(2, clock)
    for key in range(9):
        buckets.take(key)
    clock.now += 1
    assert taken(buckets, "busy", 5) == 2
    assert taken(buckets, "new", 5) == 2
    assert (len(buckets._buckets), taken(buckets, "busy", 1)) == (2, 0)
    for key in range(100):
        buckets.take(key)
        assert len(buckets._buckets) <= 10


def test_no_more_are_kept_than_twice_those_in_use() -> None:
    clock = Hand()
    buckets = Buckets(2, clock)
    for key in range(20_000):
        clock.now += 0.001  # a thousand new clients a second, each of whom comes once
        buckets.take(key)
        assert len(buckets._buckets) <= 2_002


def test_a_refusal_says_what_the_limit_is_and_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.time, "time", lambda: 1_790_000_000.5)
    buckets = Buckets(1, Hand())
    buckets.take("a")
    with pytest.raises(Limited) as caught:
        buckets.take("a")
    assert (caught.value.code, caught.value.retry_after) == (RATE_LIMITED, 1)
    assert caught.value.headers == (
        b'RateLimit-Policy: "default";q=1;w=1\r\nRateLimit: "default";r=0;t=1\r\n'
        b"X-RateLimit-Limit: 1\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1790000001\r\n"
    )


def test_a_class_of_its_own_has_its_own_name() -> None:
    buckets = Buckets(1, Hand(), name="webhook")
    buckets.take("a")
    with pytest.raises(Limited) as caught:
        buckets.take("a")
    assert caught.value.headers.startswith(b'RateLimit-Policy: "webhook";q=1;w=1\r\nRateLimit: "webhook";r=0;t=1')


@pytest.mark.parametrize(("replicas", "each"), [(1, 100), (2, 75), (3, 50), (200, 1)])
def test_replicas_that_hear_nothing_of_each_other_keep_to_their_part(replicas: int, each: int) -> None:
    clock = Hand()
    buckets = Buckets(100, clock)
    assert taken(buckets, "early", 100) == 100
    buckets.spread(replicas, shared=False)
    assert taken(buckets, "a", 300) == each
    clock.now += 1
    assert taken(buckets, "a", 300) == each
    buckets.spread(replicas, shared=True)
    clock.now += 1
    assert taken(buckets, "a", 300) == 100


def test_only_what_could_be_over_the_rate_with_the_others_is_told_to_them() -> None:
    buckets = Buckets(90, Hand())
    buckets.spread(3, shared=True)
    taken(buckets, "calm", 29)
    taken(buckets, "busy", 40)
    assert buckets.spent() == {"busy": 40}
    assert buckets.spent() == {"busy": 0}
    taken(buckets, "busy", 5)
    assert buckets.spent() == {"busy": 5}


def test_what_others_spent_is_taken_off_and_what_was_spent_meanwhile_is_not_given_back() -> None:
    clock = Hand()
    buckets = Buckets(90, clock)
    buckets.spread(3, shared=True)
    taken(buckets, "a", 40)
    buckets.spent()
    taken(buckets, "a", 10)
    buckets.left("a", 30.0)
    assert taken(buckets, "a", 90) == 20
    buckets.spent()
    buckets.left("a", -45.0)
    clock.now += 0.5
    assert taken(buckets, "a", 90) == 0
    clock.now += 0.5
    assert taken(buckets, "a", 90) == 45
    buckets.spent()
    buckets.left("a", 90.0)
    assert buckets.spent() == {}
    assert taken(buckets, "a", 90) == 90


@pytest.fixture
async def slow_probe(new_probe: NewProbe) -> AsyncIterator[Probe]:
    """Three requests a second for each user, two for each address."""
    async with new_probe(http={"user_rate": 3.0, "address_rate": 2.0}) as probe:
        yield probe


async def test_over_http_a_user_has_a_limit_of_their_own(slow_probe: Probe) -> None:
    one, other = slow_probe.person(), slow_probe.person()
    answers = [await slow_probe.get("/probe/mine", as_=one) for _ in range(5)]
    assert [answer.status for answer in answers][:3] == [200] * 3
    refused = answers[-1]
    assert (refused.status, refused.code, refused.json["error"]["retryable"]) == (429, "RATE_001", True)
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"] == '"default";r=0;t=1'
    assert refused.headers["RateLimit-Policy"] == '"default";q=3;w=1'
    assert (await slow_probe.get("/probe/mine", as_=other)).status == 200


async def test_over_http_anonymous_requests_are_counted_by_address(slow_probe: Probe) -> None:
    answers = [await slow_probe.get("/probe/hello", headers={"X-Forwarded-For": "7.7.7.7"}) for _ in range(4)]
    assert [answer.status for answer in answers].count(429) >= 1
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.headers["RateLimit-Policy"] == '"default";q=2;w=1'
    assert (await slow_probe.get("/probe/hello", headers={"X-Forwarded-For": "7.7.7.8"})).status == 200


async def test_over_http_guessing_tokens_is_counted_by_address(slow_probe: Probe) -> None:
    headers = {"X-Forwarded-For": "7.7.7.9"}
    guesses = [{"Authorization": f"Bearer {secrets.token_hex(8)}", **headers} for _ in range(4)]
    answers = [await slow_probe.get("/probe/mine", headers=guess) for guess in guesses]
    assert [answer.status for answer in answers][:2] == [401, 401]
    assert 429 in [answer.status for answer in answers]


async def test_over_http_answers_from_memory_count_too(slow_probe: Probe) -> None:
    headers = {"X-Forwarded-For": "7.7.7.10"}
    answers = [await slow_probe.get("/probe/cached", headers=headers) for _ in range(6)]
    assert [answer.status for answer in answers][:2] == [200, 200]
    assert answers[-1].code == "RATE_001"


async def test_a_domains_own_429_speaks_of_no_bucket(slow_probe: Probe) -> None:
    answer = await slow_probe.get("/probe/too-many", as_=slow_probe.person())
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3600")
    assert "RateLimit" not in answer.headers


async def test_health_has_no_limit(slow_probe: Probe) -> None:
    assert {(await slow_probe.get("/health/live")).status for _ in range(20)} == {200}
