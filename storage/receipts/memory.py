"""Receipts in memory: for tests and examples, and as the plainest statement of what the port promises. Nothing survives the process."""

from ...engine.engine import Engine
from ...engine.ports import Transaction
from ...engine.receipts import ReceiptForm, RecordSearch, receipt_of
from .fonts import Fonts
from .naming import JournalNames
from .paper import pdf_of
from .plain import text_of


class MemoryReceipts:
    """Receipts that are made by `make`, all that were asked for since; or, as long as `open`, on the spot."""

    def __init__(self, engine: Engine, journal: RecordSearch, *, public_url: str = "") -> None:
        self.open = False
        self.asked: dict[int, Transaction] = {}
        self._made: dict[tuple[int, ReceiptForm], bytes] = {}
        self._engine = engine
        self._journal = journal
        self._names = JournalNames(engine.ledger, journal)
        self._public_url = public_url

    async def read(self, transaction: Transaction, form: ReceiptForm) -> bytes | None:
        """See Receipts."""
        if (transaction.id, form) not in self._made:
            self.asked[transaction.id] = transaction
            if self.open:
                await self.make()
        return self._made.get((transaction.id, form))

    async def make(self) -> None:
        """Make what was asked for."""
        fonts = Fonts()
        try:
            while self.asked:
                number, transaction = self.asked.popitem()
                (row,) = await self._journal.read(transaction.seq - 1, 1)
                receipt = await receipt_of(self._engine.ledger, transaction, row.chain, self._names)
                self._made[number, ReceiptForm.TEXT] = text_of(receipt, self._public_url)
                self._made[number, ReceiptForm.PDF] = pdf_of(receipt, self._public_url, fonts)
        finally:
            fonts.close()
