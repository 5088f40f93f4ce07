"""`walletd doctor`: each check is a line, a failure decides the exit code and says how to mend it."""

import socket
from pathlib import Path

from .conftest import Run, Start


def lines(stdout: str) -> dict[str, str]:
    """subject → level."""
    found = (line.split(":")[0].split() for line in stdout.splitlines() if line.startswith(("ok ", "warn ", "fail ")))
    return {subject: level for level, subject in found}


def test_a_sound_machine_is_well(run: Run, tmp_path: Path) -> None:
    shown = run("doctor", "--data", tmp_path / "data", "--port", "0", "--disk-reserve-mib", "0")
    assert shown.returncode == 0, shown.stdout
    assert list(lines(shown.stdout)) == [
        "python",
        "sqlite",
        "folder",
        "lock",
        "disk",
        "flush",
        "clock",
        "port",
        "authentication",
        "settings",
    ]
    assert "fail" not in lines(shown.stdout).values()
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_fails(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        shown = run("doctor", "--data", tmp_path / "data", "--port", str(taken.getsockname()[1]))
    assert shown.returncode == 1
    assert lines(shown.stdout)["port"] == "fail"
    assert "→ Stop what uses it" in shown.stdout


def test_a_folder_open_to_others_is_warned_of(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)
    shown = run("doctor", "--data", tmp_path / "data", "--port", "0")
    assert lines(shown.stdout)["folder"] == "warn"
    assert f"chmod 700 {tmp_path / 'data'}" in shown.stdout


def test_a_running_server_is_noticed_and_not_disturbed(run: Run, start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    shown = run("doctor", "--data", tmp_path / "data", "--port", "0")
    assert lines(shown.stdout)["lock"] == "warn"
    assert str(server.process.pid) in shown.stdout
    assert server.get("/livez") is not None


def test_no_room_fails(run: Run, tmp_path: Path) -> None:
    shown = run("doctor", "--data", tmp_path / "data", "--port", "0", "--disk-reserve-mib", str(2**20))
    assert lines(shown.stdout)["disk"] == "fail"
    assert shown.returncode == 1


def test_wrong_settings_are_told_before_anything_is_looked_at(run: Run) -> None:
    shown = run("doctor", "--port", "x")
    assert (shown.returncode, shown.stdout) == (2, "")
