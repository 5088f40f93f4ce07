"""Power cuts at fixed seeds. `python -m walletd.tests.power` makes as many as there is time for."""

import time
from pathlib import Path

import pytest

from walletd.tests.power import one_thread
from walletd.tests.power.cuts import Cuts, Place, at, ended
from walletd.tests.power.disk import Create, Disk, Event, Loss, Rename, Sync, SyncFailed, SyncFolder, Write
from walletd.tests.power.promise import check_promises
from walletd.tests.power.run import read, record
from walletd.tests.power.sqlite_layer import Layer
from walletd.tests.power.truth import Truth

LONG_S = 100.0


@pytest.mark.parametrize(("seed", "every"), [(2, 31), (6, 47)])
def test_whatever_was_acknowledged_survives_a_power_cut_anywhere(
    layer: Layer, folder: Path, seed: int, every: int
) -> None:
    cuts = Cuts(layer, folder, steps=4)

    cuts.seed(seed, time.monotonic() + LONG_S, every=every)

    assert cuts.found == []
    assert cuts.figures["cuts"] >= 30
    assert cuts.figures["images_made_anew"] == 0


def test_a_run_is_repeated_exactly_by_its_seed(layer: Layer, folder: Path) -> None:
    first = record(layer, folder, 1, files={}, before=Truth(), steps=2)
    second = record(layer, folder, 1, files={}, before=Truth(), steps=2)

    assert first.events == second.events
    assert [what for _, what, _ in first.marks] == [what for _, what, _ in second.marks]


def test_the_recording_replayed_is_what_the_folder_holds_and_nothing_is_promised_too_early(
    layer: Layer, folder: Path
) -> None:
    run = record(layer, folder, 3, files={}, before=Truth(), steps=5)

    disk, _ = at(run, len(run.events))

    assert disk.files() == read(folder)
    assert {"journal.db", "ledger.db", "access.db"} <= disk.files().keys()
    check_promises(*ended(run))


def test_a_cut_is_made_again_by_its_place(layer: Layer, folder: Path) -> None:
    Cuts(layer, folder, steps=3).replay(Place.read(str(Place(4, 1, 20, 3))))


def test_a_disk_loses_what_was_not_synced_and_nothing_else(folder: Path) -> None:
    del folder
    place = Place(0, 0, 0, 0)
    disk = Disk({"a": b"old"})
    events: list[Event] = [Write(1, 0, b"new"), Sync(1), Write(1, 3, b"more"), Create("b", 2), Write(2, 0, b"b")]
    for event in events:
        disk.apply(event)

    assert disk.files() == {"a": b"newmore", "b": b"b"}
    assert disk.cut(Loss.NOTHING, place.chance()) == disk.files()
    assert disk.cut(Loss.EVERYTHING, place.chance()) == {"a": b"new"}
    chance = place.chance()
    seen = {tuple(sorted(disk.cut(Loss.SOME, chance).items())) for _ in range(200)}
    assert {dict(found)["a"][:3] for found in seen} == {b"new"}
    assert {dict(found)["a"] for found in seen} >= {b"new", b"newmore"}
    assert {"b" in dict(found) for found in seen} == {True, False}

    events = [SyncFolder(), SyncFailed(1), Write(1, 7, b"!"), Sync(1), Rename("a", "c")]
    for event in events:
        disk.apply(event)
    assert disk.files() == {"b": b"b", "c": b"newmore!"}
    assert disk.cut(Loss.EVERYTHING, place.chance()) == {"a": b"new\0\0\0\0!", "b": b""}


def test_a_run_that_hangs_says_so() -> None:
    async def wait() -> None:
        import asyncio

        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="hangs"):
        one_thread.run(wait())
