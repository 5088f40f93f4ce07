"""Credit transfer as its users run it: a server of its own, a login, a transfer, and the receipt that comes a moment later and outlives it."""

import json
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest

from .conftest import Running, Start

PATIENCE_S = 90.0

JOHN = {"Authorization": f"Basic {b64encode(b'john_doe:password123').decode()}"}


def get(server: Running, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, headers=JOHN), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def receipt(server: Running, path: str) -> bytes:
    """The receipt, asked for until it is there."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status, body = get(server, path)
        if status == 200:
            return body
        assert status == 202, body
        if time.monotonic() > deadline:
            pytest.fail("the receipt did not come")
        time.sleep(0.2)


def test_a_receipt_comes_by_itself_and_is_there_after_a_kill(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(data, "--public-url", "https://wallet.example.com", command="demo")
    made = server.post("/api/wallet/transfer/", {"receiver_id": 2, "amount": "25.00"}, **JOHN)
    assert made["receipt_url"] == f"https://wallet.example.com/api/wallet/receipts/{made['transaction_id']}/"
    server.process.kill()
    server.process.wait(30)

    server = start(data, "--public-url", "https://wallet.example.com")
    position = data / "media" / "receipts" / "position"
    deadline = time.monotonic() + PATIENCE_S
    while not position.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    files = sorted(path.suffix for path in (data / "media" / "receipts").rglob("0*-*.*"))
    assert files == [".pdf", ".txt"], "the transfer's receipt, which nobody has asked for yet"
    path = f"/api/wallet/receipts/{made['transaction_id']}/"
    assert receipt(server, path).startswith(b"%PDF-")
    text = receipt(server, f"{path}?format=txt").decode()
    assert "https://wallet.example.com/v1/transfers/tfr_" in text
    sequence = json.dumps(server.get("/v1/events?after=0&limit=1000")["data"][-1]["sequence"])
    assert f"Journal record  {sequence}\n" in text
    assert server.stop() == 0
