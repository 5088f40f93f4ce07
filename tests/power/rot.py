"""Rot: the files of a server that was stopped in good order, changed by something else before the next start.

Law: a change is named by the start or, at the latest, by `verify`; or it has no meaning, and then every record and every row of the image is as
before. Never does a start show a wrong balance or lack a record without a word, and never is there another exception than the named ones.
"""

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from walletd.engine import CreateAsset, CreateUser, EngineOptions, Refusal, transfer
from walletd.engine.ports import HistoryQuery, StorageUnusable
from walletd.engine.records import BrokenJournal, Row
from walletd.storage.folder import IMAGE_NAME, JOURNAL_NAME
from walletd.storage.verify import verify
from walletd.tests.builders import ledger_state

from . import one_thread
from .promise import Expected
from .run import fill, read
from .service import Chosen, Service, open_service, small
from .tables import difference, dump
from .traffic import Traffic
from .truth import Marks, Truth

PAGE: Final = 4096

OPTIONS: Final = EngineOptions(room_poll_s=0.05)

Files = dict[str, bytes]


class Kept(msgspec.Struct):
    """A folder at rest, the rows of its journal, and the same folder at rest some records before."""

    files: Files
    rows: list[Row]
    older: Files
    older_rows: list[Row]


def keep(folder: Path, seed: int, *, steps: int = 8) -> Kept:
    """Run a server twice, with a stop in good order after each."""
    fill(folder, {})
    chosen = Chosen(seed)
    kept: list[tuple[Files, list[Row]]] = []
    with small(chosen):
        for session in range(2):
            rows = one_thread.run(_traffic(folder, chosen, f"{seed}.{session}", steps))
            kept.append((read(folder), rows))
    return Kept(*kept[1], *kept[0])


async def _traffic(folder: Path, chosen: Chosen, label: str, steps: int) -> list[Row]:
    service = await open_service(folder, chosen, options=OPTIONS)
    try:
        traffic = Traffic(service, chosen, Marks([], Truth()), Random(label), label)
        await traffic.begin()
        await traffic.steps(steps)
        await service.engine.execute(CreateUser())  # so that the two folders differ, whatever else was refused
        return await service.journal.read(0, 1 << 30)
    finally:
        await service.close()


# ------------------------------------------------------------------------------------------------------- the damage


def flip(kept: Kept, other: Kept, chance: Random, name: str) -> Files:
    """One bit of a file."""
    content = bytearray(kept.files[name])
    # Half of the bits where the pages are busy: in the first page, and around their headers and row pointers.
    place = chance.randrange(len(content))
    if chance.random() < 0.3:
        place = place // PAGE * PAGE + chance.randrange(120)
    content[place] ^= 1 << chance.randrange(8)
    return kept.files | {name: bytes(content)}


def cut_off(kept: Kept, other: Kept, chance: Random, name: str) -> Files:
    """The end of a file is gone, mostly at a page."""
    content = kept.files[name]
    size = chance.randrange(len(content) // PAGE) * PAGE
    return kept.files | {name: content[: size if chance.random() < 0.8 else chance.randrange(len(content))]}


def zero(kept: Kept, other: Kept, chance: Random, name: str) -> Files:
    """One page of a file is zeros."""
    content = bytearray(kept.files[name])
    place = chance.randrange(len(content) // PAGE) * PAGE
    content[place : place + PAGE] = bytes(PAGE)
    return kept.files | {name: bytes(content)}


def repeat(kept: Kept, other: Kept, chance: Random, name: str) -> Files:
    """One page of a file is where another should be: a write that went astray."""
    content = bytearray(kept.files[name])
    source, target = (chance.randrange(len(content) // PAGE) * PAGE for _ in range(2))
    content[target : target + PAGE] = content[source : source + PAGE]
    return kept.files | {name: bytes(content)}


def stale_page(kept: Kept, other: Kept, chance: Random, name: str) -> Files:
    """One page of a file is as it was some time before: a write that never came."""
    content, older = bytearray(kept.files[name]), kept.older[name]
    place = chance.randrange(min(len(content), len(older)) // PAGE) * PAGE
    content[place : place + PAGE] = older[place : place + PAGE]
    return kept.files | {name: bytes(content)}


def swap(kept: Kept, other: Kept, chance: Random, name: str) -> Files:
    """A file of another server."""
    return kept.files | {name: other.files[name]}


def lose(kept: Kept, other: Kept, chance: Random, name: str) -> Files:
    """A file is gone."""
    return {file: content for file, content in kept.files.items() if file != name}


def restore(kept: Kept, other: Kept, chance: Random, name: str) -> Files:
    """A file is an older copy of itself."""
    return kept.files | {name: kept.older[name]}


Damage = Callable[[Kept, Kept, Random, str], Files]

AT_RANDOM: Final[tuple[Damage, ...]] = (flip, flip, flip, flip, cut_off, zero, repeat, stale_page)
WHOLE: Final[tuple[Damage, ...]] = (swap, lose, restore)
HARMLESS: Final = {(lose, IMAGE_NAME), (restore, IMAGE_NAME)}
"""What a start mends by itself, without a word being needed."""


class Rot:
    """What was done and found."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.figures = {
            "damages": 0,
            "refused_by_start": 0,
            "named_by_verify": 0,
            "only_beside_the_records": 0,
            "without_meaning": 0,
            "shown_until_verify": 0,
        }
        self.found: list[str] = []

    def seed(self, seed: int, until: float, *, count: int = 150) -> None:
        """So many damages of the folder of a seed, or until a time."""
        kept, other = self._folders(seed)
        for n in range(count):
            if time.monotonic() >= until or len(self.found) >= 20:
                return
            try:
                self._one(kept, other, seed, n)
            except Exception as error:  # noqa: BLE001 - whatever ends a check is a finding
                self.found.append(f"{seed}:{n}: {self.name(seed, n)}: {type(error).__name__}: {str(error)[:300]}")

    def replay(self, seed: int, n: int) -> None:
        """One damage again. Raises what it raised."""
        self._one(*self._folders(seed), seed, n)

    def name(self, seed: int, n: int) -> str:
        """What the `n`-th damage of a seed is."""
        damage, file, _ = _choose(seed, n)
        return f"{damage.__name__} {file}"

    def _folders(self, seed: int) -> tuple[Kept, Kept]:
        kept, other = keep(self._folder, 2 * seed), keep(self._folder, 2 * seed + 1)
        assert kept.rows != other.rows
        return kept, other

    def _one(self, kept: Kept, other: Kept, seed: int, n: int) -> None:
        self.figures["damages"] += 1
        damage, file, chance = _choose(seed, n)
        files = damage(kept, other, chance, file)
        said = one_thread.run(self._verified(files))
        if said is not None:
            self.figures["named_by_verify"] += 1
        said_before = said or ((damage, file) in HARMLESS and "mended")
        refusal, shown = one_thread.run(Start(self._folder, files, kept).run())
        if refusal is not None:
            self.figures["refused_by_start"] += 1
        if (damage, file) in ((restore, JOURNAL_NAME), (swap, JOURNAL_NAME), (lose, JOURNAL_NAME)):
            assert isinstance(refusal, BrokenJournal), f"the start took the journal, or said only {refusal!r}"
        elif shown is not None:
            assert said_before or refusal is not None, f"nobody says anything, and {shown}"
            assert (damage, file) not in HARMLESS, f"not mended: {shown}"
            self.figures["shown_until_verify"] += 1
        elif said is None and refusal is None:
            beside = _schemas(self._folder, files) != _schemas(self._folder, kept.files)
            self.figures["only_beside_the_records" if beside else "without_meaning"] += 1

    async def _verified(self, files: Files) -> str | None:
        """What `verify` says against these files; None if it finds them sound."""
        fill(self._folder, files)
        try:
            report = await verify(self._folder)
        except StorageUnusable as error:
            return str(error)
        return None if report.sound else str(report.findings[0])


class Start:
    """One start on damaged files."""

    def __init__(self, folder: Path, files: Files, kept: Kept) -> None:
        self._folder, self._files, self._kept = folder, files, kept

    async def run(self) -> tuple[Exception | None, str | None]:
        """The named error that the start or the work after it ended with, and what was shown that is not so."""
        fill(self._folder, self._files)
        chosen = Chosen(1 << 40)  # ids that the folder does not have
        chosen.now = self._kept.rows[-1].at
        try:
            service = await open_service(self._folder, chosen, options=OPTIONS)
        except (BrokenJournal, StorageUnusable) as error:
            return error, None
        refusal: Exception | None = None
        shown: str | None = None
        try:
            shown = await self._shown(service)
            shown = await self._work(service) or shown
        except (BrokenJournal, StorageUnusable, Refusal) as error:
            refusal = error
        finally:
            with contextlib.suppress(StorageUnusable):
                await service.close()
        return refusal, shown or self._image_differs(refusal)

    async def _shown(self, service: Service) -> str | None:
        """What engine and journal show that is not so. A wrong balance is never excused."""
        expected = Expected().after(self._kept.rows)[0]
        state = ledger_state(service.engine.ledger)
        balances = [[wallet["posted"] for wallet in each["wallets"]] for each in (state, expected)]
        assert balances[0] == balances[1], f"balances are {balances[0]}, and were {balances[1]}"
        if state != expected:
            return f"the ledger differs in {[name for name in expected if state[name] != expected[name]]}"
        rows = await service.journal.read(0, 1 << 30)
        return None if rows == self._kept.rows else "the journal's rows differ"

    async def _work(self, service: Service) -> str | None:
        """New work: what stands in its way must be named too. What its history shows that is not so."""
        engine = service.engine
        if not engine.ledger.has_asset_name("USD"):
            await engine.execute(CreateAsset(code="USD"))
        made: Any = (await engine.execute(CreateUser(wallet_asset="USD"))).subject
        outcome = await engine.execute(transfer(engine.ledger.asset("USD").treasury.id, made.wallet.id, 9))
        assert outcome.record is not None
        page = await engine.history(HistoryQuery(wallet=made.wallet.number, limit=5))
        found = [(entry.seq, entry.entry.amount) for entry in page.entries]
        return None if found == [(outcome.record.seq, 9)] else f"the history of a new wallet is {found}"

    def _image_differs(self, refusal: Exception | None) -> str | None:
        """Whether the image says of the kept records what it said before; asked of its rows up to them."""
        if refusal is not None:
            return None
        expected = Expected().after(self._kept.rows)[1].dump()
        try:
            found = dump(self._folder / IMAGE_NAME)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            return f"the image cannot be read: {error}"
        for name in ("transactions", "entries", "idempotency_keys", "users", "assets"):
            before = {row[0]: row for row in expected[name]}
            now = {row[0]: row for row in found[name] if row[0] in before}
            if name == "idempotency_keys":
                before = {seq: row for seq, row in before.items() if seq in now}
            if name == "users":
                before, now = ({key: row[:6] for key, row in rows.items()} for rows in (before, now))
            if before != now:
                return f"the image: {difference({name: [*now.values()]}, {name: [*before.values()]})}"
        return None


def _choose(seed: int, n: int) -> tuple[Damage, str, Random]:
    """The first damages are those of whole files, then they are drawn."""
    chance = Random(f"{seed} rots at {n}")
    names = (JOURNAL_NAME, IMAGE_NAME)
    if n < len(WHOLE) * len(names):
        return WHOLE[n // 2], names[n % 2], chance
    return chance.choice(AT_RANDOM), chance.choice(names), chance


def _schemas(near: Path, files: Files) -> list[Any]:
    """What the files say beside the records: their schemas and who may write."""
    said = []
    with tempfile.TemporaryDirectory(dir=near.parent) as place:
        for name in (JOURNAL_NAME, IMAGE_NAME):
            path = Path(place, name)
            path.write_bytes(files.get(name, b""))
            with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
                try:
                    said.append(connection.execute("SELECT * FROM sqlite_schema").fetchall())
                    if name == JOURNAL_NAME:
                        said.append(connection.execute("SELECT * FROM writer").fetchall())
                except sqlite3.Error as error:
                    said.append([(str(error),)])
    return said
