"""`walletd serve`: its one line on stdout, how it stops, and its exit codes."""

import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.error
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import STOP_S, Run, Running, Start, clean_environment


def wallets_of_two(server: Running, opening: int = 1_000_000) -> tuple[str, str, str]:
    """The ids of two users' wallets, the first with money, and of the Treasury."""
    treasury = server.get("/v1/assets/USD")["treasury_wallet_id"]
    ids = []
    for name in ("alice", "bob"):
        user = server.post("/v1/users", {"username": name})["id"]
        ids.append(server.post("/v1/wallets", {"user_id": user, "asset": "USD"})["id"])
    server.post("/v1/transfers", {"source": treasury, "destination": ids[0], "amount": opening})
    return ids[0], ids[1], treasury


def test_it_says_once_where_it_is_and_stops_on_sigterm_with_0(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    assert server.get("/livez") is not None
    assert server.stop(signal.SIGTERM) == 0
    assert server.stdout.read() == ""


def test_it_stops_on_sigint_with_0(start: Start, tmp_path: Path) -> None:
    assert start(tmp_path / "data").stop(signal.SIGINT) == 0


def test_its_log_is_json_by_the_line(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    server.stop()
    events = [json.loads(line)["event"] for line in server.stderr.splitlines()]
    assert events == ["unauthenticated", "ready", "stopping", "stopped"]


def test_requests_are_logged_as_events_when_asked_for(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data", "--log-requests")
    server.get("/v1/assets?limit=5")
    server.stop()
    lines = [json.loads(line) for line in server.stderr.splitlines()]
    (request,) = [line for line in lines if line["event"] == "request"]
    assert (request["method"], request["path"], request["status"]) == ("GET", "/v1/assets", 200)
    assert request["request_id"]


def test_a_new_server_knows_the_default_asset_under_its_iso_number(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data", "--default-asset", "JPY")
    asset = server.get("/v1/assets/JPY")
    assert (asset["id"], asset["scale"], asset["code"]) == (392, 0, "JPY")
    assert [item["code"] for item in server.get("/v1/assets")["data"]] == ["JPY"]


def test_what_was_acknowledged_is_there_after_a_restart(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    alice, bob, _ = wallets_of_two(server)
    server.post("/v1/transfers", {"source": alice, "destination": bob, "amount": 250})
    assert server.stop() == 0
    again = start(tmp_path / "data")
    assert again.get(f"/v1/wallets/{bob}")["posted"] == "250"
    assert len(again.get("/v1/assets")["data"]) == 1


def test_a_killed_server_comes_back_with_everything_acknowledged(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    alice, bob, _ = wallets_of_two(server)
    for _ in range(20):
        server.post("/v1/transfers", {"source": alice, "destination": bob, "amount": 1})
    server.process.kill()
    server.process.wait(STOP_S)
    assert start(tmp_path / "data").get(f"/v1/wallets/{bob}")["posted"] == "20"


def test_a_stop_under_traffic_loses_nothing_that_was_acknowledged(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    alice, bob, _ = wallets_of_two(server)
    acknowledged = [0] * 4
    under_way = threading.Barrier(5)

    def pay(index: int) -> None:
        while True:
            try:
                server.post("/v1/transfers", {"source": alice, "destination": bob, "amount": 1})
            except (OSError, urllib.error.HTTPError, json.JSONDecodeError):
                return
            acknowledged[index] += 1
            if acknowledged[index] == 10:
                under_way.wait()

    threads = [threading.Thread(target=pay, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    under_way.wait(60)
    code = server.stop()
    for thread in threads:
        thread.join()

    assert code == 0
    posted = int(start(tmp_path / "data").get(f"/v1/wallets/{bob}")["posted"])
    # Each payer may have been cut off before it read one last answer.
    assert sum(acknowledged) <= posted <= sum(acknowledged) + 4


def test_a_second_signal_ends_it_at_once(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data", "--body-timeout-s", "60", "--shutdown-timeout-s", "60")
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port or 0)) as client:
        # A request that never ends keeps the first stop waiting.
        client.sendall(
            b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(1024).startswith(b"HTTP/1.1 100")
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.5)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_S) == 128 + signal.SIGTERM


def test_a_second_server_on_the_same_folder_is_refused_with_3(start: Start, run: Run, tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    refused = run("serve", "--data", tmp_path / "data", "--port", "0")
    assert (refused.returncode, refused.stdout) == (3, "")
    event = json.loads(refused.stderr)
    assert (event["event"], event["exit_code"]) == ("not_started", 3)
    assert str(server.process.pid) in event["detail"]


def test_a_port_in_use_is_refused_with_5(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("serve", "--data", tmp_path / "data", "--port", str(port))
    assert (refused.returncode, refused.stdout) == (5, "")
    first = json.loads(refused.stderr.splitlines()[0])
    assert first["event"] == "not_started"
    assert first["detail"] == (
        f"cannot listen on 127.0.0.1 port {port}: address already in use. "
        "Stop what uses it, or choose another with --port."
    )


def journal_after(server: Running, data: Path) -> sqlite3.Connection:
    """The journal of a server that has stopped."""
    assert server.stop() == 0
    return sqlite3.connect(data / "journal.db", isolation_level=None)


def forge(journal: sqlite3.Connection, statement: str) -> None:
    """Change the journal as no walletd does, triggers that guard it put aside."""
    for (name,) in journal.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        journal.execute(f"DROP TRIGGER {name}")
    journal.execute(statement)
    journal.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET body = replace(body, 'alice', 'mallory') WHERE body LIKE '%alice%'",
        "UPDATE journal SET kind = 'wallet_doubled' WHERE seq = 3",
        "DELETE FROM journal WHERE seq = 3",
    ],
)
def test_a_journal_that_was_tampered_with_is_refused_with_4(
    start: Start, run: Run, tmp_path: Path, statement: str
) -> None:
    server = start(tmp_path / "data")
    wallets_of_two(server)
    forge(journal_after(server, tmp_path / "data"), statement)
    (tmp_path / "data" / "ledger.db").unlink()
    refused = run("serve", "--data", tmp_path / "data", "--port", "0")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "journal record " in json.loads(refused.stderr.splitlines()[-1])["detail"]


def test_a_journal_that_is_no_database_is_refused_with_4(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "journal.db").write_bytes(b"not a database, whatever its name says" * 100)
    refused = run("serve", "--data", tmp_path / "data", "--port", "0")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "journal.db" in json.loads(refused.stderr.splitlines()[-1])["detail"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are set through Linux's prlimit")
def test_a_journal_that_fails_while_it_runs_ends_the_server_with_6(start: Start, tmp_path: Path) -> None:

    server = start(tmp_path / "data")
    alice, bob, _ = wallets_of_two(server)
    # From here on, no file grows past this: writes fail as on a broken disk.
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (96 * 1024, 96 * 1024))
    acknowledged = 0
    status = None
    for _ in range(10_000):
        try:
            server.post("/v1/transfers", {"source": alice, "destination": bob, "amount": 1})
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
            break
        except OSError:
            break
        acknowledged += 1
    assert server.process.wait(STOP_S) == 6
    assert status in (503, None)
    assert "engine_failed" in server.stderr
    posted = int(start(tmp_path / "data").get(f"/v1/wallets/{bob}")["posted"])
    assert acknowledged <= posted <= acknowledged + 1


def test_another_address_is_refused_with_2_and_warned_of_when_it_is_accepted(
    start: Start, run: Run, tmp_path: Path
) -> None:
    refused = run("serve", "--data", tmp_path / "data", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "authentication is off" in refused.stderr
    server = start(tmp_path / "data", "--host", "0.0.0.0", "--unsafe-allow-unauthenticated-network")
    assert server.stop() == 0
    first = json.loads(server.stderr.splitlines()[0])
    assert (first["level"], first["event"]) == ("warning", "unauthenticated_network")


@pytest.mark.parametrize("arguments", [(), ("sing",), ("serve", "--no-such"), ("serve", "--por", "1")])
def test_wrong_usage_ends_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).returncode == 2


def test_python_without_asserts_is_refused_also_when_the_environment_asks_for_it(run: Run) -> None:
    refused = run("settings", PYTHONOPTIMIZE="1")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_help_names_every_command_and_exit_code(run: Run) -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for word in ("serve", "demo", "settings", "doctor", "verify", "rebuild", "backup", "restore", "exit codes:"):
        assert word in shown.stdout
    assert run("--version").stdout.startswith("walletd ")


def test_the_console_script_is_the_same_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("walletd")
    if not script.exists():
        pytest.skip("walletd is not installed in this environment")
    command = [str(script), "--version"]
    shown = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(PATH=os.defpath), capture_output=True, text=True
    )
    assert shown.stdout.startswith("walletd ")
