"""The book of receipts: every receipt that is due is written, once and for ever the same, whatever ends the process and whenever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from walletd.engine import Batch, Holding, UpdateUser, transfer
from walletd.engine.receipts import ReceiptForm
from walletd.storage.receipts.naming import JournalNames
from walletd.storage.receipts.press import NotPrinted
from walletd.storage.receipts.shelf import Position, Shelf
from walletd.tests.builders import World

from .receipts import Bank, HandPress, MortalShelf, book_of, files, until

STEPS_MAX = 200
"""More steps than the book takes for the payments below."""


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    async with World() as world:
        yield await Bank(world).open()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "receipts")


def expected(bank: Bank, shelf: Shelf) -> set[Path]:
    return {shelf.path(paid.id, bank.chain(paid), form) for paid in bank.paid for form in ReceiptForm}


async def test_a_transfer_that_asks_for_a_receipt_gets_both_files_and_the_position_moves_on(
    bank: Bank, shelf: Shelf
) -> None:
    book = book_of(bank, shelf, HandPress(shelf))
    await book.start()
    paid = [await bank.pay() for _ in range(3)]
    await until(lambda: shelf.position() is not None and book.seq == bank.world.ledger.seq)
    await book.stop()
    assert all(path.is_file() for path in expected(bank, shelf))
    assert shelf.position() == Position(paid[-1].seq, bank.chain(paid[-1]))


async def test_one_that_asks_for_none_gets_one_only_where_all_do(bank: Bank, tmp_path: Path) -> None:
    await bank.pay(receipt=False)
    for eager in (False, True):
        shelf = Shelf(tmp_path / str(eager))
        book = book_of(bank, shelf, HandPress(shelf), eager=eager)
        await book.start()
        await until(lambda book=book: book.seq == bank.world.ledger.seq)  # type: ignore[misc]
        await book.stop()
        assert len(files(tmp_path / str(eager))) == (2 if eager else 0)


async def test_metadata_that_looks_like_a_wish_for_a_receipt_is_none(bank: Bank, shelf: Shelf) -> None:
    move = transfer(Holding("USD", user_id=1), Holding("USD", user_id=2), 1, metadata={"receipt": True})
    await bank.world.engine.execute(move)
    press = HandPress(shelf)
    book = book_of(bank, shelf, press)
    await book.start()
    await until(lambda: book.seq == bank.world.ledger.seq)
    await book.stop()
    assert press.printed == []


async def test_each_movement_of_a_batch_gets_its_own(bank: Bank, shelf: Shelf) -> None:
    move = transfer(Holding("USD", user_id=1), Holding("USD", user_id=2), 1, receipt=True)
    outcome = await bank.world.engine.execute(Batch(moves=(move,) * 500))
    press = HandPress(shelf)
    book = book_of(bank, shelf, press)
    await book.start()
    await until(lambda: book.seq == bank.world.ledger.seq)
    await book.stop()
    assert sorted(press.printed) == [transaction.id for transaction in outcome.transactions]
    assert press.under_way_peak <= 16


async def test_a_crash_at_any_step_loses_nothing_and_changes_nothing(bank: Bank, tmp_path: Path) -> None:
    for number in range(3):
        await bank.pay(1000 + number)
    whole = Shelf(tmp_path / "whole")
    book = book_of(bank, whole, HandPress(whole))
    await book.start()
    await until(lambda: whole.position() is not None)
    await book.stop()
    right = files(tmp_path / "whole")
    assert len(right) == 6

    for steps in range(STEPS_MAX):
        folder = tmp_path / str(steps)
        mortal = MortalShelf(folder, steps)
        book = book_of(bank, mortal, HandPress(mortal))
        await book.start()
        await until(lambda book=book, mortal=mortal: mortal.dead or mortal.position() is not None)  # type: ignore[misc]
        finished = not mortal.dead
        mortal.dead = True
        with suppress(BaseException):
            await book.stop()
        seen = files(folder)
        assert seen.items() <= right.items(), f"after {steps} steps something wrong can be seen"
        position = mortal.position()
        assert position is None or seen == right, f"after {steps} steps the position is ahead of the files"

        healthy = Shelf(folder)
        healthy.clear()
        book = book_of(bank, healthy, HandPress(healthy))
        await book.start()
        await until(lambda book=book: book.seq == bank.world.ledger.seq)  # type: ignore[misc]
        await book.stop()
        assert files(folder) == right, f"after {steps} steps and a restart the receipts differ"
        assert list((folder / "making").iterdir()) == []
        if finished:
            assert steps > 20
            return
    pytest.fail("the crash was always in time")


async def test_a_receipt_says_the_names_of_its_time_whenever_it_is_made(bank: Bank, tmp_path: Path) -> None:
    first = await bank.pay()
    await bank.rename(1, "Johnny Doe")
    second = await bank.pay()
    await bank.rename(1, "J. Doe")
    # One that changes in the very microsecond of the record before it.
    third = await bank.pay()
    await bank.world.engine.execute(UpdateUser(user_id=2, name="Late Smith"))
    shelf = Shelf(tmp_path)
    book = book_of(bank, shelf, HandPress(shelf))
    await book.start()
    await until(lambda: book.seq == bank.world.ledger.seq)
    await book.stop()
    said = [shelf.get(paid.id, bank.chain(paid), ReceiptForm.TEXT) or b"" for paid in (first, second, third)]
    assert [b"John Doe" in said[0], b"Johnny Doe" in said[1], b"J. Doe" in said[2]] == [True] * 3
    assert all(b"Jane Smith" in text for text in said)


async def test_a_name_of_an_earlier_record_is_found_after_one_of_a_later(bank: Bank) -> None:
    first = await bank.pay()
    await bank.rename(1, "Johnny Doe")
    second = await bank.pay()
    await bank.rename(1, "J. Doe")
    names = JournalNames(bank.world.ledger, bank.world.store)
    found = [(await names.name_as_of(1, paid.seq, paid.at)).name for paid in (second, first, second)]
    assert found == ["Johnny Doe", "John Doe", "Johnny Doe"]


async def test_what_is_asked_for_does_not_stand_behind_the_backlog(bank: Bank, shelf: Shelf) -> None:
    made_elsewhere = await bank.pay(receipt=False)
    press = HandPress(shelf)
    press.hold()
    book = book_of(bank, shelf, press)
    await book.start()
    for _ in range(20):
        await bank.pay()
    assert await book.read(made_elsewhere, ReceiptForm.TEXT) is None
    press.release()
    await until(lambda: made_elsewhere.id in press.printed)
    content = await book.read(made_elsewhere, ReceiptForm.TEXT)
    await book.stop()
    assert content is not None
    assert content.startswith(b"PAYMENT RECEIPT")


async def test_while_the_server_is_busy_the_backlog_is_made_one_by_one(bank: Bank, shelf: Shelf) -> None:
    press = HandPress(shelf)
    for _ in range(20):
        await bank.pay()
    press.hold()
    book = book_of(bank, shelf, press)
    await book.start()
    await until(lambda: press.under_way == 16)
    for _ in range(200):
        await bank.pay(receipt=False)
    press.release()
    await until(lambda: len(press.printed) >= 16)
    press.hold()
    await until(lambda: press.under_way > 0)
    alone = press.under_way
    press.release()
    await until(lambda: len(press.printed) == 20)
    await book.stop()
    assert alone == 1


async def test_asking_again_does_not_make_it_twice(bank: Bank, shelf: Shelf) -> None:
    paid = await bank.pay(receipt=False)
    press = HandPress(shelf)
    press.hold()
    book = book_of(bank, shelf, press)
    await book.start()
    assert [await book.read(paid, form) for form in ReceiptForm for _ in range(3)] == [None] * 6
    press.release()
    await until(lambda: press.printed == [paid.id])
    await book.stop()
    assert press.under_way_peak == 1


async def test_a_full_disk_is_waited_for_however_long_it_lasts(bank: Bank, shelf: Shelf) -> None:
    press = HandPress(shelf)
    press.faults = [NotPrinted("No space left on device", elsewhere=True) for _ in range(50)]
    book = book_of(bank, shelf, press)
    await book.start()
    paid = await bank.pay()
    await until(lambda: press.printed == [paid.id])
    await until(lambda: shelf.position() is not None)
    await book.stop()


async def test_a_receipt_that_cannot_be_laid_out_does_not_keep_the_others(bank: Bank, shelf: Shelf) -> None:
    class Picky(HandPress):
        async def print(self, receipt: object, *, urgent: bool = False) -> None:
            if getattr(receipt, "amount") == 13:  # noqa: B009 - the type is the press's own affair
                raise NotPrinted("it has thirteen cents")
            await super().print(receipt, urgent=urgent)  # type: ignore[arg-type]

    press = Picky(shelf)
    book = book_of(bank, shelf, press)
    await bank.pay(13)
    good = [(await bank.pay()).id for _ in range(3)]
    await book.start()
    await until(lambda: sorted(press.printed) == good)
    await until(lambda: book.seq == bank.world.ledger.seq)
    await book.stop()


async def test_a_position_of_another_history_is_not_believed(bank: Bank, shelf: Shelf) -> None:
    paid = await bank.pay()
    shelf.set_position(Position(paid.seq, "00" * 32))
    press = HandPress(shelf)
    book = book_of(bank, shelf, press)
    await book.start()
    await until(lambda: press.printed == [paid.id])
    await book.stop()


async def test_a_receipt_of_another_history_is_not_shown(bank: Bank, shelf: Shelf) -> None:
    paid = await bank.pay()
    other = shelf.path(paid.id, "ab" * 32, ReceiptForm.TEXT)
    other.parent.mkdir(parents=True)
    other.write_bytes(b"paid by someone else")
    book = book_of(bank, shelf, HandPress(shelf))
    assert await book.read(paid, ReceiptForm.TEXT) is None
    await book.stop()


async def test_the_engine_stops_and_the_book_ends(bank: Bank, shelf: Shelf) -> None:
    press = HandPress(shelf)
    book = book_of(bank, shelf, press)
    await book.start()
    await bank.world.engine.stop()
    async with asyncio.timeout(5):
        await book.stop()
        await book.stop()
    assert press.closed
