"""Builders for tests of receipts: a bank in memory that pays, a press that prints in this process, and a shelf that a crash strikes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from walletd.engine import CreateUser, Holding, UpdateUser, transfer
from walletd.engine.ports import Transaction
from walletd.engine.receipts import Receipt, ReceiptForm
from walletd.storage.receipts.book import ReceiptBook
from walletd.storage.receipts.plain import text_of
from walletd.storage.receipts.press import NotPrinted
from walletd.storage.receipts.shelf import Made, Position, Shelf
from walletd.tests.builders import World

PATIENCE_S = 90.0


async def until(happened: Callable[[], bool]) -> None:
    """Let everything run until something has happened."""
    async with asyncio.timeout(PATIENCE_S):
        while not happened():  # noqa: ASYNC110 - what happens is on disk, too
            await asyncio.sleep(0.001)


class Bank:
    """Users 1 and 2, rich, who pay each other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.paid: list[Transaction] = []

    async def open(self) -> "Bank":
        await self.world.asset()
        for name in ("John Doe", "Jane Smith"):
            outcome = await self.world.engine.execute(
                CreateUser(name=name, username=name.split()[0].lower(), wallet_asset="USD")
            )
            assert outcome.record is not None
            wallet = outcome.record.body.wallets[0].id
            await self.world.engine.execute(transfer(self.world.treasury(), wallet, 1_000_000))
        return self

    async def pay(self, amount: int = 2500, *, receipt: bool = True, description: str | None = None) -> Transaction:
        """User 1 pays user 2, a second after the payment before."""
        self.world.clock.now += 1_000_000
        source, destination = Holding("USD", user_id=1), Holding("USD", user_id=2)
        move = transfer(source, destination, amount, receipt=receipt, description=description)
        transaction = (await self.world.engine.execute(move)).transactions[0]
        self.paid.append(transaction)
        return transaction

    async def rename(self, user_id: int, name: str) -> None:
        self.world.clock.now += 1_000_000
        await self.world.engine.execute(UpdateUser(user_id=user_id, name=name))

    def chain(self, transaction: Transaction) -> str:
        return self.world.store.rows[transaction.seq - 1].chain.hex()


def printed(receipt: Receipt) -> Made:
    """A receipt whose PDF is quickly made."""
    text = text_of(receipt, "")
    return Made(receipt.transaction, receipt.chain, {ReceiptForm.TEXT: text, ReceiptForm.PDF: b"%PDF-" + text})


class HandPress:
    """A press in this process. It fails as often as `faults` say, in order, and waits while it is `held`."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.faults: list[NotPrinted] = []
        self.printed: list[int] = []
        self.under_way = 0
        self.under_way_peak = 0
        self.closed = False
        self._free = asyncio.Event()
        self._free.set()

    def hold(self) -> None:
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    async def print(self, receipt: Receipt, *, urgent: bool = False) -> None:
        """See Printing."""
        self.under_way += 1
        self.under_way_peak = max(self.under_way_peak, self.under_way)
        try:
            await self._free.wait()
            if self.faults:
                raise self.faults.pop(0)
            self.shelf.put([printed(receipt)])
            self.printed.append(receipt.transaction)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        """See Printing."""
        self.closed = True


class Killed(BaseException):
    """The process ended here."""


class MortalShelf(Shelf):
    """A shelf that does a number of steps; then the process is dead, and nothing it does any more has an effect."""

    def __init__(self, folder: Path, steps: int) -> None:
        super().__init__(folder)
        self.steps = steps
        self.dead = False

    def _live(self) -> None:
        self.steps -= 1
        if self.steps < 0 or self.dead:
            self.dead = True
            raise Killed

    def _write(self, content: bytes) -> Path:
        self._live()
        path = super()._write(content)
        self._live()
        return path

    def _made_folders(self, folder: Path) -> set[Path]:
        self._live()
        made = super()._made_folders(folder)
        self._live()
        return made

    def set_position(self, position: Position) -> None:
        self._live()
        super().set_position(position)
        self._live()


def book_of(bank: Bank, shelf: Shelf, press: HandPress, *, eager: bool = False) -> ReceiptBook:
    return ReceiptBook(bank.world.engine, bank.world.store, shelf, press, eager=eager, pace_s=0, retry_s=0)


def files(folder: Path) -> dict[str, bytes]:
    """Every receipt that can be seen, by its path."""
    found = {path.relative_to(folder): path for form in ReceiptForm for path in folder.rglob(f"*.{form}")}
    return {str(name): path.read_bytes() for name, path in found.items()}
