"""Rate limit, retry budget and backoff: pure functions of time, so time is a list of numbers here."""

from __future__ import annotations

import math
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.aws.rate_limit import AdaptiveRate, RateSettings, start_rates
from service.aws.retry import RetryBudget, backoff_s

RATE: Final = RateSettings(per_second=5.0, burst=10, concurrency=2)
EPSILON: Final = 1e-6

waits = st.lists(st.floats(0, 3), min_size=1, max_size=60)


def max_above_rate(departures: list[float], per_second: float) -> float:
    """Return by how many calls the fullest window exceeds the rate."""
    ordered = sorted(departures)
    return max(
        (last - first + 1) - per_second * (ordered[last] - ordered[first])
        for first in range(len(ordered))
        for last in range(first, len(ordered))
    )


@given(gaps=waits)
def test_no_window_exceeds_the_rate_by_more_than_the_burst(gaps: list[float]) -> None:
    rate, now, departures = AdaptiveRate(RATE), 1000.0, []
    for gap in gaps:
        now += gap / 10
        wait = rate.reserve(now)
        assert wait >= 0
        departures.append(now + wait)
    assert max_above_rate(departures, RATE.per_second) <= RATE.burst + EPSILON
    assert departures == sorted(departures)  # first come, first served


@given(
    steps=st.lists(st.tuples(st.floats(0, 0.5), st.sampled_from(["call", "call", "good", "slow", "wait"])), max_size=60)
)
def test_throttling_and_recovery_keep_the_rate_within_its_bounds(steps: list[tuple[float, str]]) -> None:
    rate, now, departures = AdaptiveRate(RATE), 1000.0, [0.0]
    for gap, step in steps:
        now += gap
        if step == "call":
            departures.append(now + rate.reserve(now))
        elif step == "good":
            rate.succeeded()
        else:
            rate.throttled(now, sent_at=now, retry_after_s=3.0 if step == "wait" else None)
        assert RATE.per_second / 16 <= rate.per_second <= RATE.per_second
    assert max_above_rate(departures[1:] or [0.0], RATE.per_second) <= RATE.burst + EPSILON


def test_a_pause_fills_the_bucket_to_the_burst_and_no_further() -> None:
    rate = AdaptiveRate(RATE)
    for _ in range(25):
        rate.reserve(0.0)
    first = [rate.reserve(3600.0) for _ in range(RATE.burst)]
    assert first == [0.0] * RATE.burst
    assert rate.reserve(3600.0) == pytest.approx(0.2)


@pytest.mark.parametrize("in_flight", [1, 2, 7])
def test_calls_in_flight_at_a_slow_down_do_not_slow_down_twice(in_flight: int) -> None:
    rate = AdaptiveRate(RATE)
    for number in range(in_flight):
        rate.throttled(10.0 + number, sent_at=9.0, retry_after_s=None)
    assert rate.per_second == 2.5
    rate.throttled(20.0, sent_at=15.0, retry_after_s=None)
    assert rate.per_second == 1.25


def test_it_slows_down_to_a_sixteenth_at_most_and_recovers_by_twentieths() -> None:
    rate = AdaptiveRate(RATE)
    for number in range(10):
        rate.throttled(2.0 * number, sent_at=2.0 * number - 0.5, retry_after_s=None)
    assert rate.per_second == 5.0 / 16
    rate.succeeded()
    assert rate.per_second == pytest.approx(5.0 / 16 + 0.25)
    for _ in range(20):
        rate.succeeded()
    assert rate.per_second == 5.0


GROWING: Final = RateSettings(per_second=5.0, burst=10, concurrency=2, maximum=100.0)


def test_while_nothing_is_throttled_the_rate_doubles_about_once_a_second() -> None:
    rate, now, at = AdaptiveRate(GROWING), 0.0, {}
    for _ in range(600):
        now += rate.reserve(now)
        rate.succeeded()
        at[math.floor(now)] = rate.per_second
    assert at[0] < 20 <= 2 * at[0] <= at[1] < 100
    assert rate.per_second == 100.0


def test_it_does_not_grow_while_nobody_waits_for_it() -> None:
    rate = AdaptiveRate(GROWING)
    for second in range(1000):
        assert rate.reserve(float(second)) == 0
        rate.succeeded()
    assert rate.per_second == 5.0


@pytest.mark.parametrize("bears", [3.0, 5.0, 20.0, 60.0])
def test_it_finds_the_rate_that_the_service_accepts_and_few_calls_are_throttled(bears: float) -> None:
    """The simulated service is a token bucket too."""
    rate, now, tokens, at, refused, done = AdaptiveRate(GROWING), 0.0, 10.0, 0.0, 0, 0
    while done < 1000:
        now += max(rate.reserve(now), 0.001)
        tokens, at = min(10.0, tokens + (now - at) * bears), now
        if tokens >= 1:
            tokens -= 1
            done += 1
            rate.succeeded()
        else:
            refused += 1
            rate.throttled(now, sent_at=now, retry_after_s=None)
    assert refused / done < (0.1 if bears >= GROWING.per_second else 0.15)
    assert done / now > 0.6 * bears


def test_after_a_slow_down_no_burst_is_left() -> None:
    rate = AdaptiveRate(RATE)
    rate.throttled(0.0, sent_at=0.0, retry_after_s=None)
    assert [rate.reserve(0.0) for _ in range(3)] == pytest.approx([0.4, 0.8, 1.2])


@pytest.mark.parametrize("requested_s", [0.5, 7.0, 60.0])
def test_nothing_is_sent_before_retry_after_has_passed(requested_s: float) -> None:
    rate = AdaptiveRate(RATE)
    rate.throttled(100.0, sent_at=99.0, retry_after_s=requested_s)
    rate.throttled(
        100.0, sent_at=99.0, retry_after_s=requested_s / 2
    )  # a shorter Retry-After does not replace a longer one
    for now in (100.0, 100.0 + requested_s / 3):
        assert now + rate.reserve(now) >= 100.0 + requested_s


def test_a_pause_makes_void_what_was_reserved_and_counts_no_scope_twice() -> None:
    rate = AdaptiveRate(RATE)
    for _ in range(30):
        rate.reserve(0.0)  # twenty calls wait
    rate.throttled(0.1, sent_at=0.0, retry_after_s=4.0)
    assert rate.pauses == 1
    rate.throttled(0.2, sent_at=0.0, retry_after_s=3.0)  # sent to another call, and shorter
    assert rate.pauses == 1
    again = [0.2 + rate.reserve(0.2) for _ in range(20)]
    assert again[0] == pytest.approx(4.1 + 1 / rate.per_second)
    assert max_above_rate(again, rate.per_second) <= 1 + EPSILON


def test_calls_that_waited_for_retry_after_keep_the_rate() -> None:
    rate = AdaptiveRate(RATE)
    rate.throttled(0.0, sent_at=0.0, retry_after_s=10.0)
    departures = [rate.reserve(0.0) for _ in range(25)]
    assert max_above_rate(departures, RATE.per_second) <= RATE.burst + EPSILON


def test_the_drs_rate_is_the_one_set_and_every_service_has_one() -> None:
    table = start_rates(RATE)
    assert table["drs"] is RATE
    assert set(table) == {"drs", "ec2", "sts", "dynamodb", "events", "lambda"}
    assert table["ec2"].per_second <= 20  # refill published by AWS
    assert table["sts"].per_second <= 600  # quota published by AWS


@given(
    steps=st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.floats(0, 30), st.sampled_from("abc")), max_size=150)
)
def test_retries_are_paid_for_by_successes_an_initial_budget_and_a_slow_refill(
    steps: list[tuple[float, bool, float, str]],
) -> None:
    budget, now, successes, ends = RetryBudget(), 50.0, 0, [50.0]
    for gap, success, longest, account in steps:
        now += gap
        if success:
            budget.succeeded(account)
            successes += 1
            continue
        wait = budget.spend(now, account, longest_wait_s=longest)
        if wait is not None:
            assert 0 <= wait <= longest
            ends.append(now + wait)
    granted = len(ends) - 1
    own = (
        3 * (1 + math.floor((now - 50.0) / budget.own_after_s)) + successes
    )  # of three accounts; each returns with a success
    assert granted <= budget.start + successes + own + (max(ends) - 50.0) * budget.per_second + EPSILON


def test_an_outage_is_probed_and_not_stormed() -> None:
    budget = RetryBudget(per_second=1.0)
    assert [budget.spend(0.0, "a", longest_wait_s=5.0) for _ in range(10)] == [0.0] * 10
    assert [budget.spend(0.0, "a", longest_wait_s=5.0) for _ in range(5)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert budget.spend(0.0, "a", longest_wait_s=5.0) is None
    assert budget.spend(1.0, "a", longest_wait_s=5.0) == 5.0  # a refused retry takes no token
    assert budget.spend(1000.0, "a", longest_wait_s=0.0) == 0.0


@pytest.mark.parametrize("longest_wait_s", [5.0, 30.0])
def test_accounts_that_always_fail_take_no_retry_of_accounts_that_fail_once(longest_wait_s: float) -> None:
    budget = RetryBudget()
    failing, good = [f"bad-{number}" for number in range(30)], [f"good-{number}" for number in range(10)]
    while [wait for each in failing if (wait := budget.spend(0.0, each, longest_wait_s=longest_wait_s)) is not None]:
        pass
    assert [budget.spend(0.0, each, longest_wait_s=longest_wait_s) for each in good] == [0.0] * 10
    assert budget.spend(0.0, "good-0", longest_wait_s=0.0) is None
    budget.succeeded("good-0")
    assert budget.spend(0.0, "good-0", longest_wait_s=0.0) == 0.0


def test_where_hundreds_of_accounts_fail_few_of_them_are_tried_again() -> None:
    budget = RetryBudget()
    accounts = [str(number) for number in range(500)]
    granted = [wait for each in accounts * 3 if (wait := budget.spend(0.0, each, longest_wait_s=0.0)) is not None]
    assert len(granted) == budget.start + budget.own_maximum


def test_the_retry_of_an_account_returns_after_a_while() -> None:
    budget = RetryBudget(start=0.0, per_second=0.001)
    assert budget.spend(0.0, "a", longest_wait_s=0.0) == 0.0
    assert budget.spend(budget.own_after_s - 1.0, "a", longest_wait_s=0.0) is None
    assert budget.spend(budget.own_after_s, "a", longest_wait_s=0.0) == 0.0


def test_the_retry_budget_has_a_maximum() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.succeeded("a")
    free = 0
    while budget.spend(0.0, "a", longest_wait_s=0.0) == 0.0:
        free += 1
    assert free == budget.maximum


def test_no_retry_is_granted_after_the_deadline() -> None:
    assert RetryBudget().spend(0.0, "a", longest_wait_s=-0.1) is None


@given(
    attempt=st.integers(1, 12),
    jitter=st.floats(0, 1, exclude_max=True),
    requested_s=st.none() | st.floats(0, 100),
)
def test_a_pause_is_no_shorter_than_requested_and_bounded(
    attempt: int, jitter: float, requested_s: float | None
) -> None:
    pause = backoff_s(attempt, jitter=jitter, retry_after_s=requested_s)
    ceiling = min(8.0, 0.25 * 2**attempt)
    if requested_s is None:
        assert pause == pytest.approx(jitter * ceiling)
    else:
        assert requested_s <= pause <= requested_s + ceiling
    assert math.isfinite(pause)
