"""Evidence: what a dead server was doing, read from the files it left behind, before anybody opens them.

SQLite's shared index (`-shm`) says which frame of the log is the last that was published, and how far a checkpoint wanted to come and came; the log itself
has what was written beyond. Layout: https://www.sqlite.org/walformat.html.
"""

import struct
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from walletd.storage.folder import IMAGE_NAME, JOURNAL_NAME
from walletd.storage.image import set_aside_path

_LOG_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_SHARED_BYTES: Final = 136


class LogState(NamedTuple):
    """A log beside its index. `beyond`: frames after the last published one; `committed`: a commit is among them."""

    beyond: int
    committed: bool
    checkpoint_from: int
    checkpoint_to: int


def log_state(path: Path) -> LogState | None:
    """The state of a database's log; None where there is none, or nobody had read it yet."""
    try:
        shared = Path(f"{path}-shm").read_bytes()[:_SHARED_BYTES]
        with Path(f"{path}-wal").open("rb") as log:
            return _read(shared, log)
    except FileNotFoundError:
        return None


def _read(shared: bytes, log: BinaryIO) -> LogState | None:
    header = log.read(_LOG_HEADER_BYTES)
    if len(shared) < _SHARED_BYTES or not shared[12] or len(header) < _LOG_HEADER_BYTES:
        return None
    published: int = struct.unpack_from("=I", shared, 16)[0]
    checkpoint_from: int = struct.unpack_from("=I", shared, 96)[0]
    checkpoint_to: int = struct.unpack_from("=I", shared, 128)[0]
    page_bytes = int.from_bytes(header[8:12], "big")
    salt = header[16:24]
    if salt != shared[32:40]:
        published = 0  # the log was begun anew, and that is not published either
    frame_bytes = _FRAME_HEADER_BYTES + page_bytes
    log.seek(_LOG_HEADER_BYTES + published * frame_bytes)
    beyond, committed = 0, False
    while len(frame := log.read(frame_bytes)) >= _FRAME_HEADER_BYTES and frame[8:16] == salt:
        beyond += 1
        committed = committed or (frame[4:8] != b"\0\0\0\0" and len(frame) == frame_bytes)
    return LogState(beyond, committed, checkpoint_from, checkpoint_to)


def moments(data: Path, written: str | None) -> set[str]:
    """The kinds of moment that a server's end fell into, as far as its files show them.

    `written`: the file whose change the kill followed. A database itself is written by checkpoints alone; the index says whether that one had come to its end.
    """
    found = set()
    for name, what in ((JOURNAL_NAME, "journal"), (IMAGE_NAME, "image")):
        state = log_state(data / name)
        if state is None:
            continue
        if state.beyond:
            found.add(f"{what}: {'commit written, not published' if state.committed else 'inside a write'}")
        if written == name and state.checkpoint_to > state.checkpoint_from:
            found.add(f"{what}: inside a checkpoint")
    image = data / IMAGE_NAME
    if not image.exists() and set_aside_path(image).exists():
        found.add("image: set aside, none in its place")
    return found
