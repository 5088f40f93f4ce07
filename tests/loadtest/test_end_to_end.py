"""The command as it is used: a short run on a real server, with its audit, its line of results and its report."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from walletd.loadtest import goals
from walletd.loadtest.__main__ import main
from walletd.loadtest.processes import is_loopback


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "walletd.loadtest", *arguments, "--folder", str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)


def test_a_short_run_of_several_workloads_on_a_real_server_is_clean(tmp_path: Path) -> None:
    ran = run(
        tmp_path, "--wallets", "50", "--duration", "0.5", "--warmup", "0.1", "--connections", "8", "--processes", "2",
        "--rate", "800", "--workload", "random,treasury,mixed,retries", "--audit", "full", "--results", str(tmp_path / "results.jsonl"),
        "--report", str(tmp_path / "report.html"),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("all fits") == 4
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [row["run"]["plan"]["workload"] for row in rows] == ["random", "treasury", "mixed", "retries"]
    for row in rows:
        assert row["run"]["achieved"] > 0
        assert row["audit"]["found"] == row["run"]["unknown"] == 0
        assert row["service"]["name"] == "walletd"
        assert {"processor", "cores", "python"} <= row["machine"].keys()
    assert rows[3]["run"]["cut"] > 0
    assert rows[3]["audit"]["checked"]["keys sent again"] > 0
    assert "<svg" in (tmp_path / "report.html").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"results.jsonl", "report.html"}


def test_an_open_loop_of_batches_reports_what_was_offered(tmp_path: Path) -> None:
    ran = run(
        tmp_path, "--wallets", "50", "--duration", "0.5", "--warmup", "0", "--connections", "2", "--workload", "batch",
        "--rate", "8", "--results", str(tmp_path / "results.jsonl"), "--report", str(tmp_path / "report.html"),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (row,) = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert row["run"]["offered_per_s"] >= row["run"]["rate"]
    assert row["audit"]["found"] == 0


def test_a_comparison_audits_every_service_that_keeps_money_and_says_how_it_knows_the_limit(tmp_path: Path) -> None:
    ran = run(
        tmp_path, "compare", "--services", "walletd,echo", "--workload", "random", "--rounds", "1", "--wallets", "50",
        "--duration", "0.5", "--warmup", "0.1", "--connections", "8", "--results", str(tmp_path / "results.jsonl"),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (row,) = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert set(row["compared"]["random"]) == {"walletd", "echo"}
    assert list(row["audits"]) == ["walletd"]
    assert row["audits"]["walletd"]["found"] == 0
    assert row["audits"]["walletd"]["checked"]["wallets summed"] >= 51
    assert "times walletd's rate on the echo" in ran.stdout


def test_stalls_and_a_long_history_are_measured_on_one_folder_and_stand_in_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{goals.BEGIN}\nold\n{goals.END}\nafter\n")
    ran = run(
        tmp_path, "targets", "--quick", "--only", "stall,history", "--large-wallets", "60", "--entries", "1000", "--duration", "1",
        "--stall", "2", "--connections", "8", "--table", str(page), "--results", str(tmp_path / "results.jsonl"),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (row,) = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert row["targets"]["stall"]["stall_expiring_ms"] is not None, "the server's clock did not jump"
    assert row["targets"]["history"]["entries"] >= 1000
    assert row["audits"]["walletd, many wallets"]["found"] == 0
    text = page.read_text()
    assert text.startswith(f"before\n{goals.BEGIN}\n| what |")
    assert text.endswith(f"{goals.END}\nafter\n")
    assert "keys at once" in text


@pytest.mark.parametrize("url", ["http://192.0.2.1:8000", "http://wallets.example:80"])
def test_load_is_not_sent_to_another_machine(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", url]) == 1
    assert "not on this machine" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_is_known_by_all_its_own_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "https://127.0.0.1"],
        ["--url", "127.0.0.1:8000"],
        ["--workload", "nothing"],
        ["--wallets", "1"],
        ["--duration", "nan"],
        ["--dialect", "digital-wallet", "--workload", "batch"],
        ["compare", "--services", "mars"],
        ["startup", "--image", "../ledger.db"],
        ["targets", "--only", "everything"],
    ],
)
def test_wrong_usage_is_refused_before_anything_starts(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err
