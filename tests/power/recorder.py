"""The recording of a run: every change of the files in a folder, in order, whoever made it.

SQLite's calls come by the file layer; the few names that the storage code itself removes, moves or syncs come by the three functions of `os`
that it uses for that.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from .disk import Create, Delete, Disk, Event, Rename, Sync, SyncFailed, SyncFolder, Truncate, Write
from .sqlite_layer import Fault, Layer

FaultOf = Callable[[str, str, int], Fault | None]
"""What becomes of a call on a file of this name: None lets it pass."""


class Recorder:
    """A Watcher that keeps everything. `files` are in the folder at the start; `fault_of` may be set at any time."""

    def __init__(self, folder: Path, files: dict[str, bytes] | None = None, *, seed: int = 0) -> None:
        self._folder = f"{folder}{os.sep}"
        self._random = Random(seed)
        self.disk = Disk(files)
        self.events: list[Event] = []
        self.fault_of: FaultOf | None = None

    @contextlib.contextmanager
    def recording(self, layer: Layer, *, reads: bool = False) -> Iterator[None]:
        """Record what happens in here."""
        unlink, replace, fsync = os.unlink, os.replace, os.fsync

        def unlinked(path: Any, *arguments: Any, **options: Any) -> None:
            unlink(path, *arguments, **options)
            self.deleted(os.fspath(path))

        def replaced(source: Any, target: Any, **options: Any) -> None:
            replace(source, target, **options)
            names = self._name(os.fspath(source)), self._name(os.fspath(target))
            if self.disk.inode(names[0]) is not None:
                self._happened(Rename(*names))

        def synced(descriptor: int) -> None:
            fsync(descriptor)
            if os.path.isdir(f"/proc/self/fd/{descriptor}") or os.path.isdir(f"/dev/fd/{descriptor}"):  # noqa: PTH112
                self.folder_synced()

        with (
            mock.patch.object(os, "unlink", unlinked),
            mock.patch.object(os, "replace", replaced),
            mock.patch.object(os, "fsync", synced),
            layer.watching(self, reads=reads),
        ):
            yield

    def _name(self, path: str) -> str:
        return path.removeprefix(self._folder)

    def _happened(self, event: Event) -> None:
        self.disk.apply(event)
        self.events.append(event)

    def _inode(self, path: str) -> int:
        inode = self.disk.inode(self._name(path))
        assert inode is not None, f"{path} was written without having been opened"
        return inode

    # ----------------------------------------------------------------------------------------------- the Watcher

    def concerns(self, path: str) -> bool:
        """See Watcher."""
        return path.startswith(self._folder) and not path.endswith("-shm")

    def fault(self, call: str, path: str, size: int) -> Fault | None:
        """See Watcher."""
        fault = None if self.fault_of is None else self.fault_of(call, self._name(path), size)
        if fault is not None and call == "sync":
            self._happened(SyncFailed(self._inode(path)))
        return fault

    def opened(self, path: str) -> None:
        """See Watcher."""
        if self.disk.inode(self._name(path)) is None:
            self._happened(Create(self._name(path), self.disk.new_inode()))

    def written(self, path: str, offset: int, content: bytes) -> None:
        """See Watcher."""
        self._happened(Write(self._inode(path), offset, content))

    def truncated(self, path: str, size: int) -> None:
        """See Watcher."""
        self._happened(Truncate(self._inode(path), size))

    def synced(self, path: str) -> None:
        """See Watcher."""
        self._happened(Sync(self._inode(path)))

    def deleted(self, path: str) -> None:
        """See Watcher."""
        if self.disk.inode(self._name(path)) is not None:
            self._happened(Delete(self._name(path)))

    def folder_synced(self) -> None:
        """See Watcher."""
        self._happened(SyncFolder())

    def random(self, size: int) -> bytes | None:
        """See Watcher: the same bytes for the same seed, so that a run can be repeated exactly."""
        return self._random.randbytes(size)
