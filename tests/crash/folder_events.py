"""What happens to the files of a folder, told by the kernel as it happens (inotify): the aim of a kill.

The event comes with the first byte that is written, so a kill that follows it lands inside the write.
"""

import ctypes
import os
import select
import struct
import time
from enum import IntFlag
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct("iIII")
_READ_BYTES: Final = 64 * 1024


class Change(IntFlag):
    """What happened to a file. The values are the kernel's."""

    WRITTEN = 0x2
    MOVED_AWAY = 0x40
    MADE = 0x100
    DELETED = 0x200


ALL: Final = Change.WRITTEN | Change.MOVED_AWAY | Change.MADE | Change.DELETED


class FolderEvents:
    """Changes of the files in one folder since this was made. The folder exists."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor < 0 or libc.inotify_add_watch(self._descriptor, bytes(folder), int(ALL)) < 0:
            raise OSError(ctypes.get_errno(), f"{folder} cannot be watched")

    def read(self, deadline: float) -> list[tuple[str, Change]]:
        """The changes since the last call, oldest first; waits for one until `deadline` (monotonic seconds), then returns none."""
        wait_s = max(0.0, deadline - time.monotonic())
        if not select.select([self._descriptor], [], [], wait_s)[0]:
            return []
        data = os.read(self._descriptor, _READ_BYTES)
        changes, at = [], 0
        while at < len(data):
            _, mask, _, length = _HEADER.unpack_from(data, at)
            name = data[at + _HEADER.size : at + _HEADER.size + length].rstrip(b"\0").decode()
            changes.append((name, Change(mask & int(ALL))))
            at += _HEADER.size + length
        return changes

    def close(self) -> None:
        """Watch no longer."""
        os.close(self._descriptor)
