"""Laws of instants."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walletd.http.instants import microseconds, rfc3339


def test_an_instant_has_six_decimals_and_z() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(1_769_851_800_000_001) == "2026-01-31T09:30:00.000001Z"


@given(st.integers(0, 250_000_000_000_000_000))
def test_an_instant_is_exact_both_ways(at_us: int) -> None:
    assert microseconds(rfc3339(at_us)) == at_us


@pytest.mark.parametrize("text", ["2026-01-31T09:30:00+01:00", "2026-01-31t08:30:00z", "2026-01-31T08:30:00.000Z"])
def test_any_zone_and_up_to_six_decimals_are_read(text: str) -> None:
    assert microseconds(text) == microseconds("2026-01-31T08:30:00Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T09:30:00",
        "2026-13-31T09:30:00Z",
        "2026-01-31T09:30:00.1234567Z",
        "20260131T093000Z",
        "now",
    ],
)
def test_other_texts_are_no_instants(text: str) -> None:
    with pytest.raises(ValueError):
        microseconds(text)


def test_seconds_do_not_mix_when_they_alternate() -> None:
    first, second = rfc3339(1_000_000), rfc3339(2_000_000)
    assert (rfc3339(1_000_000), rfc3339(2_000_000)) == (first, second)
    assert datetime.fromisoformat(first) < datetime.fromisoformat(second)
