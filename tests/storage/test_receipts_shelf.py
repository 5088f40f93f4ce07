"""The shelf: what can be seen is whole, and stands where it stands for ever."""

import errno
from pathlib import Path

import pytest

from walletd.engine.receipts import ReceiptForm
from walletd.storage.receipts.shelf import Made, Position, Shelf

CHAIN = "3fa94c1d2b90e7f5" * 4
BOTH = {ReceiptForm.TEXT: b"text", ReceiptForm.PDF: b"%PDF-"}


class FullShelf(Shelf):
    """A shelf on a disk that has room for a number of files."""

    room = 3

    def _write(self, content: bytes) -> Path:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device", "x")
        self.room -= 1
        return super()._write(content)


def test_a_receipt_is_found_again_by_number_chain_and_form(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.put([Made(12, CHAIN, BOTH)])
    assert shelf.get(12, CHAIN, ReceiptForm.TEXT) == b"text"
    assert shelf.get(12, CHAIN, ReceiptForm.PDF) == b"%PDF-"
    assert shelf.get(12, "00" * 32, ReceiptForm.PDF) is None
    assert shelf.lacks(12, CHAIN) == []


def test_a_million_receipts_never_share_a_folder(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    numbers = range(0, 10_000_000, 37)
    folders: dict[Path, int] = {}
    for number in numbers:
        parent = shelf.path(number, CHAIN, ReceiptForm.PDF).parent
        folders[parent] = folders.get(parent, 0) + 1
    assert max(folders.values()) <= 1_000
    assert shelf.path(123_456_789, CHAIN, ReceiptForm.PDF) == tmp_path / "123/456/000123456789-3fa94c1d2b90e7f5.pdf"


def test_what_stands_there_is_not_replaced_and_what_lacks_is_added(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.put([Made(12, CHAIN, BOTH)])
    shelf.path(12, CHAIN, ReceiptForm.PDF).unlink()
    shelf.put([Made(12, CHAIN, {ReceiptForm.TEXT: b"another", ReceiptForm.PDF: b"%PDF-again"})])
    assert shelf.get(12, CHAIN, ReceiptForm.TEXT) == b"text"
    assert shelf.get(12, CHAIN, ReceiptForm.PDF) == b"%PDF-again"


def test_a_full_disk_shows_nothing_half_and_leaves_nothing_behind(tmp_path: Path) -> None:
    shelf = FullShelf(tmp_path)
    with pytest.raises(OSError, match="No space"):
        shelf.put([Made(1, CHAIN, BOTH), Made(2, CHAIN, BOTH)])
    assert list((tmp_path / "making").iterdir()) == []
    assert shelf.lacks(1, CHAIN) == list(ReceiptForm)


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "receipts")
    shelf.put([Made(12, CHAIN, BOTH)])
    shelf.set_position(Position(3, CHAIN))
    for path in [tmp_path / "receipts", *(tmp_path / "receipts").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("text", ["", "12", "x y", "1 2 3", "\x00"])
def test_a_position_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "position").write_text(text)
    assert Shelf(tmp_path).position() is None
    Shelf(tmp_path).set_position(Position(7, CHAIN))
    assert Shelf(tmp_path).position() == Position(7, CHAIN)


def test_what_a_dead_process_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "making").mkdir()
    (tmp_path / "making" / "77-1").write_bytes(b"half")
    Shelf(tmp_path).clear()
    assert list((tmp_path / "making").iterdir()) == []
