"""Recovery: from what the stores hold to a ledger in memory. Load the image, then replay the journal's tail, checking every step.

Refused, naming the record: a hole, a broken chain, a balance that differs, an unknown kind, a journal that ends before its
image. An image that cannot be used is not a reason to refuse: it is made anew from the journal, which is the truth.
"""

from collections.abc import Callable
from contextlib import closing

import msgspec

from .folding import make_anew
from .idempotency import KeyIndex, key_digest
from .journal import Journal, Pages
from .ledger import Ledger
from .limits import IDEMPOTENCY_KEY_LIFE_US
from .ports import (
    AssetState,
    Head,
    Image,
    ImageCounters,
    JournalStore,
    KeyState,
    StorageForeign,
    StorageUnusable,
    UserState,
    WalletState,
)
from .records import GENESIS, BrokenJournal, decode
from .wallet import InvariantBroken

Progress = Callable[[str, int, int], None]


class Recovered(msgspec.Struct, frozen=True):
    """What an engine starts from. `folded` is the record that the image is as of."""

    ledger: Ledger
    keys: KeyIndex
    journal: Journal
    folded: Head


async def recover(
    store: JournalStore,
    image: Image,
    clock: Callable[[], int],
    keys_in_memory_max: int,
    on_progress: Progress | None,
) -> Recovered:
    """Claim the journal and bring a ledger to its head. Raises BrokenJournal, StorageUnusable."""
    report = on_progress or (lambda what, done, total: None)
    epoch, head = await store.claim()
    journal = Journal(store, epoch, head, clock)
    keys_since = journal.now() - IDEMPOTENCY_KEY_LIFE_US
    folded, counters = await _open(image)
    await _check_same_history(store, head, folded)
    try:
        ledger, keys = await _load(image, folded, counters, keys_since, keys_in_memory_max, report)
    except (StorageUnusable, InvariantBroken, ArithmeticError, LookupError, TypeError, ValueError) as error:
        # The last four: a damaged page can put a value of any type into any column, whatever the table declares.
        folded, _ = await make_anew(image, error)
        ledger, keys = Ledger(), KeyIndex(keys_in_memory_max)
    await _replay(store, ledger, keys, folded, head, keys_since, report)
    return Recovered(ledger, keys, journal, folded)


async def _open(image: Image) -> tuple[Head, ImageCounters]:
    try:
        return await image.open()
    except StorageForeign:
        raise
    except StorageUnusable as error:
        return await make_anew(image, error)


async def _check_same_history(store: JournalStore, head: Head, folded: Head) -> None:
    """The image must be of this journal, and not ahead of it. Raises BrokenJournal."""
    if folded.seq > head.seq:
        raise BrokenJournal(
            folded.seq,
            f"missing: the journal ends at record {head.seq}, but the image holds record {folded.seq}. The journal was "
            "truncated or is an old copy; put the right one back, or remove the image to go on without what is missing",
        )
    if folded.seq == 0:
        return
    rows = await store.read(folded.seq - 1, 1)
    if not rows or rows[0].seq != folded.seq:
        raise BrokenJournal(folded.seq, "missing: the image was made from it")
    if rows[0].chain != folded.chain:
        raise BrokenJournal(
            folded.seq, "is not the record that the image was made from: journal and image do not belong together"
        )


async def _load(
    image: Image, folded: Head, counters: ImageCounters, keys_since: int, keys_in_memory_max: int, report: Progress
) -> tuple[Ledger, KeyIndex]:
    ledger, keys = Ledger(), KeyIndex(keys_in_memory_max)
    treasuries: dict[int, int] = {}
    async for chunk in image.load(keys_since):
        match chunk:
            case [AssetState(), *_]:
                treasuries |= ledger.load_assets(chunk)  # type: ignore[arg-type]
            case [UserState(), *_]:
                ledger.load_users(chunk)  # type: ignore[arg-type]
            case [WalletState(), *_]:
                ledger.load_wallets(chunk)  # type: ignore[arg-type]
                report("loading wallets", ledger.wallet_count, counters.wallets)
            case [KeyState(), *_]:
                for key in chunk:
                    assert isinstance(key, KeyState)
                    keys.bind(key.digest, key.seq, key.at)
    ledger.attach_treasuries(treasuries)
    ledger.resume(folded.seq, counters)
    return ledger, keys


async def _replay(
    store: JournalStore, ledger: Ledger, keys: KeyIndex, folded: Head, head: Head, keys_since: int, report: Progress
) -> None:
    chain = folded.chain if folded.seq else GENESIS
    at = folded.at
    with closing(Pages(store, ledger.seq, head.seq)) as pages:
        while rows := await pages.next():
            for row in rows:
                if row.seq != ledger.seq + 1:
                    raise BrokenJournal(ledger.seq + 1, f"missing: record {row.seq} follows record {ledger.seq}")
                if row.at < at:
                    raise BrokenJournal(row.seq, "is dated before the record before it")
                record = decode(row, chain)
                try:
                    ledger.replay(record)
                except InvariantBroken as error:
                    raise BrokenJournal(row.seq, str(error)) from error
                key = record.body.key
                if key is not None and record.at >= keys_since:
                    keys.bind(key_digest(key.scope, key.key), record.seq, record.at)
                chain, at = row.chain, row.at
            report("replaying the journal", ledger.seq, head.seq)
    if ledger.seq < head.seq:
        raise BrokenJournal(ledger.seq + 1, f"missing: the journal's head is record {head.seq}")
