"""The histogram: exact where it says so, never below the truth, and the same whether one process recorded or several."""

import random

import pytest

from walletd.loadtest.histogram import VALUE_MAX, Histogram, bucket_of, highest_in

SHARES = (0.0, 0.5, 0.9, 0.99, 0.999, 1.0)


def exact(values: list[int], share: float) -> int:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(1, -int(-share * len(ordered) // 1)) - 1]


def recorded(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def test_small_values_are_exact() -> None:
    values = [value % 256 for value in range(1000)]
    histogram = recorded(values)
    assert [histogram.percentile(share) for share in SHARES] == [exact(values, share) for share in SHARES]


@pytest.mark.parametrize("seed", range(5))
def test_a_percentile_is_never_below_the_truth_and_at_most_a_128th_above(seed: int) -> None:
    rng = random.Random(seed)
    values = [int(rng.lognormvariate(8, 3)) for _ in range(5000)]
    histogram = recorded(values)
    for share in SHARES:
        truth = exact(values, share)
        assert truth <= histogram.percentile(share) <= truth * (1 + 1 / 128), f"seed {seed}, share {share}"


def test_count_mean_and_highest_are_exact() -> None:
    values = [3, 70_000, 12_345_678]
    histogram = recorded(values)
    assert (histogram.count, histogram.highest, histogram.mean) == (3, 12_345_678, sum(values) / 3)


def test_the_sum_of_two_is_what_one_would_have_recorded() -> None:
    rng = random.Random(1)
    values = [rng.randrange(10**7) for _ in range(1000)]
    merged = Histogram.of([recorded(values[:300]), recorded(values[300:])])
    whole = recorded(values)
    assert list(merged.buckets()) == list(whole.buckets())
    assert (merged.count, merged.total, merged.highest) == (whole.count, whole.total, whole.highest)


def test_buckets_follow_one_another_without_gaps() -> None:
    edge = -1
    for bucket in range(bucket_of(VALUE_MAX) + 1):
        assert bucket_of(edge + 1) == bucket
        edge = highest_in(bucket)
        assert bucket_of(edge) == bucket
    assert edge == VALUE_MAX


def test_what_is_out_of_range_counts_at_the_end_of_the_range() -> None:
    histogram = recorded([-5, VALUE_MAX + 1000])
    assert histogram.percentile(0.0) == 0
    assert histogram.highest == VALUE_MAX


def test_an_empty_histogram_says_zero() -> None:
    assert Histogram().percentile(0.99) == 0
    assert Histogram().mean == 0.0
