"""`walletd demo`: a server with data to play with, and lines that work when they are pasted."""

import json
import socket
import subprocess
from pathlib import Path

from .conftest import Run, Running, Start, clean_environment


def guide_of(server: Running) -> list[str]:
    lines = []
    for line in server.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("Ctrl-C"):
            break
    return lines


def test_every_pasted_line_works(start: Start, tmp_path: Path) -> None:
    server = start(command="demo")
    lines = guide_of(server)
    commands = "\n".join(lines[next(i for i, line in enumerate(lines) if line.startswith("#")) : -1])
    shown = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace("curl -s ", "curl -sS --fail-with-body ")],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stdout + shown.stderr
    decode = json.JSONDecoder().raw_decode
    answers, rest = [], shown.stdout
    while rest:
        answer, end = decode(rest)
        answers.append(answer)
        rest = rest[end:].lstrip()
    balance, transactions, transfer, spent, given, wallet, events = answers
    assert balance["balance"] == 100.0
    assert len(transactions["transactions"]) == 5
    assert (transfer["status"], transfer["sender_new_balance"]) == ("completed", 87.66)
    assert (spent["transaction_type"], spent["new_balance"]) == ("SPEND", "970.00")
    assert (given["transaction_type"], given["asset_type_code"]) == ("BONUS", "DIAMONDS")
    assert (wallet["user_id"], wallet["posted"]) == (1, "8766")
    assert len(events["data"]) == 20
    assert server.stop() == 0


def test_the_data_is_the_same_each_time(start: Start) -> None:
    balances = []
    for _ in range(2):
        server = start(command="demo")
        wallets = server.get("/v1/wallets?limit=100")["data"]
        users = [wallet for wallet in wallets if wallet["user_id"]]
        balances.append([(wallet["user_id"], wallet["asset"], wallet["posted"]) for wallet in users])
        assert sum(int(wallet["posted"]) for wallet in wallets) == 0
        server.stop()
    assert balances[0] == balances[1]
    assert len(balances[0]) == 18


def test_a_named_folder_is_kept_and_not_filled_twice(start: Start, run: Run, tmp_path: Path) -> None:
    server = start(tmp_path / "kept", command="demo")
    assert server.stop() == 0
    again = run("demo", "--data", tmp_path / "kept", "--port", "0")
    assert (again.returncode, again.stdout) == (1, "")
    assert (
        again.stderr == "walletd: the data folder has users already: run `walletd serve` on it, or name a new folder.\n"
    )
    assert start(tmp_path / "kept").get("/v1/users/1")["username"] == "john_doe"


def test_a_data_folder_of_the_environment_is_left_alone(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("demo", "--port", str(port), WALLETD_DATA=str(tmp_path / "mine"))
    assert refused.returncode == 5
    assert refused.stderr == (
        f"walletd: cannot listen on 127.0.0.1 port {port}: address already in use. "
        "Stop what uses it, or choose another with --port.\n"
    )
    assert not (tmp_path / "mine").exists()
