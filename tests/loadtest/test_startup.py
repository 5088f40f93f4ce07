"""The start's measuring: what a server's log tells of its recovery, and an image that is put back alone."""

import json
from pathlib import Path

import pytest

from walletd.loadtest.requests import Address
from walletd.loadtest.startup import Options, _put_back, _rate, _steps, _transfers


def logged(second: int, what: str, done: int) -> str:
    return json.dumps({"ts": f"2025-01-01T00:00:{second:02}.000000Z", "event": "progress", "what": what, "done": done})


def test_rates_are_read_from_the_steps_that_the_log_counts(tmp_path: Path) -> None:
    lines = [
        logged(1, "replaying", 0),
        logged(2, "replaying", 200),
        logged(3, "replaying", 400),
        logged(5, "loading", 9),
    ]
    log = tmp_path / "log"
    log.write_text("\n".join(["not JSON", "[]", '{"event": "ready"}', *lines]))
    assert _steps(log) == {"replaying": pytest.approx(200.0)}


def test_a_difference_that_may_be_noise_gives_no_rate() -> None:
    assert _rate(1000, 0.1) is None
    assert _rate(1000, -1.0) is None
    assert _rate(1000, 2.0) == 500.0


def test_the_image_comes_back_without_what_lay_beside_the_newer_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm", "journal.db"):
        (data / name).write_text("new")
    aside = tmp_path / "aside"
    aside.write_text("old")
    _put_back(data, "ledger.db", aside)
    assert {path.name: path.read_text() for path in data.iterdir()} == {"ledger.db": "old", "journal.db": "new"}


def test_the_tail_has_as_many_records_as_were_asked_for() -> None:
    options = Options(3, 25, "ledger.db", None, None)
    assert len(list(_transfers(options, Address("127.0.0.1", 1), ["a", "b", "c"]))) == 25
