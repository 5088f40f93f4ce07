"""The press: receipts are made in a process of their own, of the lowest priority, that never outlives the server and is replaced when it dies."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from walletd.engine.receipts import ReceiptForm
from walletd.storage.receipts.memory import MemoryReceipts
from walletd.storage.receipts.press import WINDOW, NotPrinted, Press
from walletd.storage.receipts.printer import Setup
from walletd.storage.receipts.shelf import Shelf
from walletd.tests.builders import World

from .receipts import PATIENCE_S, Bank, book_of, files, until
from .test_receipts_pages import CHAIN, receipt


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    async with World() as world:
        yield await Bank(world).open()


@pytest.fixture
async def press(tmp_path: Path) -> AsyncIterator[Press]:
    press = Press(tmp_path)
    yield press
    await press.close()


async def test_a_receipt_is_on_the_shelf_when_print_returns(press: Press, tmp_path: Path) -> None:
    await press.print(receipt())
    shelf = Shelf(tmp_path)
    assert (shelf.get(12, CHAIN, ReceiptForm.PDF) or b"").startswith(b"%PDF-")
    assert b"John Doe" in (shelf.get(12, CHAIN, ReceiptForm.TEXT) or b"")


async def test_the_printer_has_the_lowest_priority_and_a_process_of_its_own(press: Press) -> None:
    await press.print(receipt())
    assert press.pid not in (None, os.getpid())
    assert press.pid is not None
    assert os.getpriority(os.PRIO_PROCESS, press.pid) == 19


async def test_it_starts_with_the_first_receipt_and_ends_with_the_press(tmp_path: Path) -> None:
    press = Press(tmp_path)
    assert press.pid is None
    await press.print(receipt())
    pid = press.pid
    assert pid is not None
    await press.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(NotPrinted):
        await press.print(receipt())


async def test_signals_to_the_servers_group_do_not_end_it_before_its_work(press: Press) -> None:
    await press.print(receipt())
    assert press.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(press.pid, number)
    await press.print(receipt(transaction=13))


SERVER = """
import subprocess, sys
command = [sys.executable, "-m", "walletd.storage.receipts.printer", sys.argv[1]]
printer = subprocess.Popen(command, stdin=0, stdout=subprocess.PIPE)
printer.stdout.readline()
print(printer.pid, flush=True)
printer.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the end of its input ends it")
async def test_it_ends_when_its_server_is_killed_though_its_input_goes_on(tmp_path: Path) -> None:
    setup = msgspec.json.encode(Setup(folder=str(tmp_path))).decode()
    reading, writing = os.pipe()
    try:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SERVER, setup, stdin=reading, stdout=asyncio.subprocess.PIPE
        )
        assert server.stdout is not None
        printer = Path("/proc", (await server.stdout.readline()).decode().strip(), "stat")
        assert printer.exists()
        server.kill()
        await server.wait()
        await until(lambda: not printer.exists() or ") Z " in printer.read_text())
    finally:
        os.close(reading)
        os.close(writing)


async def test_many_receipts_are_made_and_few_are_with_the_printer(press: Press, tmp_path: Path) -> None:
    await asyncio.gather(*(press.print(receipt(transaction=number)) for number in range(1, 3 * WINDOW)))
    assert len(files(tmp_path)) == 2 * (3 * WINDOW - 1)


async def test_a_folder_that_cannot_be_written_is_no_fault_of_the_receipt(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    press = Press(tmp_path / "file")
    with pytest.raises(NotPrinted) as fault:
        await press.print(receipt())
    assert fault.value.elsewhere
    await press.close()


async def test_fonts_that_cannot_be_read_are_no_fault_of_the_receipt(tmp_path: Path) -> None:
    press = Press(tmp_path, fonts=(tmp_path / "missing.ttf",))
    with pytest.raises(NotPrinted, match=r"missing\.ttf") as fault:
        await press.print(receipt())
    assert fault.value.elsewhere
    await press.close()


async def test_killed_again_and_again_it_loses_nothing_and_writes_nothing_different(bank: Bank, tmp_path: Path) -> None:
    press, shelf = Press(tmp_path), Shelf(tmp_path)
    book = book_of(bank, shelf, press)  # type: ignore[arg-type]
    await book.start()
    for _ in range(24):
        await bank.pay()
    kills = 0
    while book.seq < bank.world.ledger.seq:
        seen = len(files(tmp_path))
        await until(lambda seen=seen: len(files(tmp_path)) > seen or book.seq == bank.world.ledger.seq)  # type: ignore[misc]
        if press.pid is not None and kills < 3:
            with suppress(ProcessLookupError):
                os.kill(press.pid, signal.SIGKILL)
            kills += 1
    await book.stop()
    assert kills == 3
    await check_against_memory(bank, shelf)


async def check_against_memory(bank: Bank, shelf: Shelf) -> None:
    memory = MemoryReceipts(bank.world.engine, bank.world.store)
    memory.open = True
    for paid in bank.paid:
        for form in ReceiptForm:
            assert shelf.get(paid.id, bank.chain(paid), form) == await memory.read(paid, form)


@pytest.fixture(params=["memory", "book"])
async def receipts(request: Any, bank: Bank, tmp_path: Path) -> AsyncIterator[Any]:
    """Each implementation of the port."""
    if request.param == "memory":
        memory = MemoryReceipts(bank.world.engine, bank.world.store)
        memory.open = True
        yield memory
        return
    press = Press(tmp_path)
    book = book_of(bank, Shelf(tmp_path), press)  # type: ignore[arg-type]
    await book.start()
    yield book
    await book.stop()


async def read(receipts: Any, paid: Any, form: ReceiptForm) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        while (content := await receipts.read(paid, form)) is None:  # noqa: ASYNC110 - as a client asks again
            await asyncio.sleep(0.01)
    return bytes(content)


async def test_whichever_keeps_them_a_receipt_comes_soon_and_stays_the_same(bank: Bank, receipts: Any) -> None:
    paid = [await bank.pay(receipt=asks, description="für Ольга") for asks in (True, False)]
    for transaction in paid:
        text = await read(receipts, transaction, ReceiptForm.TEXT)
        pdf = await read(receipts, transaction, ReceiptForm.PDF)
        assert "für Ольга" in text.decode()
        assert pdf.startswith(b"%PDF-")
        await bank.rename(1, f"Renamed after {transaction.id}")
        assert await read(receipts, transaction, ReceiptForm.TEXT) == text
        assert await read(receipts, transaction, ReceiptForm.PDF) == pdf
