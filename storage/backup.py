"""Backups: a copy of the journal, checked while it is written and again when it is read back, and of the passwords and API keys.

The image is not copied: it follows from the journal, and the first start on a restored folder folds it. A copy is built
under a name ending in `.partial` and takes its own name when it is whole and durable, so a folder of that name is a whole one.
"""

import os
from pathlib import Path
from typing import Final

from ..engine.limits import GROUP_MAX
from ..engine.ports import Head, StorageUnusable
from ..engine.records import GENESIS, decode
from .access import copy_access
from .connections import seal, sync_folder
from .folder import ACCESS_NAME, JOURNAL_NAME, DataFolder
from .image import SqliteImage, set_aside_path
from .journal import SqliteJournal
from .scan import Progress, scan, silent

PARTIAL: Final = ".partial"


async def backup(data: Path, to: Path, on_progress: Progress = silent) -> Head:
    """Copy a data folder's journal, as of now, to a new folder; a server may run on it. Returns the last record copied.

    Raises StorageUnusable if `to` is not empty or the copy cannot be written, BrokenJournal if the journal is damaged.
    """
    return await _copy(data, to, on_progress)


async def restore(source: Path, data: Path, on_progress: Progress = silent) -> Head:
    """Make a data folder from a backup. Returns its last record. Raises as `backup` does."""
    return await _copy(source, data, on_progress)


async def rebuild(data: Path, on_progress: Progress = silent) -> Head:
    """Throw the image away and fold it anew from the journal, which is checked first.

    Raises FolderLocked beside a running server, StorageUnusable for a journal that cannot be trusted, JournalFull without room.
    """
    if not (data / JOURNAL_NAME).is_file():
        raise StorageUnusable(f"{data} has no {JOURNAL_NAME}")
    folder = DataFolder(data)
    folder.lock()
    try:
        journal = SqliteJournal(folder.journal_path, reserve_bytes=0)
        image = SqliteImage(folder.image_path, folder.journal_path)
        try:
            head, found = await scan(journal, (await journal.head()).seq, on_progress)
            if found:
                raise StorageUnusable(f"{folder.journal_path} is damaged: {found[0]}")
            await image.reset()
            folded = Head(0, 0, GENESIS)
            while folded.seq < head.seq:
                folded = await image.fold(head.seq)
                on_progress("folding the journal", folded.seq, head.seq)
            await image.open()
            set_aside_path(folder.image_path).unlink(missing_ok=True)
            return folded
        finally:
            await image.close()
            await journal.close()
    finally:
        folder.unlock()


async def _copy(source: Path, to: Path, on_progress: Progress) -> Head:
    source_path = source / JOURNAL_NAME
    partial = _begin(source_path, to)
    # Before the journal: every user with a password is then among the users copied, and no other can be given its number.
    await _copy_access(source / ACCESS_NAME, partial / ACCESS_NAME)
    head = await _copy_rows(source_path, partial / JOURNAL_NAME, on_progress)
    await seal(partial / JOURNAL_NAME)
    await _read_back(partial / JOURNAL_NAME, head, on_progress)
    _finish(partial, to)
    return head


def _begin(source_path: Path, to: Path) -> Path:
    """The new folder that a copy is built in. Raises StorageUnusable if there is nothing to copy or no free place."""
    if not source_path.is_file():
        raise StorageUnusable(f"{source_path} is missing: there is nothing to copy")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise StorageUnusable(f"{to} is not empty: name a new folder")
    partial = to.with_name(to.name + PARTIAL)
    try:
        to.absolute().parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(mode=0o700)
    except FileExistsError as error:
        raise StorageUnusable(
            f"{partial} exists: another copy is being made, or was cut short; remove it if so"
        ) from error
    except OSError as error:
        raise StorageUnusable(f"{partial} cannot be made: {error.strerror}") from error
    return partial


async def _copy_access(source: Path, to: Path) -> None:
    """Copy passwords and API keys, if there are any yet; logins stay behind."""
    if source.is_file():
        await copy_access(source, to)


def _finish(partial: Path, to: Path) -> None:
    """Make a whole copy durable, and only then give it its name."""
    for path in partial.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(partial)
    partial.rename(to)
    sync_folder(to.absolute().parent)


async def _copy_rows(source_path: Path, to_path: Path, on_progress: Progress) -> Head:
    """Copy the records that are durable now, following the chain from its beginning."""
    source = SqliteJournal(source_path, reserve_bytes=0)
    target = SqliteJournal(to_path, reserve_bytes=0)
    try:
        through = (await source.head()).seq
        epoch, head = await target.claim()
        while head.seq < through:
            rows = await source.read(head.seq, min(GROUP_MAX, through - head.seq))
            if not rows or rows[0].seq != head.seq + 1 or rows[-1].seq != head.seq + len(rows):
                raise StorageUnusable(f"{source_path} lacks a record after {head.seq}")
            for row in rows:
                decode(row, head.chain)
                head = Head(row.seq, row.at, row.chain)
            await target.append(epoch, rows)
            on_progress("copying the journal", head.seq, through)
        return head
    finally:
        await source.close()
        await target.close()


async def _read_back(path: Path, expected: Head, on_progress: Progress) -> None:
    copy = SqliteJournal(path, reserve_bytes=0)
    try:
        head, found = await scan(copy, expected.seq, on_progress)
        if found or head != expected or await copy.head() != expected:
            raise StorageUnusable(f"{path} does not read back as it was written: {found[:1] or head.seq}")
    finally:
        await copy.close()
