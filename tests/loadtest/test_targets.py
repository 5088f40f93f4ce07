"""The targets: what was measured is held against each goal, and the table takes its place in a page and no more."""

from pathlib import Path
from typing import Any

import pytest

from walletd.loadtest import goals, quiet
from walletd.loadtest.audit import Expected
from walletd.loadtest.goals import BEGIN, END, NoPlace, Row, rows_of
from walletd.loadtest.history import WALLET, lengthening
from walletd.loadtest.runs import lag_told
from walletd.loadtest.stalling import figures_of
from walletd.loadtest.workloads import BATCH_SIZE

from .test_report import measured


def rated(rate: float, ratio: float) -> dict[str, Any]:
    return {"rate": rate, "rates": [rate], "walletd_is": ratio, "walletd_is_between": [ratio, ratio]}


def figures(times: float) -> dict[str, Any]:
    """What just reaches every goal, made `times` better or worse."""
    own = rated(20_000, 1.0)
    skewed = {"walletd": {**own, "of_random": 0.95 * times, "of_random_between": [0.9, 1.0]}}
    latency = {"p50": 1.0, "p99": 5.0 / times, "p99.9": 9.0, "max": 9.0}
    return {
        "rates": {
            "single": {"walletd": own, "echo": rated(36_000, 0.55 * times), "postgres": rated(500, 35 * times)},
            "wide": {"walletd": own, "echo": rated(36_000, 0.55 * times)},
            "v1": {"walletd": own, "echo": rated(36_000, 0.55 * times)},
            "hot": skewed,
            "treasury": skewed,
            "batch": {"walletd": rated(150_000 * times, 1.0)},
        },
        "open": {
            "walletd": {
                "p50": 1.0, "p99": 10.0 / times, "p99s": [10.0], "p99.9": 20.0, "max": 30.0, "rate": 9.0, "offered_per_s": 9.0, "dropped": 0,
            },
            "echo": {"p99": 1.0, "max": 2.0, "rate": 9.0, "offered_per_s": 10.0},
        },
        "stall": {
            "wallets": 10, "stall_before_ms": 50 / times, "stall_expiring_ms": 50 / times, "max_before_ms": 1.0, "max_expiring_ms": 1.0,
            "rate": 9.0, "p99.9": 1.0, "keys_expired": 7, "own_pause_ms": 1.0,
        },
        "start": {
            "wallets": 10, "tail": 9, "ready_s": 5 / times, "steps_per_s": {}, "replayed_per_s": 200_000 * times,
            "bytes_per_idle_wallet": 500 / times,
        },
        "history": {"entries": 10, "pages": 5, "by_number": latency, "by_cursor": latency},
    }  # fmt: skip


def judged(done: dict[str, Any]) -> list[Row]:
    """The rows that have a goal."""
    return [row for row in rows_of(done) if row.goal != goals.NO_FIGURE]


def test_what_just_reaches_a_goal_meets_it_and_what_falls_just_short_misses_it() -> None:
    assert [row.is_met for row in judged(figures(1.0))] == [True] * 13
    assert [row.is_met for row in judged(figures(0.99))] == [False] * 13


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert [row.is_met for row in judged({})] == [None] * 13
    unjumped = figures(1.0)
    unjumped["stall"]["stall_expiring_ms"] = None
    assert [row.is_met for row in judged(unjumped)].count(None) == 1


def test_an_open_loop_that_dropped_requests_misses_its_goal_however_fast_it_was() -> None:
    dropping = figures(1.0)
    dropping["open"]["walletd"]["dropped"] = 1
    assert [row.what for row in judged(dropping) if not row.is_met] == [
        "latency, open loop at 80 % of the highest rate"
    ]


def test_the_rate_over_more_connections_is_shown_and_not_judged() -> None:
    [wide] = [row for row in rows_of(figures(0.5)) if "256" in row.what]
    assert wide.cells[2:5] == ("0.28 (0.28–0.28); 20,000/s", "", "36,000/s")


def test_how_far_folding_is_behind_is_told_in_seconds() -> None:
    lagging = figures(1.0)
    lagging["rates"]["single"]["walletd"]["fold_lag_records"] = 30_000
    assert rows_of(lagging)[0].reached.endswith("; 20,000/s, folding 1.5 s behind")
    lagging["rates"]["single"]["walletd"]["rate"] = 0
    assert "folding" not in rows_of(lagging)[0].reached


@pytest.mark.parametrize(
    ("metrics", "lag"),
    [
        (b"# HELP x\nwalletd_fold_lag_records 1.5e+06\nother 2\n", 1_500_000),
        (b"walletd_fold_lag_records 0.0\n", 0),
        (b"other_walletd_fold_lag_records 7\n", None),
        (b"", None),
    ],
)
def test_the_lag_is_read_among_other_metrics(metrics: bytes, lag: int | None) -> None:
    assert lag_told(metrics) == lag


def test_the_table_takes_its_place_and_leaves_the_rest_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"one\n{BEGIN}\n{END}\ntwo\n")
    table = goals.markdown([Row("speed", "≥ 1", "2", True)], ["Under it."])
    goals.put(page, table)
    goals.put(page, table)
    assert page.read_text() == f"one\n{BEGIN}\n{table}\n{END}\ntwo\n"
    assert {line.count("|") for line in table.splitlines() if line.startswith("|")} == {len(goals.HEAD) + 1}


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_without_one_place_for_the_table_is_left_alone(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(NoPlace):
        goals.put(page, "table")
    assert page.read_text() == text


def test_stalls_are_told_apart_by_whether_the_clock_had_jumped() -> None:
    done = measured()
    done.stall_ms_by_second = [3.0, 12.0, 40.0]
    done.worst_ms_by_second = [4.0, 5.0, 60.0]
    told = figures_of(done, 2, has_jumped=True)
    assert (told["stall_before_ms"], told["stall_expiring_ms"]) == (12.0, 40.0)
    assert (told["max_before_ms"], told["max_expiring_ms"]) == (5.0, 60.0)
    assert told["keyed_before"] == 2500
    assert figures_of(done, 2, has_jumped=False)["stall_expiring_ms"] is None


@pytest.mark.parametrize(("entries", "others"), [(1, 1), (1000, 3), (2001, 5000)])
def test_a_history_gets_its_entries_and_changes_no_balance(entries: int, others: int) -> None:
    moves = [move for batch in lengthening(entries, others) for move in batch]
    assert entries <= len(moves) < entries + BATCH_SIZE
    assert all(WALLET in (source, destination) and source != destination for source, destination, _ in moves)
    assert all(0 <= wallet <= others for move in moves for wallet in move[:2])
    expected = Expected()
    expected.move(moves)
    assert not any(expected.changes.values())


def test_a_machine_is_noisy_when_others_use_it_whatever_its_load_was_before() -> None:
    watch = quiet.Watch((0.0, 0.0, 0.0), None, 0.0)
    assert watch.end([0.01, None, 0.02])["is_quiet"]
    noisy = watch.end([0.9, 0.9, 0.0])
    assert not noisy["is_quiet"]
    assert "NOISY" in quiet.sentence(noisy)
    assert not quiet.Watch((2.0, 1.0, 1.0), None, 0.0).end([0.0])["is_quiet"]
