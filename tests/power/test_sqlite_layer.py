"""The file layer itself: what it records is what happens, and cuts made from it tell a durable store from one that is not."""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from walletd.tests.power.disk import Disk, Event, Loss
from walletd.tests.power.recorder import Recorder
from walletd.tests.power.run import fill, read
from walletd.tests.power.sqlite_layer import Fault, Layer

TRANSACTIONS = 8


def workload(layer: Layer, folder: Path, synchronous: str, seed: int) -> tuple[list[Event], list[int]]:
    """Transactions on a file with a write-ahead log, and checkpoints; the events, and after how many of them each was committed."""
    recorder = Recorder(folder, {}, seed=seed)
    random, committed = Random(seed), []
    with recorder.recording(layer), closing(sqlite3.connect(folder / "f.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text)")
        for number in range(TRANSACTIONS):
            text = random.randbytes(random.choice((10, 9_000))).hex()
            connection.execute("INSERT INTO t VALUES (?, ?)", (number + 1, text))
            committed.append(len(recorder.events))
            if number % 5 == 4:
                connection.execute("PRAGMA wal_checkpoint")
    assert recorder.disk.files() == read(folder)
    return recorder.events, committed


def broken_cuts(layer: Layer, folder: Path, synchronous: str) -> int:
    """At how many cuts a committed transaction is missing, or the file is malformed."""
    broken = 0
    events, committed = workload(layer, folder, synchronous, seed=1)
    disk = Disk({})
    for k, event in enumerate(events, 1):
        disk.apply(event)
        for variant, loss in enumerate((Loss.EVERYTHING, Loss.SOME, Loss.SOME)):
            fill(folder, disk.cut(loss, Random(f"{k} {variant}")))
            promised = sum(at <= k for at in committed)
            with closing(sqlite3.connect(folder / "f.db")) as connection:
                try:
                    found = connection.execute("SELECT count(*) FROM t").fetchone()[0] if promised else 0
                    sound = connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                except sqlite3.DatabaseError:
                    found, sound = 0, False
            broken += found < promised or not sound
    return broken


def test_what_is_recorded_is_what_the_files_hold_byte_for_byte(layer: Layer, folder: Path) -> None:
    events, _ = workload(layer, folder, "FULL", seed=7)
    disk = Disk({})

    for event in events:
        disk.apply(event)

    assert disk.files() == read(folder)
    assert len(disk.files()["f.db"]) > 4096


def test_with_full_synchronisation_no_cut_loses_a_committed_transaction(layer: Layer, folder: Path) -> None:
    assert broken_cuts(layer, folder, "FULL") == 0


def test_without_synchronisation_cuts_lose_committed_transactions(layer: Layer, folder: Path) -> None:
    assert broken_cuts(layer, folder, "OFF") > 10


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("sync", sqlite3.SQLITE_IOERR_FSYNC),
        ("write", sqlite3.SQLITE_IOERR_WRITE),
        ("write", sqlite3.SQLITE_FULL),
    ],
)
def test_a_fault_reaches_the_caller_under_its_own_name(layer: Layer, folder: Path, call: str, code: int) -> None:
    recorder = Recorder(folder, {})
    with recorder.recording(layer), closing(sqlite3.connect(folder / "f.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        recorder.fault_of = lambda asked, name, size: Fault(code) if asked == call else None

        with pytest.raises(sqlite3.OperationalError) as refused:
            connection.execute("INSERT INTO t VALUES (1)")

        recorder.fault_of = None
        assert refused.value.sqlite_errorcode == code


def test_afterwards_files_are_no_longer_watched(layer: Layer, folder: Path) -> None:
    recorder = Recorder(folder, {})
    with recorder.recording(layer):
        pass

    with closing(sqlite3.connect(folder / "f.db")) as connection:
        connection.execute("CREATE TABLE t (id)")

    assert recorder.events == []
