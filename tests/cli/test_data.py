"""The care of the data from the command line: backup, restore, verify and rebuild, and what each refuses."""

import sqlite3
from pathlib import Path

import pytest

from .conftest import Run, Start


@pytest.fixture
def data(start: Start, tmp_path: Path) -> Path:
    """A data folder with the demo's history, and no server on it."""
    assert start(tmp_path / "data", command="demo").stop() == 0
    return tmp_path / "data"


def forge(path: Path, statement: str) -> None:
    """Change a file as no walletd does, triggers that guard it put aside."""
    connection = sqlite3.connect(path, isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    assert connection.execute(statement).rowcount > 0
    connection.close()


def test_a_backup_is_verified_restored_and_served(run: Run, start: Start, data: Path, tmp_path: Path) -> None:
    saved = run("backup", "--data", data, "--to", tmp_path / "saved")
    assert (saved.returncode, saved.stderr) == (0, "")
    assert "records, read back and checked" in saved.stdout
    assert run("verify", "--data", tmp_path / "saved").stdout.endswith("records, no image.\n")
    assert run("restore", "--from", tmp_path / "saved", "--data", tmp_path / "again").returncode == 0

    before, after = start(data), start(tmp_path / "again")
    for path in ("/v1/wallets?limit=100", "/v1/users?limit=100", "/v1/events?after=0&limit=100"):
        assert before.get(path) == after.get(path)


def test_a_backup_is_taken_beside_a_running_server(run: Run, start: Start, data: Path, tmp_path: Path) -> None:
    server = start(data)
    assert run("backup", "--data", data, "--to", tmp_path / "saved").returncode == 0
    assert run("verify", "--data", data).returncode == 0
    assert server.get("/v1/users/1")["username"] == "john_doe"
    assert server.stop() == 0


def test_a_sound_folder_is_said_to_be_sound(run: Run, data: Path) -> None:
    shown = run("verify", "--data", data)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"{data} is sound: ")


def test_a_changed_record_is_found_and_named_with_1(run: Run, data: Path) -> None:
    forge(
        data / "journal.db",
        "UPDATE journal SET body = replace(body, 'john_doe', 'mallory') WHERE body LIKE '%\"john_doe\"%'",
    )
    shown = run("verify", "--data", data)
    assert shown.returncode == 1
    assert shown.stdout.startswith("journal ")
    assert "the chain is broken" in shown.stdout
    assert shown.stderr.endswith("what is wrong is listed above.\n")


def test_a_changed_image_is_found_with_1_and_mended_by_a_rebuild(run: Run, data: Path) -> None:
    forge(data / "ledger.db", "UPDATE balances SET posted = posted + 1 WHERE wallet = 2")
    assert run("verify", "--data", data).returncode == 1
    mended = run("rebuild", "--data", data)
    assert mended.returncode == 0, mended.stderr
    assert run("verify", "--data", data).returncode == 0


def test_a_rebuild_makes_a_lost_image_again(run: Run, data: Path) -> None:
    (data / "ledger.db").unlink()
    assert run("rebuild", "--data", data).returncode == 0
    assert "image as of record" in run("verify", "--data", data).stdout


def test_a_rebuild_beside_a_server_is_refused_with_3(run: Run, start: Start, data: Path) -> None:
    server = start(data)
    refused = run("rebuild", "--data", data)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert str(server.process.pid) in refused.stderr


@pytest.mark.parametrize("command", ["verify", "backup"])
def test_a_folder_without_a_journal_is_refused_with_4(run: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").mkdir()
    more = ("--to", tmp_path / "saved") if command == "backup" else ()
    refused = run(command, "--data", tmp_path / "empty", *more)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "journal.db" in refused.stderr


def test_nothing_is_restored_over_a_folder_that_is_in_use(run: Run, data: Path, tmp_path: Path) -> None:
    assert run("backup", "--data", data, "--to", tmp_path / "saved").returncode == 0
    before = (data / "journal.db").read_bytes()
    refused = run("restore", "--from", tmp_path / "saved", "--data", data)
    assert refused.returncode == 4
    assert "not empty" in refused.stderr
    assert (data / "journal.db").read_bytes() == before


def test_a_damaged_journal_is_not_backed_up(run: Run, data: Path, tmp_path: Path) -> None:
    forge(data / "journal.db", "UPDATE journal SET at = at + 1 WHERE seq = 3")
    refused = run("backup", "--data", data, "--to", tmp_path / "saved")
    assert refused.returncode == 4
    assert "journal record 3" in refused.stderr
    assert not (tmp_path / "saved").exists()


def test_a_damaged_image_is_made_anew_at_the_start(start: Start, data: Path) -> None:
    (data / "ledger.db").write_bytes(b"\xff" * 10_000)
    assert start(data).get("/v1/users/1")["username"] == "john_doe"
