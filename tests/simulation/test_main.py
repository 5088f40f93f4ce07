"""The long form: it counts, reports, names the failing seed last, and says by its exit code whether it found something."""

import json
import sys
from pathlib import Path

import pytest

from walletd.tests.simulation import __main__ as command
from walletd.tests.simulation import campaign
from walletd.tests.simulation.history import History


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["simulation", *arguments])
    return command.main()


def test_a_short_campaign_reports_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = tmp_path / "report.jsonl"
    assert run(monkeypatch, "--schedules", "9", "--processes", "1", "--report", str(report)) == 0
    (line,) = map(json.loads, report.read_text().splitlines())
    assert (line["suite"], line["found"]) == ("simulation", [])
    assert line["figures"]["schedules"] == 9


def test_processes_share_the_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reports = []
    for processes in ("1", "2"):
        report = tmp_path / processes
        assert run(monkeypatch, "--schedules", "7", "--processes", processes, "--report", str(report)) == 0
        figures = json.loads(report.read_text())["figures"]
        reports.append({name: figures[name] for name in ("schedules", "attempts", "records", "steps", "reached")})
    assert reports[0] == reports[1]


def test_a_failing_seed_is_printed_last(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    judged = iter(range(100))

    def judge(history: History) -> list[str]:
        return ["conservation: a cent is missing"] if next(judged) == 2 else []

    monkeypatch.setattr(campaign, "judge", judge)
    assert run(monkeypatch, "--seed", "40", "--schedules", "5", "--processes", "1") == 1
    said = capsys.readouterr().out.splitlines()
    assert "seed 42: conservation: a cent is missing" in said
    assert said[-1] == "failing seed: 42"


def test_a_schedule_that_raises_is_a_failing_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(history: History) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(campaign, "judge", judge)
    tally = campaign.Tally()
    tally.take(5)
    assert tally.found() == ["seed 5: raised ZeroDivisionError()"]


def test_a_trace_prints_the_steps_of_one_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--seed", "3", "--trace") == 0
    said = capsys.readouterr().out.splitlines()
    assert any("life 0 begins" in line for line in said)
    assert said[-1] == "seed 3: 0 found"
