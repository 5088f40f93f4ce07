"""The book of receipts: which ones are due, which are asked for, and how far the journal has been followed.

One task follows the journal and has every receipt that a record asks for made; its position is remembered once all receipts before it are durable. A crash therefore repeats some
and loses none, and repeating changes nothing, for a receipt is a function of the journal. Memory is flat: what is not made yet waits in the journal, not here.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from ...engine.draft import each_transaction
from ...engine.engine import Engine
from ...engine.limits import SEARCH_STEP_MAX
from ...engine.ports import StorageUnusable, Transaction
from ...engine.receipts import MOVES, RECEIPT_MARK, Receipt, ReceiptForm, RecordSearch, has_receipt, receipt_of
from ...engine.records import Movement, Row, decode_unchained
from .naming import JournalNames
from .press import NotPrinted
from .shelf import Position, Shelf

_log: Final = logging.getLogger("walletd.receipts")

ASKED_MAX: Final = 256
"""Receipts that are being made because they were asked for; one more is not begun until another is done."""

ROWS_MAX: Final = 64
"""Records whose receipts are made between two positions."""

TOGETHER_MAX: Final = 16
"""Receipts that are under way at once."""

LARGE_BYTES: Final = 64 * 1024
"""Length of a record that is read in a thread: a batch of thousands."""

ATTEMPTS_MAX: Final = 3
"""Times that one receipt is begun before it is left to those who ask for it."""

PACE_S: Final = 0.05
"""Rest after the journal's end was reached, so that following it costs the same whether ten or ten thousand records come in a second."""

BUSY_PER_S: Final = 50
"""Records a second from which the server counts as busy."""

REST: Final = 9
"""Rest between receipts of the backlog while the server is busy, in times of what one has taken. What is asked for does not rest."""

REST_MAX_S: Final = 5.0

RETRY_S: Final = 5.0

REMEMBER_EVERY: Final = 100_000
"""Records without a receipt after which the position is remembered all the same."""


class Printing(Protocol):
    """Where receipts are made: the press, or a test's."""

    async def print(self, receipt: Receipt, *, urgent: bool = False) -> None:
        """Return once the receipt is durable on the shelf. Raises NotPrinted."""
        ...

    async def close(self) -> None:
        """Release everything. Safe to call twice."""
        ...


class ReceiptBook:
    """Receipts over an engine, its journal's store, a shelf and a press. `start`, then `stop` before the engine stops.

    `eager`: transfers that ask for no receipt get one by themselves too.
    """

    def __init__(
        self,
        engine: Engine,
        journal: RecordSearch,
        shelf: Shelf,
        press: Printing,
        *,
        eager: bool = False,
        pace_s: float = PACE_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._shelf = shelf
        self._press = press
        self._mark = b"" if eager else RECEIPT_MARK
        self._wants = _wants_all if eager else _wants
        self._pace_s = pace_s
        self._retry_s = retry_s
        self._names = JournalNames(engine.ledger, journal)
        self._asked: dict[int, asyncio.Task[None]] = {}
        self._following: asyncio.Task[None] | None = None
        self._remembering: asyncio.Task[None] | None = None
        self._remembered = 0
        self._troubled = False
        self._busy = False
        self.seq = 0
        """The record through which every receipt that is due is durable."""

    async def start(self) -> None:
        """Go on where the position says."""
        self.seq = self._remembered = await self._start_after()
        self._following = asyncio.create_task(self._follow(), name="walletd receipts")

    async def stop(self) -> None:
        """Begin nothing more, finish what the printer has begun, and remember the position. Safe to call twice."""
        following, self._following = self._following, None
        tasks = [*self._asked.values(), *([following] if following is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._remembering is not None:
            await asyncio.wait([self._remembering])
        await self._press.close()
        if following is not None and self.seq > self._remembered:
            await self._remember()

    async def read(self, transaction: Transaction, form: ReceiptForm) -> bytes | None:
        """See Receipts."""
        row = await self._row(transaction.seq)
        content = await asyncio.to_thread(self._shelf.get, transaction.id, row.chain.hex(), form)
        if content is None and transaction.id not in self._asked and len(self._asked) < ASKED_MAX:
            self._asked[transaction.id] = asyncio.create_task(self._make_asked(transaction, row.chain))
        return content

    # ------------------------------------------------------------------------------------------------------- making

    async def _make_asked(self, transaction: Transaction, chain: bytes) -> None:
        try:
            receipt = await receipt_of(self._engine.ledger, transaction, chain, self._names)
            await self._press.print(receipt, urgent=True)
        except (NotPrinted, StorageUnusable) as error:
            _log.warning("receipt_not_made", extra={"transaction": transaction.id, "detail": str(error)})
        finally:
            del self._asked[transaction.id]

    async def _make_due(self, rows: list[Row]) -> int:
        """Have every receipt made that the records ask for; returns how many."""
        made = 0
        receipts: list[Receipt] = []
        for row in rows:
            for transaction in await self._due(row):
                receipts.append(await receipt_of(self._engine.ledger, transaction, row.chain, self._names))
                if len(receipts) >= (1 if self._busy else TOGETHER_MAX):
                    made += await self._make_and_rest(receipts)
                    receipts = []
        return made + (await self._make_and_rest(receipts) if receipts else 0)

    async def _make_and_rest(self, receipts: list[Receipt]) -> int:
        """Have receipts made; if the server is busy meanwhile, rest, so that a core is free for it most of the time."""
        loop, ledger = asyncio.get_running_loop(), self._engine.ledger
        began, seq = loop.time(), ledger.seq
        await self._make_together(receipts)
        took_s = loop.time() - began
        self._busy = ledger.seq - seq > BUSY_PER_S * took_s
        if self._busy:
            await asyncio.sleep(min(REST * took_s, REST_MAX_S))
        return len(receipts)

    async def _due(self, row: Row) -> list[Transaction]:
        if len(row.body) > LARGE_BYTES:
            found = await asyncio.to_thread(_movements, row, self._wants)
        else:
            found = _movements(row, self._wants)
        return [transaction for transaction in found if has_receipt(self._engine.ledger, transaction)]

    async def _make_together(self, receipts: list[Receipt]) -> None:
        """Have receipts made, however long it takes. One that fails is tried again alone, so that it spoils no other."""
        results = await asyncio.gather(*map(self._press.print, receipts), return_exceptions=True)
        for receipt, result in zip(receipts, results, strict=True):
            if isinstance(result, NotPrinted):
                await self._make_alone(receipt, result)
            elif result is not None:
                raise result

    async def _make_alone(self, receipt: Receipt, error: NotPrinted) -> None:
        """Try until it is made; give up only on one whose own making has failed ATTEMPTS_MAX times."""
        attempts = 0 if error.elsewhere else 1
        while True:
            self._trouble(error)
            await asyncio.sleep(self._retry_s)
            try:
                await self._press.print(receipt)
            except NotPrinted as again:
                error = again
                attempts += 0 if again.elsewhere else 1
                if attempts >= ATTEMPTS_MAX:
                    detail = {"transaction": receipt.transaction, "detail": str(again)}
                    _log.error("receipt_given_up", extra=detail)
                    return
            else:
                self._untroubled()
                return

    # ---------------------------------------------------------------------------------------------------- following

    async def _follow(self) -> None:
        ledger = self._engine.ledger
        while True:
            await self._engine.beyond(self.seq)
            if ledger.seq <= self.seq:
                return  # the engine stops
            try:
                at_end = await self._step(min(ledger.seq, self.seq + SEARCH_STEP_MAX))
            except (StorageUnusable, NotPrinted, OSError) as error:
                self._trouble(error)
                await asyncio.sleep(self._retry_s)
                continue
            if at_end:
                await asyncio.sleep(self._pace_s)

    async def _step(self, through: int) -> bool:
        """Make what is due after `seq` and through a record, or as much of it as one position covers. Returns whether that was all there is."""
        rows = await self._journal.search(self.seq, through, MOVES, self._mark, ROWS_MAX)
        if len(rows) == ROWS_MAX:
            through = rows[-1].seq
        made = await self._make_due(rows)
        self.seq = through
        if made or through - self._remembered >= REMEMBER_EVERY:
            await self._remember()
        return through == self._engine.ledger.seq

    async def _start_after(self) -> int:
        """The record after which receipts are due: the position's, if it is one of this very journal."""
        try:
            position = await asyncio.to_thread(self._shelf.position)
        except OSError as error:
            self._trouble(error)
            return 0
        if position is None or not 0 < position.seq <= self._engine.ledger.seq:
            return 0
        row = await self._row(position.seq)
        return position.seq if row.chain.hex() == position.chain else 0

    async def _remember(self) -> None:
        """Keep the position, to the end even where who waits for it is stopped."""
        self._remembering = asyncio.create_task(self._set_position(self.seq))
        await asyncio.shield(self._remembering)

    async def _set_position(self, seq: int) -> None:
        row = await self._row(seq)
        try:
            await asyncio.to_thread(self._shelf.set_position, Position(row.seq, row.chain.hex()))
            self._remembered = row.seq
        except OSError as error:
            self._trouble(error)  # the next one is remembered instead

    async def _row(self, seq: int) -> Row:
        (row,) = await self._journal.read(seq - 1, 1)
        return row

    # ------------------------------------------------------------------------------------------------------- telling

    def _trouble(self, error: Exception) -> None:
        if not self._troubled:
            self._troubled = True
            _log.warning("receipts_wait", extra={"detail": str(error), "sequence": self.seq})

    def _untroubled(self) -> None:
        if self._troubled:
            self._troubled = False
            _log.info("receipts_go_on", extra={"sequence": self.seq})


def _wants(movement: Movement) -> bool:
    """Whether a movement asks for a receipt."""
    return movement.receipt


def _wants_all(movement: Movement) -> bool:
    """Whether a movement asks for a receipt, or is a transfer."""
    return movement.receipt or movement.type == "transfer"


def _movements(row: Row, wants: Callable[[Movement], bool]) -> list[Transaction]:
    record = decode_unchained(row)
    return [
        transaction
        for transaction, movement in zip(each_transaction(record), record.body.movements, strict=True)
        if wants(movement)
    ]
