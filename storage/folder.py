"""The data folder: where the files are, and the lock that keeps a second server out.

The lock is the operating system's, on an open file, so it ends with its holder however that ends. The number written
into the file only names the holder to people.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from ..engine.ports import StorageUnusable
from .connections import sync_folder

JOURNAL_NAME: Final = "journal.db"
IMAGE_NAME: Final = "ledger.db"
ACCESS_NAME: Final = "access.db"
LOCK_NAME: Final = "lock"


class FolderLocked(Exception):
    """Another process holds the folder. `pid` is its number as it wrote it, 0 if it has not yet."""

    def __init__(self, path: Path, pid: int) -> None:
        self.pid = pid
        holder = f"the process {pid}" if pid else "another process"
        super().__init__(f"{path} is in use by {holder}: one server a data folder")


class DataFolder:
    """One server's files. Made with mode 0700 if it is missing. Raises StorageUnusable if it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.journal_path = self.path / JOURNAL_NAME
        self.image_path = self.path / IMAGE_NAME
        self.access_path = self.path / ACCESS_NAME
        self.receipts_path = self.path / "media" / "receipts"
        self._lock: int | None = None
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            raise StorageUnusable(f"{self.path} is not a folder") from error
        except OSError as error:
            raise StorageUnusable(f"{self.path} cannot be made: {error.strerror}") from error
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise StorageUnusable(f"{self.path} cannot be written: give it to the user that runs walletd")

    def lock(self) -> None:
        """Keep every other process out until `unlock`, or the end of this one. Raises FolderLocked, StorageUnusable."""
        assert self._lock is None, "locked twice"
        try:
            descriptor = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageUnusable(f"{self.path / LOCK_NAME} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            text = os.read(descriptor, 32)
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise StorageUnusable(f"{self.path / LOCK_NAME} cannot be locked: {error.strerror}") from error
            raise FolderLocked(self.path, int(text) if text.strip().isdigit() else 0) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        sync_folder(self.path)
        self._lock = descriptor

    def unlock(self) -> None:
        """Let others in. Safe to call twice. The file stays: removing it would let two in at once."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
