"""A soak of seconds: the same code as the long one, and the proof that its judge can find something."""

from pathlib import Path

from .__main__ import Plan, growth, judge, soak
from .load import Load

CALM = {
    "life": 0.0,
    "rss": 1e8,
    "journal.db-wal": 1e6,
    "ledger.db-wal": 1e6,
    "walletd_journal_sequence": 0.0,
    "walletd_invariant_violations_total": 0.0,
}


async def test_a_server_under_load_and_ended_twice_loses_nothing(tmp_path: Path) -> None:
    plan = Plan(seconds=2.0, rate=300.0, wallets=100, burst_s=0.5, lives=2, sample_s=0.3)
    figures, found, samples = await soak(tmp_path, plan)
    assert found == []
    assert figures["transfers_acknowledged"] > 200
    assert figures["restarts"] == 2
    assert len(samples) >= 3


def test_memory_that_grows_with_the_records_is_found() -> None:
    samples = [CALM | {"walletd_journal_sequence": 1000.0 * n, "rss": 1e8 + 100_000.0 * n} for n in range(100)]
    assert round(growth(samples)) == 100
    assert any("memory grows by 100.0 bytes a record" in line for line in judge(samples, Load([], 1)))


def test_a_log_that_is_never_emptied_and_a_broken_invariant_are_found() -> None:
    samples = [CALM, CALM | {"ledger.db-wal": 2e9, "walletd_invariant_violations_total": 1.0}]
    assert len(judge(samples, Load([], 1))) == 2
    assert judge([CALM], Load([], 1)) == []


def test_an_answer_that_nobody_expected_is_found() -> None:
    load = Load([], 1)
    load.book.failed.append("a read was answered 500")
    assert judge([CALM], load) == ["a read was answered 500"]
