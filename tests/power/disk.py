"""What a disk holds after a power cut, given everything that was written and synced before it.

A file is its content (an inode); a name in the folder points to one. What was synced is there. Of what was written to a file since its last sync,
anything may be: all, none, a beginning, any of the writes, any of their sectors; where a file grew without its bytes, there may be zeros
or noise. What a failed sync was to write is lost. Bytes beside a write are never touched (SQLite's "powersafe overwrite"). Names made, moved and removed become durable in
their order, as a journaling file system keeps it, all of them with the folder's sync.
"""

from collections.abc import Iterable
from enum import IntEnum
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

SECTOR: Final = 512


class Write(NamedTuple):
    """Bytes written to a file."""

    inode: int
    offset: int
    content: bytes


class Truncate(NamedTuple):
    """A file cut to a size."""

    inode: int
    size: int


class Sync(NamedTuple):
    """A file's content made durable."""

    inode: int


class SyncFailed(NamedTuple):
    """A sync that failed: what it was to write is gone from the disk for good, though the system still shows it."""

    inode: int


class Create(NamedTuple):
    """A name for a new file."""

    name: str
    inode: int


class Delete(NamedTuple):
    """A name removed."""

    name: str


class Rename(NamedTuple):
    """A name moved."""

    name: str
    to: str


class SyncFolder(NamedTuple):
    """The folder's names made durable."""


Event = Write | Truncate | Sync | SyncFailed | Create | Delete | Rename | SyncFolder


class Loss(IntEnum):
    """What of the unsynced a power cut takes."""

    NOTHING = 0
    EVERYTHING = 1
    LATEST = 2
    SOME = 3


class Disk:
    """The state after some events; `files` are what is there at first, durably."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self._names: dict[str, int] = {}
        self._durable_names: dict[str, int] = {}
        self._name_changes: list[dict[str, int]] = []
        self._current: dict[int, bytearray] = {}
        self._durable: dict[int, bytearray] = {}
        self._pending: dict[int, list[Write | Truncate]] = {}
        for inode, (name, content) in enumerate(sorted((files or {}).items()), 1):
            self._names[name] = inode
            self._current[inode] = bytearray(content)
            self._durable[inode] = bytearray(content)
        self._durable_names = dict(self._names)

    @property
    def unsynced(self) -> bool:
        """Whether a cut can lose anything."""
        return bool(self._pending or self._name_changes)

    def inode(self, name: str) -> int | None:
        """The file that a name points to."""
        return self._names.get(name)

    def new_inode(self) -> int:
        """The number of the next new file."""
        return max(self._current, default=0) + 1

    def apply(self, event: Event) -> None:
        """Let one more event happen."""
        match event:
            case Write() | Truncate():
                change(self._current[event.inode], event)
                self._pending.setdefault(event.inode, []).append(event)
            case Sync():
                apply(self._durable[event.inode], self._pending.pop(event.inode, ()))
            case SyncFailed():
                self._pending.pop(event.inode, None)
            case SyncFolder():
                self._durable_names = dict(self._names)
                self._name_changes = []
            case Create() | Delete() | Rename():
                self._rename(event)

    def _rename(self, event: Create | Delete | Rename) -> None:
        match event:
            case Create():
                self._names[event.name] = event.inode
                self._current[event.inode] = bytearray()
                self._durable[event.inode] = bytearray()
            case Delete():
                del self._names[event.name]
            case Rename():
                self._names[event.to] = self._names.pop(event.name)
        self._name_changes.append(dict(self._names))

    def files(self) -> dict[str, bytes]:
        """Every file as the system shows it."""
        return {name: bytes(self._current[inode]) for name, inode in self._names.items()}

    def cut(self, loss: Loss, chance: Random) -> dict[str, bytes]:
        """Every file as it is found after a power cut now."""
        if loss is Loss.NOTHING:
            return self.files()
        names = self._durable_names
        if loss is not Loss.EVERYTHING and self._name_changes:
            names = chance.choice([names, *self._name_changes])
        return {name: self._content(inode, loss, chance) for name, inode in names.items()}

    def _content(self, inode: int, loss: Loss, chance: Random) -> bytes:
        durable, pending = self._durable[inode], self._pending.get(inode)
        if loss is Loss.EVERYTHING or not pending:
            return bytes(durable)
        if loss is Loss.SOME and chance.random() < 0.2:
            loss = Loss.LATEST
        content = bytearray(durable)
        if loss is Loss.LATEST:
            kept = pending[: chance.randrange(len(pending) + 1)]
            apply(content, kept)
            if len(kept) < len(pending):
                apply(content, torn(pending[len(kept)], chance))
            return bytes(content)
        share = chance.choice((0.1, 0.5, 0.9))
        kept = [write for write in pending if chance.random() < share]
        if chance.random() < 0.5:
            kept = [piece for write in kept for piece in torn(write, chance)]
        if chance.random() < 0.3 and not any(isinstance(write, Truncate) for write in pending):
            content = grown(content, pending, chance)
        apply(content, kept)
        return bytes(content)


def apply(content: bytearray, writes: Iterable[Write | Truncate]) -> None:
    """Let writes happen in their order."""
    for write in writes:
        change(content, write)


def change(content: bytearray, write: Write | Truncate) -> None:
    """Let one write happen to a file's content."""
    if isinstance(write, Truncate):
        if write.size < len(content):
            del content[write.size :]
        else:
            content.extend(bytes(write.size - len(content)))
        return
    if write.offset > len(content):
        content.extend(bytes(write.offset - len(content)))
    content[write.offset : write.offset + len(write.content)] = write.content


def torn(write: Write | Truncate, chance: Random) -> list[Write | Truncate]:
    """Some of a write's sectors. A truncation happens or not."""
    if isinstance(write, Truncate):
        return [write] if chance.random() < 0.5 else []
    end = write.offset + len(write.content)
    edges = [write.offset, *range((write.offset // SECTOR + 1) * SECTOR, end, SECTOR), end]
    return [
        Write(write.inode, low, write.content[low - write.offset : high - write.offset])
        for low, high in pairwise(edges)
        if chance.random() < 0.5
    ]


def grown(content: bytearray, pending: Iterable[Write | Truncate], chance: Random) -> bytearray:
    """The content with noise up to where its unsynced writes would have brought it: a size may be durable before its bytes."""
    end = max(write.offset + len(write.content) for write in pending if isinstance(write, Write))
    return content + chance.randbytes(max(0, end - len(content)))
