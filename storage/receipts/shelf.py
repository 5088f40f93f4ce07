"""The shelf: where receipts stand on disk, and how they come to stand there whole.

A file is written under another name, made durable, and only then given its own, so a receipt that can be seen is complete, whatever happens. Its name holds the
transaction's number and the beginning of its record's chain value: a ledger that was set back and went on differently never shows a receipt of the other past.
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ...engine.receipts import ReceiptForm
from ..connections import sync_folder

FOLDER_SIZE: Final = 1_000
"""Transactions of one folder: two files each, so that a folder of millions is never listed."""

_MAKING: Final = "making"
_POSITION: Final = "position"


class Position(NamedTuple):
    """Every receipt that is to be written by itself stands on the shelf for the records through `seq`, whose chain value is `chain` (hexadecimal)."""

    seq: int
    chain: str


class Made(NamedTuple):
    """A receipt, written."""

    transaction: int
    chain: str
    contents: Mapping[ReceiptForm, bytes]


class Shelf:
    """The folder of receipts. Any number of processes may put the same receipts onto it; every method blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def path(self, transaction: int, chain: str, form: ReceiptForm) -> Path:
        """Where a receipt stands, or will: `000/000/000000000012-3fa94c1d2b90e7f5.pdf`."""
        millions, thousands = divmod(transaction // FOLDER_SIZE, FOLDER_SIZE)
        return self._folder / f"{millions:03d}" / f"{thousands:03d}" / f"{transaction:012d}-{chain[:16]}.{form}"

    def get(self, transaction: int, chain: str, form: ReceiptForm) -> bytes | None:
        """A receipt, None if it is not there. Raises OSError."""
        try:
            return self.path(transaction, chain, form).read_bytes()
        except FileNotFoundError:
            return None

    def lacks(self, transaction: int, chain: str) -> list[ReceiptForm]:
        """The forms of a receipt that are not there."""
        return [form for form in ReceiptForm if not self.path(transaction, chain, form).exists()]

    def clear(self) -> None:
        """Remove what a process that ended left half written. Raises OSError."""
        making = self._folder / _MAKING
        if making.exists():
            for path in making.iterdir():
                path.unlink(missing_ok=True)

    def put(self, batch: Sequence[Made]) -> None:
        """Make receipts durable, then visible. Those that stand there already stay as they are. Raises OSError; what was done until then holds."""
        temporaries: list[Path] = []
        targets: list[Path] = []
        try:
            for made in batch:
                for form in self.lacks(made.transaction, made.chain):
                    temporaries.append(self._write(made.contents[form]))
                    targets.append(self.path(made.transaction, made.chain, form))
            changed: set[Path] = set()
            for temporary, target in zip(temporaries, targets, strict=True):
                changed |= self._made_folders(target.parent)
                temporary.replace(target)
            for folder in sorted(changed, reverse=True):
                sync_folder(folder)
        except BaseException:
            for temporary in temporaries:  # a full disk must not be filled by what is not to be seen
                temporary.unlink(missing_ok=True)
            raise

    def position(self) -> Position | None:
        """How far receipts were written by themselves, None if that is not known. Raises OSError."""
        try:
            seq, chain = (self._folder / _POSITION).read_text(encoding="ascii").split()
            return Position(int(seq), chain)
        except (FileNotFoundError, ValueError):
            return None

    def set_position(self, position: Position) -> None:
        """Remember the position durably. Raises OSError."""
        self._write(f"{position.seq} {position.chain}\n".encode()).replace(self._folder / _POSITION)
        sync_folder(self._folder)

    def _write(self, content: bytes) -> Path:
        """A durable file without a name of its own yet."""
        making = self._folder / _MAKING
        if not making.exists():
            for folder in _make(making):
                sync_folder(folder)
        path = making / f"{os.getpid()}-{next(self._numbers)}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _made_folders(self, folder: Path) -> set[Path]:
        """A receipt's folder, made if it is missing, and those that are to be synchronised for it."""
        return _make(folder)


def _make(folder: Path) -> set[Path]:
    """Make a folder and those above it; returns it, and whichever were changed by that."""
    changed = {folder}
    while not folder.exists():
        folder = folder.parent
        changed.add(folder)
    for missing in sorted(changed):
        missing.mkdir(mode=0o700, exist_ok=True)
    return changed
