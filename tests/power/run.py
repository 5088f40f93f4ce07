"""One recorded run: a service on a folder, from some files on, through traffic, faults of the disk, stops and starts."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from walletd.engine import EngineOptions, Refusal

from . import one_thread
from .disk import Event
from .recorder import Recorder
from .service import Chosen, open_service, small
from .sqlite_layer import Fault, Layer
from .traffic import Traffic
from .truth import Marks, Truth


class Recording(msgspec.Struct):
    """What a run wrote and promised. `files` were there at its start; `marks` say after how many events each thing happened."""

    seed: int
    files: dict[str, bytes]
    before: Truth
    events: list[Event]
    marks: list[tuple[int, str, Any]]
    options: EngineOptions


def record(layer: Layer, folder: Path, seed: int, *, files: dict[str, bytes], before: Truth, steps: int) -> Recording:
    """Run and record. The folder is emptied first."""
    fill(folder, files)
    random = Random(seed)
    recorder = Recorder(folder, files, seed=seed)
    marks = Marks(recorder.events, before)
    chosen = Chosen(seed)
    chosen.now = max(chosen.now, before.rows[-1].at if before.rows else 0)
    keys_max = random.choice((4, 1_000_000))
    options = EngineOptions(room_poll_s=0.05, keys_in_memory_max=keys_max)
    with small(chosen), recorder.recording(layer):
        one_thread.run(_sessions(folder, recorder, chosen, marks, random, options, steps))
    assert recorder.disk.files() == read(folder), "the recording is not what the folder holds"
    return Recording(seed, files, before, recorder.events, marks.marks, options)


async def _sessions(
    folder: Path,
    recorder: Recorder,
    chosen: Chosen,
    marks: Marks,
    random: Random,
    options: EngineOptions,
    steps: int,
) -> None:
    for session in range(random.randint(1, 3)):
        if random.random() < 0.15:
            chosen.next_day()
        service = await open_service(folder, chosen, note=marks.group, options=options)
        marks.add("durable", recovered_beyond(marks.now, await service.journal.read(0, 1 << 30)))
        traffic = Traffic(service, chosen, marks, random, f"{len(marks.now.rows)}.{session}")
        try:
            await traffic.begin()
            await traffic.steps(steps)
            if random.random() < 0.5:
                recorder.fault_of = full(random, "journal.db-wal" if random.random() < 0.5 else "ledger.db-wal")
                await traffic.keep_sending(4)
                recorder.fault_of = None
                await traffic.steps(2)
        finally:
            recorder.fault_of = None
            with contextlib.suppress(Refusal):
                await service.close()


def recovered_beyond(truth: Truth, rows: list[Any]) -> tuple[Any, ...]:
    """The rows that a start found beyond the durable ones: the group whose outcome was open, or none of it."""
    extra = tuple(rows[len(truth.rows) :])
    assert rows[: len(truth.rows)] == truth.rows, "a durable row is gone"
    assert extra in ((), truth.maybe), "rows that nobody wrote, or a part of a group"
    return extra


def full(random: Random, name: str) -> Any:
    """A disk without room for one file's later writes."""
    passing = random.randrange(6)

    def fault(call: str, path: str, size: int) -> Fault | None:
        nonlocal passing
        if call != "write" or path != name:
            return None
        passing -= 1
        return None if passing >= 0 else Fault(sqlite3.SQLITE_FULL, size // 2 if random.random() < 0.5 else 0)

    return fault


def fill(folder: Path, files: dict[str, bytes]) -> None:
    """Make the folder hold these files and nothing else."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def read(folder: Path) -> dict[str, bytes]:
    """The folder's files, the index of a log left out: it is not persistent."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}
