"""A soak of seconds: the same code as the long one, and the proof that its judge can find something."""

from pathlib import Path

from .__main__ import Plan, growth, judge, soak, unexplained
from .load import Load

CALM = {
    "life": 0.0,
    "rss": 1e8,
    "p99_ms": 5.0,
    "journal.db-wal": 1e6,
    "ledger.db-wal": 1e6,
    "walletd_journal_sequence": 0.0,
    "walletd_invariant_violations_total": 0.0,
}


def sample_at(number: int, *, bytes_a_record: float) -> dict[str, float]:
    """One of a row of samples, ten thousand records apart."""
    records = 10_000.0 * number
    return CALM | {"walletd_journal_sequence": records, "rss": 1e8 + bytes_a_record * records}


async def test_a_server_under_load_and_ended_twice_loses_nothing(tmp_path: Path) -> None:
    plan = Plan(seconds=2.0, rate=300.0, wallets=100, burst_s=0.5, lives=2, sample_s=0.3)
    figures, found, samples = await soak(tmp_path, plan)
    assert found == []
    assert figures["transfers_acknowledged"] > 200
    assert figures["restarts"] == 2
    assert len(samples) >= 3


def test_memory_that_grows_with_the_records_is_found_once_caches_are_full() -> None:
    filling = [sample_at(n, bytes_a_record=100.0) for n in range(25)]
    growing = [sample_at(n, bytes_a_record=100.0) for n in range(100)]
    assert growth(filling) is None
    assert round(growth(growing) or 0) == 100
    assert judge(filling, Load([], 1)) == []
    assert judge(growing, Load([], 1)) == ["memory grows by 100.0 bytes a record beside the 0.0 of its key"]


def test_a_leak_of_one_small_object_a_request_is_found_beside_the_keys_that_are_remembered() -> None:
    load = Load([], 1)
    load.book.written, load.book.keys = 10_000, 2_000
    kept = [sample_at(n, bytes_a_record=40.0) for n in range(100)]
    leaking = [sample_at(n, bytes_a_record=64.0) for n in range(100)]
    assert judge(kept, load) == []
    assert judge(leaking, load) == ["memory grows by 24.0 bytes a record beside the 40.0 of its key"]


def test_answers_that_come_ever_later_are_found() -> None:
    samples = [CALM | {"p99_ms": 5.0 + n} for n in range(100)]
    assert any("the p99 rose from" in line for line in judge(samples, Load([], 1)))
    assert judge([CALM] * 99 + [CALM | {"p99_ms": 5_000.0}], Load([], 1)) == []


def test_a_log_that_is_never_emptied_and_a_broken_invariant_are_found() -> None:
    samples = [CALM, CALM | {"ledger.db-wal": 2e9, "walletd_invariant_violations_total": 1.0}]
    assert len(judge(samples, Load([], 1))) == 2
    assert judge([CALM], Load([], 1)) == []


def test_an_answer_that_nobody_expected_is_found() -> None:
    load = Load([], 1)
    load.book.failed.append("a read was answered 500")
    assert judge([CALM], load) == ["a read was answered 500"]


def test_a_file_that_is_larger_than_its_records_explain_is_found() -> None:
    sizes = {"walletd_journal_sequence": 1e6, "journal.db": 2e8, "ledger.db": 1.5e8}
    assert unexplained(sizes) == []
    assert unexplained(sizes | {"ledger.db": 5e8}) == ["ledger.db has 500 bytes a record"]
