"""The promise, held against what a folder holds after a power cut: a start in good order, then every law, then new work."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

from walletd.engine import CreateAsset, CreateUser, EngineOptions, Refusal, transfer
from walletd.engine.ledger import Ledger
from walletd.engine.limits import IDEMPOTENCY_KEY_LIFE_US
from walletd.engine.ports import HistoryQuery
from walletd.engine.records import GENESIS, Record, Row, decode
from walletd.storage.image import set_aside_path
from walletd.storage.verify import verify
from walletd.tests.builders import ledger_state

from .run import fill, recovered_beyond
from .service import Chosen, Service, dump_access, running
from .tables import Tables, difference, dump
from .truth import Truth


class Expected:
    """What engine and image must hold after the records up to a row, told by the row's chain value, which names all of them."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[dict[str, Any], Tables]] = {GENESIS: (ledger_state(Ledger()), Tables())}

    def after(self, rows: list[Row]) -> tuple[dict[str, Any], Tables]:
        """The ledger's state and the image's tables."""
        head = rows[-1].chain if rows else GENESIS
        if head not in self._known:
            self._learn(rows)
        return self._known[head]

    def _learn(self, rows: list[Row]) -> None:
        ledger, tables, chain = Ledger(), Tables(), GENESIS
        for row in rows:
            record = decode(row, chain)
            ledger.replay(record)
            chain = row.chain
            if chain in self._known:
                tables = self._known[chain][1]
            else:
                tables = tables.copy()
                tables.follow(record)
                self._known[chain] = (ledger_state(ledger), tables)


def check_promises(truth: Truth, rows: list[Row]) -> None:
    """What callers were told against the rows that a journal ended with: once for a whole run."""
    for seq, record in truth.acknowledged.items():
        previous = rows[seq - 2].chain if seq > 1 else GENESIS
        assert decode(rows[seq - 1], previous) == record, f"record {seq} is not what its caller was told"
    references: set[str | None] = set()
    chain = GENESIS
    for row in rows:
        references.update(movement.reference for movement in decode(row, chain).body.movements)
        chain = row.chain
    assert not references & truth.refused, f"refused, and there all the same: {references & truth.refused}"


class Checker:
    """Starts on folders and checks them. `anew` counts the images that could not be used."""

    def __init__(self, folder: Path, expected: Expected, options: EngineOptions) -> None:
        self._folder = folder
        self._expected = expected
        self._options = options
        self.anew = 0
        self.replayed = 0

    async def check(self, files: dict[str, bytes], truth: Truth, chance: Random, *, deep: bool = False) -> list[Row]:
        """Start on these files; returns the rows found. Raises AssertionError, or whatever kept it from starting."""
        await asyncio.sleep(0)
        fill(self._folder, files)
        if chance.random() < 0.2:  # the index of a log is what the cut left, and nobody synced it
            for name in ("journal.db", "ledger.db"):
                (self._folder / f"{name}-shm").write_bytes(chance.randbytes(32768))
        chosen = Chosen(chance.getrandbits(32))
        chosen.now = max(chosen.now, truth.rows[-1].at if truth.rows else 0, truth.maybe[-1].at if truth.maybe else 0)
        async with running(self._folder, chosen, options=self._options) as service:
            rows = await service.journal.read(0, 1 << 30)
            self._check_start(service, truth, rows)
            await self._go_on(service, truth, rows, chance)
            ended = await service.journal.read(0, 1 << 30)
        assert ended[: len(rows)] == rows
        await self._check_files(truth, rows, ended)
        if deep:
            report = await verify(self._folder)
            assert report.sound, report.findings
            async with running(self._folder, chosen, options=self._options) as service:
                assert await service.journal.read(0, 1 << 30) == ended
                again = Expected().after(ended)[0]
                assert ledger_state(service.engine.ledger) == again, "the second start differs"
        return rows

    def _check_start(self, service: Service, truth: Truth, rows: list[Row]) -> None:
        last = max(truth.acknowledged, default=0)
        assert len(rows) >= last, f"record {last} was acknowledged, and the journal ends at {len(rows)}"
        recovered_beyond(truth, rows)
        assert ledger_state(service.engine.ledger) == self._expected.after(rows)[0], "the ledger is not the replay's"
        self.anew += set_aside_path(self._folder / "ledger.db").exists()

    async def _go_on(self, service: Service, truth: Truth, rows: list[Row], chance: Random) -> None:
        """Send what was sent before again, then something new."""
        engine = service.engine
        sent = list(truth.sent)
        for label in {*sent[-2:], *(chance.sample(sent, min(len(sent), 1)))}:
            await self._again(service, truth, rows, label)
        if not engine.ledger.has_asset_name("USD"):
            await engine.execute(CreateAsset(code="USD"))
        made: Any = (await engine.execute(CreateUser(wallet_asset="USD"))).subject
        treasury = engine.ledger.asset("USD").treasury
        outcome = await engine.execute(transfer(treasury.id, made.wallet.id, 9, reference="after"))
        assert outcome.record is not None
        page = await engine.history(HistoryQuery(wallet=made.wallet.number, limit=5))
        assert [(entry.seq, entry.entry.amount) for entry in page.entries] == [(outcome.record.seq, 9)]

    async def _again(self, service: Service, truth: Truth, rows: list[Row], label: str) -> None:
        sent = truth.sent[label]
        bound = bound_record(rows, label)
        if bound is not None and bound.at < service.chosen.now - IDEMPOTENCY_KEY_LIFE_US // 2:
            return  # it may have expired
        try:
            outcome = await service.engine.execute(sent.command, key=sent.key)
        except Refusal:
            assert bound is None, (
                f"the key {label} is bound to record {bound and bound.seq}, and its request is refused"
            )
            return
        if bound is not None:
            assert outcome.replayed, f"the key {label} has had a second effect"
            assert outcome.record == bound, f"the key {label} answers otherwise than before"
            self.replayed += 1
        else:
            assert not outcome.replayed, f"the key {label} answers for an effect that it never had"

    async def _check_files(self, truth: Truth, rows: list[Row], ended: list[Row]) -> None:
        tables = self._expected.after(rows)[1].copy()
        chain = rows[-1].chain if rows else GENESIS
        for row in ended[len(rows) :]:
            tables.follow(decode(row, chain))
            chain = row.chain
        differs = difference(dump(self._folder / "ledger.db"), tables.dump())
        assert differs is None, f"the image is not the replay's: {differs}"
        access = dump_access(self._folder / "access.db")
        assert not truth.access or access in truth.access, (
            f"the access file holds {access}, and not one of {truth.access}"
        )


def bound_record(rows: list[Row], label: str) -> Record | None:
    """The record that a key is bound to."""
    mark = f'"key":"{label}"'.encode()
    for index, row in enumerate(rows):
        if mark in row.body:
            record = decode(row, rows[index - 1].chain if index else GENESIS)
            if record.body.key is not None and record.body.key.key == label:
                return record
    return None
