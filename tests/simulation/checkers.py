"""Checkers: each states one promise about a history and yields a sentence for every breach of it. None knows of another.

Those that compare with the sequential model are in `truth.py` and `linearizability.py`.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from walletd.engine import RefusalCode
from walletd.engine.idempotency import bound_request
from walletd.engine.limits import IDEMPOTENCY_KEY_LIFE_US
from walletd.engine.records import Record

from .history import Attempt, History, label_of
from .linearizability import linearizability
from .truth import ENVIRONMENT, truth_of_refusals

Checker = Callable[[History], Iterator[str]]


def conservation(history: History) -> Iterator[str]:
    """The money of each asset sums to zero after every record, no user's wallet is below zero, and no more is held than is there."""
    places = history.book.places
    balances = dict(history.states[history.prefix].balances)
    for record in history.records[history.prefix :]:
        sums: dict[str, int] = {}
        for leg in record.body.legs:
            code = places[leg.wallet - 1].asset.code
            sums[code] = sums.get(code, 0) + leg.amount
            balances[leg.wallet] = balances.get(leg.wallet, 0) + leg.amount
            if leg.balance_after != balances[leg.wallet]:
                yield f"wallet {leg.wallet} has {balances[leg.wallet]} at {record.seq}, recorded {leg.balance_after}"
            if balances[leg.wallet] < 0 and places[leg.wallet - 1].user_id:
                yield f"wallet {leg.wallet} is below zero at {record.seq}"
        for code, total in sums.items():
            if total:
                yield f"money of {code} does not sum to zero at {record.seq}"
    for holding in history.holdings:
        if not (0 <= holding.held <= holding.posted if holding.owned else holding.held == 0):
            yield f"wallet {holding.number} holds {holding.held} of {holding.posted} at step {holding.step}"


def durability(history: History) -> Iterator[str]:
    """What was acknowledged was durable then, and is in the journal for ever."""
    for attempt in history.attempts:
        record = attempt.acknowledged
        if record is None:
            continue
        if record.seq > attempt.ceiling:
            yield f"{attempt.label} was acknowledged as {record.seq} when {attempt.ceiling} records were durable"
        if record.seq > len(history.records) or history.records[record.seq - 1] != record:
            yield f"{attempt.label} was acknowledged as {record.seq}, and the journal does not have it"


def no_trace(history: History) -> Iterator[str]:
    """What was refused or tried dry is nowhere, and everything in the journal was asked for, by somebody who was not told otherwise."""
    attempts = {attempt.label: attempt for attempt in history.attempts}
    unlabelled = 0
    for record in history.records[history.prefix :]:
        label = label_of(record)
        if label is None:
            unlabelled += 1
            continue
        attempt = attempts.get(label)
        if attempt is None:
            yield f"record {record.seq} was asked for by nobody"
        elif attempt.dry_run:
            yield f"{label} was a dry run and made record {record.seq}"
        elif attempt.refusal is not None and attempt.refusal.code is not RefusalCode.OUTCOME_UNKNOWN:
            yield f"{label} was refused as {attempt.refusal.code} and made record {record.seq}"
        elif attempt.acknowledged is not None and attempt.acknowledged.seq != record.seq:
            yield f"{label} made record {record.seq} and was told {attempt.acknowledged.seq}"
    told = {attempt.acknowledged.seq for attempt in history.attempts if attempt.acknowledged is not None}
    known = sum(1 for seq in told if seq <= len(history.records) and label_of(history.records[seq - 1]) is None)
    open_ends = sum(1 for attempt in history.attempts if attempt.undecided and not _has_label(attempt))
    if unlabelled > known + open_ends:
        yield f"{unlabelled} records without a label, {known} were acknowledged and {open_ends} attempts are undecided"


def _has_label(attempt: Attempt) -> bool:
    return type(attempt.command).__name__ not in ("OpenWallet", "Unfreeze", "Close")


def numbering(history: History) -> Iterator[str]:
    """Records, transactions, entries, users and wallets are numbered without gaps, ids are unique, times never fall, the chain holds."""
    if history.chain_broken is not None:
        yield history.chain_broken
    records = history.records
    if [record.seq for record in records] != list(range(1, len(records) + 1)):
        yield f"records are numbered {[record.seq for record in records]}"
    for record, following in pairwise(records):
        if following.at < record.at:
            yield f"record {following.seq} is dated before the one before it"
    bodies = [record.body for record in records]
    numbers = {
        "transactions": [body.first_transaction + offset for body in bodies for offset in range(len(body.movements))],
        "entries": [body.first_entry + offset for body in bodies for offset in range(len(body.legs))],
        "users": [user.id for body in bodies for user in body.users],
        "wallets": [wallet.number for body in bodies for wallet in body.wallets],
    }
    for what, given in numbers.items():
        if given != list(range(1, len(given) + 1)):
            yield f"{what} are not numbered without gaps: {given[-8:]}"
    ids = [wallet.id for body in bodies for wallet in body.wallets]
    if len(set(ids)) != len(ids):
        yield "a wallet's id was given out twice"
    yield from _chained_entries(history)


def _chained_entries(history: History) -> Iterator[str]:
    latest: dict[int, tuple[int, int]] = {}
    for record in history.records:
        for offset, leg in enumerate(record.body.legs):
            if (leg.ordinal - 1, leg.previous) != latest.get(leg.wallet, (0, 0)):
                yield f"entry {leg.ordinal} of wallet {leg.wallet} at {record.seq} does not follow the one before it"
            latest[leg.wallet] = (leg.ordinal, record.body.first_entry + offset)


def idempotency(history: History) -> Iterator[str]:
    """A key has one effect within its life, and every answer under it is that effect's."""
    bound: dict[str, list[Record]] = {}
    for record in history.records[history.prefix :]:
        if record.body.key is not None:
            bound.setdefault(record.body.key.key, []).append(record)
    for key, records in bound.items():
        for first, second in pairwise(records):
            if not _expired(history, first, second.seq):
                yield f"key {key} had an effect at {first.seq} and at {second.seq}"
    for attempt in history.attempts:
        if attempt.key is not None and attempt.asked >= 0 and not attempt.dry_run:
            yield from _answers_of_key(history, attempt, bound.get(attempt.key.key, []))


def _answers_of_key(history: History, attempt: Attempt, records: list[Record]) -> Iterator[str]:
    assert attempt.key is not None
    told, request = attempt.acknowledged, bound_request(attempt.key.request)
    if told is not None:
        key = told.body.key
        if key is None or key.key != attempt.key.key or key.request != request:
            yield f"{attempt.label} was answered with record {told.seq}, which is not its key's"
        assert attempt.outcome is not None
        if attempt.outcome.replayed == (label_of(told) == attempt.label):
            yield f"{attempt.label} was told that record {told.seq} is {'not ' * (not attempt.outcome.replayed)}a replay"
    living = [
        each for each in records if each.seq <= attempt.floor and not _expired(history, each, attempt.ceiling + 1)
    ]
    if attempt.answered is None or not living:
        return
    first = living[-1]
    assert first.body.key is not None
    if first.body.key.request == request:
        refused = attempt.refusal is not None and attempt.refusal.code not in ENVIRONMENT
        if refused or (attempt.outcome is not None and (told is None or told.seq != first.seq)):
            yield f"{attempt.label} repeats record {first.seq} and was answered otherwise"
    elif attempt.outcome is not None:
        yield f"{attempt.label} uses the key of record {first.seq} for something else and was done"


def _expired(history: History, record: Record, before: int) -> bool:
    """Whether the life of a record's key was over by any clock shown before record `before`."""
    over = record.at + IDEMPOTENCY_KEY_LIFE_US - 2_000_000
    shown = max((peak for durable, peak in history.clock_peaks if durable < before), default=0)
    dated = max((each.at for each in history.records[: before - 1]), default=0)
    return max(shown, dated) >= over


def image_is_replay(history: History) -> Iterator[str]:
    """The image is what replay of all records gives, and so is what every life began with."""
    for section, replayed in history.replayed.items():
        if history.image.get(section) != replayed:
            yield f"the image's {section} are not what replay gives"
    for life in history.lives:
        if life.recovered is not None and life.recovered != history.state(life.floor).shown():
            yield f"life {life.number} began with another ledger than the {life.floor} records make"


def nothing_left(history: History) -> Iterator[str]:
    """When nothing is in flight, nothing is held, claimed or waiting; and nothing raised, hung or went unanswered."""
    yield from history.raised
    for life in history.lives:
        for sentence in life.left:
            yield f"left in life {life.number}: {sentence}"


CHECKERS: Final[tuple[Checker, ...]] = (
    nothing_left,
    durability,
    numbering,
    conservation,
    no_trace,
    idempotency,
    image_is_replay,
    truth_of_refusals,
    linearizability,
)


def judge(history: History) -> list[str]:
    """Every breach, each with the name of its promise."""
    return [f"{checker.__name__}: {sentence}" for checker in CHECKERS for sentence in checker(history)]
