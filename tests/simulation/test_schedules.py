"""Many schedules keep every promise, and reach every kind of refusal, failure and overlap: about four seconds of one core."""

from walletd.engine import RefusalCode
from walletd.tests.simulation.campaign import Tally, hush
from walletd.tests.simulation.kinds import LONG_ENOUGH, UNREACHABLE, Kind, missed, refused

FIRST_SEED = 1


def test_every_promise_is_kept_and_every_kind_is_reached_in_the_first_schedules() -> None:
    hush()
    tally = Tally()
    for seed in range(FIRST_SEED, FIRST_SEED + LONG_ENOUGH):
        tally.take(seed)
    assert tally.found() == []
    assert tally.acknowledged > LONG_ENOUGH
    assert tally.lives > 2 * LONG_ENOUGH


def test_a_kind_that_is_never_reached_is_missed_and_so_is_a_refusal_said_to_be_unreachable() -> None:
    everything = [kind.value for kind in Kind] + [refused(code) for code in RefusalCode if code not in UNREACHABLE]
    assert missed(everything) == []
    assert missed(kind for kind in everything if kind != Kind.FENCED.value) == [Kind.FENCED.value]
    (unreachable, *_) = UNREACHABLE
    assert missed([*everything, refused(unreachable)]) == [f"unexpectedly {refused(unreachable)}"]


def test_a_long_run_that_misses_a_kind_has_found_something_and_a_short_one_has_not() -> None:
    tally = Tally(schedules=LONG_ENOUGH - 1)
    assert tally.found() == []
    tally.add(Tally(schedules=1))
    assert f"never reached in {LONG_ENOUGH} schedules: {Kind.FENCED.value}" in tally.found()
