"""A histogram of latencies in log-linear buckets, as HDR histograms have them.

Values below 256 have a bucket each; from there on each doubling has 128 buckets, so a percentile is never more than 1/128
above the true value, and never below it. Recording is a few integer operations; histograms of several processes add up exactly.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Self

_BITS: Final = 8
_HALF: Final = 1 << (_BITS - 1)
VALUE_MAX: Final = 2**36 - 1
"""The largest value told apart from larger ones: 19 hours in microseconds."""

_BUCKETS: Final = (36 - _BITS + 2) * _HALF


def bucket_of(value: int) -> int:
    """The bucket that holds `value`, which is not negative."""
    shift = value.bit_length() - _BITS
    return value if shift <= 0 else shift * _HALF + (value >> shift)


def highest_in(bucket: int) -> int:
    """The largest value that the bucket holds."""
    if bucket < 2 * _HALF:
        return bucket
    shift = bucket // _HALF - 1
    return ((bucket - shift * _HALF + 1) << shift) - 1


class Histogram:
    """Counts of values from 0 to VALUE_MAX; larger ones count as VALUE_MAX. `total` and `highest` are exact."""

    __slots__ = ("_counts", "count", "highest", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = 0
        self.total = 0
        self.highest = 0

    def record(self, value: int) -> None:
        """Count one value."""
        if value < 0:
            value = 0
        elif value > VALUE_MAX:
            value = VALUE_MAX
        shift = value.bit_length() - _BITS
        self._counts[value if shift <= 0 else shift * _HALF + (value >> shift)] += 1
        self.count += 1
        self.total += value
        if value > self.highest:
            self.highest = value

    def add(self, other: "Histogram") -> None:
        """Count everything that `other` has counted."""
        self._counts = [mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
        self.total += other.total
        self.highest = max(self.highest, other.highest)

    def percentile(self, share: float) -> int:
        """The smallest bucket end that at least `share` (0 to 1) of the values do not exceed; 0 if there are none."""
        assert 0 <= share <= 1
        wanted = max(1, -int(-share * self.count // 1))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(highest_in(bucket), self.highest)
        return self.highest

    @property
    def mean(self) -> float:
        """The exact mean; 0 if there are no values."""
        return self.total / self.count if self.count else 0.0

    def buckets(self) -> Iterator[tuple[int, int]]:
        """(highest value, count) of each bucket that is not empty, lowest first."""
        for bucket, count in enumerate(self._counts):
            if count:
                yield min(highest_in(bucket), self.highest), count

    @classmethod
    def of(cls, histograms: Sequence["Histogram"]) -> Self:
        """All of them together."""
        merged = cls()
        for histogram in histograms:
            merged.add(histogram)
        return merged
