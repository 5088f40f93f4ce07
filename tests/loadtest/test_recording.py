"""Records of several processes together: what counts as a stall, what is kept for the audit, what a batch with refusals moved."""

import msgspec

from walletd.loadtest.answers import Answer
from walletd.loadtest.dialects import V1
from walletd.loadtest.population import Population
from walletd.loadtest.recording import Quiet, Recorded, Recorder, stalls
from walletd.loadtest.requests import Address
from walletd.loadtest.workloads import BATCH_SIZE, WORKLOADS, Kind, deltas, script_of

POPULATION = Population("v1", "USD", ("a", "b", "c"), "t", 1000)
ADDRESS = Address("127.0.0.1", 1)


def recorder(workload: str = "random", keep_max: int = 10) -> Recorder:
    script = script_of(WORKLOADS[workload], POPULATION, V1(), ADDRESS, seed=1, read_share=0.0, length=100)
    return Recorder(script, 0, 10**9, keep_max, dialect_has_items=WORKLOADS[workload].is_batch)


def heard(*quiets: Quiet) -> Recorded:
    recorded = recorder().finish(0)
    recorded.quiets = list(quiets)
    return recorded


def test_a_stall_is_a_time_in_which_no_process_heard_anything() -> None:
    one = heard(Quiet(10, 50, 10), Quiet(60, 90, 60))
    other = heard(Quiet(30, 70, 30))
    assert stalls([one, other], 0, 100) == [(30, 20), (60, 10)]


def test_silence_without_an_open_request_is_no_stall() -> None:
    assert stalls([heard(Quiet(10, 50, 45))], 0, 100) == [(45, 5)]


def test_a_stall_counts_as_far_as_it_is_measured() -> None:
    assert stalls([heard(Quiet(10, 50, 10))], 20, 40) == [(20, 20)]


def test_what_is_kept_is_spread_over_the_whole_run() -> None:
    writing = recorder(keep_max=10)
    for number in range(100):
        writing.sent(number)
        writing.answered(number, number, number + 1, Answer(201, b"", b"{}", False), None)
    places = [kept.place for kept in writing.finish(200).kept]
    assert 5 <= len(places) <= 11
    assert places[0] == 0
    assert places[-1] >= 80


def test_a_batch_counts_the_items_that_were_done() -> None:
    writing = recorder("batch")
    results = [{"status": 201, "transfer": {}} for _ in range(BATCH_SIZE)]
    results[5] = {"status": 422, "problem": {}}
    writing.sent(1)
    writing.answered(0, 1, 2, Answer(200, b"", msgspec.json.encode({"results": results}), False), None)
    recorded = writing.finish(3)
    assert recorded.achieved == BATCH_SIZE - 1
    assert recorded.refused == {422: 1}
    assert recorded.acknowledged == {}
    assert recorded.acknowledged_items[0] == [int(index != 5) for index in range(BATCH_SIZE)]


def test_requests_of_the_warm_up_move_money_but_are_not_measured() -> None:
    writing = recorder()
    writing.start, writing.end = 100, 10**9
    writing.sent(50)
    writing.answered(0, 50, 150, Answer(201, b"", b"{}", False), None)
    recorded = writing.finish(200)
    assert recorded.achieved == recorded.histograms[Kind.TRANSFER].count == 0
    assert sum(change for _, change in deltas(writing.script, recorded.acknowledged)) == 0
    assert recorded.acknowledged == {0: 1}
