"""Linearizability: the journal's order is a sequential history that explains every answer and keeps the order of real time.

Each record does what the model allows after the one before it, and nothing else; it comes after everything that anybody had seen when it was
asked for; and a read shows one state between question and answer.
"""

from collections.abc import Iterator

from walletd.engine import Batch, Close, Freeze, Holding, Move, RefusalCode, Unfreeze
from walletd.engine.ports import Transaction
from walletd.engine.records import Record

from .history import EVENTS_ASKED, Attempt, History, Reading, label_of
from .model import State, fits
from .truth import ENVIRONMENT


def linearizability(history: History) -> Iterator[str]:
    """See above."""
    attempts = {attempt.label: attempt for attempt in history.attempts}
    for record in history.records[history.prefix :]:
        attempt = attempts.get(label_of(record) or "")
        if attempt is not None:
            yield from _record(history, attempt, record)
    for attempt in history.attempts:
        told = attempt.acknowledged
        if told is not None and label_of(told) is None:
            yield from _record(history, attempt, told)
    yield from _real_time(history)
    entries = _entries(history)
    for reading in history.readings:
        if not _seen(history, reading, entries):
            yield f"a read of {reading.form} {reading.about} at step {reading.answered} shows no state there was"


# ------------------------------------------------------------------------------------------------------- records


def _record(history: History, attempt: Attempt, record: Record) -> Iterator[str]:
    before, after = history.state(record.seq - 1), history.state(record.seq)
    if record.seq <= attempt.floor:
        yield f"{attempt.label} made record {record.seq} and was asked for after {attempt.floor}"
    command = attempt.command
    refused = {item.index: item.code for item in record.body.refusals}
    moves: tuple[Move, ...] = ()
    if isinstance(command, Batch):
        moves = tuple(move for index, move in enumerate(command.moves) if index not in refused)
        command = Batch(moves=moves)
        if refused and (attempt.command.atomic or not _were_refused(history, attempt, record, refused)):  # type: ignore[union-attr]
            yield f"items of {attempt.label} were refused at {record.seq} otherwise than at any moment since it was asked"
    elif isinstance(command, Move):
        moves = (command,)
    if any(before.answer(command)):
        yield f"record {record.seq} does what is impossible after {record.seq - 1}: {command}"
    elif not _does(attempt, record, moves, after):
        yield f"record {record.seq} is not what {attempt.label} asked for"


def _were_refused(history: History, attempt: Attempt, record: Record, refused: dict[int, str]) -> bool:
    return any(
        fits(history.state(seq).answer(attempt.command), refused)
        for seq in range(record.seq - 1, attempt.floor - 1, -1)
    )


def _does(attempt: Attempt, record: Record, moves: tuple[Move, ...], after: State) -> bool:
    """Whether a record's effect is the one asked for."""
    body, command = record.body, attempt.command
    written = [(leg.movement, leg.wallet, leg.amount) for leg in body.legs]
    wanted = [(offset, _number(ref, after), amount) for offset, move in enumerate(moves) for ref, amount in move.legs]
    if written != wanted or len(body.movements) != len(moves):
        return False
    if isinstance(command, Freeze | Unfreeze | Close):
        place = after.place(command.wallet_id)
        closed = isinstance(command, Close)
        debits = isinstance(command, Freeze) and command.debits
        credits = isinstance(command, Freeze) and command.credits  # noqa: A001 - the field's own name
        flags = [
            (change.number, change.debits_frozen, change.credits_frozen, change.closed)
            for change in body.wallet_changes
        ]
        return place is not None and flags == [(place.number, debits, credits, closed)]
    return bool(moves) or not body.wallet_changes


def _number(ref: str | Holding, state: State) -> int | None:
    if isinstance(ref, str):
        place = state.place(ref)
    else:
        user = ref.user_id if ref.user_id is not None else state.user_named(str(ref.external_id))
        asset = state.asset(ref.asset)
        place = None if user is None or asset is None else state.held_by(user, asset.id)
    return None if place is None else place.number


def _real_time(history: History) -> Iterator[str]:
    """What is asked for after an answer comes after it in the journal."""
    made = {label_of(record): record.seq for record in history.records[history.prefix :]}
    answers = [
        (attempt.answered, attempt.acknowledged.seq)
        for attempt in history.attempts
        if attempt.acknowledged is not None and attempt.answered is not None
    ]
    answers.sort()
    seen, index = 0, 0
    for attempt in sorted(history.attempts, key=lambda each: each.asked):
        while index < len(answers) and answers[index][0] < attempt.asked:
            seen = max(seen, answers[index][1])
            index += 1
        seq = made.get(attempt.label)
        if seq is not None and seq <= seen:
            yield f"{attempt.label} was asked for after {seen} was answered, and is record {seq}"
        if attempt.asked >= 0 and attempt.floor < seen:
            yield f"{attempt.label} met a ledger at {attempt.floor} after {seen} was answered"


# --------------------------------------------------------------------------------------------------------- reads

Entries = dict[int, list[tuple[int, int, int, int]]]
"""Wallet → its entries in order: (number, amount, balance after, record)."""


def _entries(history: History) -> Entries:
    entries: Entries = {}
    if any(reading.form == "history" for reading in history.readings):
        for record in history.records:
            for number, leg in enumerate(record.body.legs, record.body.first_entry):
                entries.setdefault(leg.wallet, []).append((number, leg.amount, leg.balance_after, record.seq))
    return entries


def _seen(history: History, reading: Reading, entries: Entries) -> bool:
    """Whether an answer is that of a state between question and answer."""
    value, about = reading.value, reading.about
    if isinstance(value, RefusalCode):
        if value is RefusalCode.TRANSACTION_NOT_FOUND:
            return not 0 < about <= history.state(reading.floor).transaction_count
        return value in ENVIRONMENT
    states = history.states[reading.floor : reading.ceiling + 1]
    match reading.form:
        case "balance":
            return any(state.balances.get(about) == value for state in states)
        case "snapshot":
            return any(state.shown() == value for state in states)
        case "history":
            shown = [(each.entry.id, each.entry.amount, each.entry.balance_after, each.seq) for each in value]
            of_wallet = entries.get(about, [])
            counts = {state.entry_counts.get(about, 0) for state in states}
            return any(shown == of_wallet[max(0, count - 5) : count][::-1] for count in counts)
        case "transaction":
            return bool(value.id == about and value.seq <= reading.ceiling) and _is_transaction(history, value)
        case "events":
            enough = min(EVENTS_ASKED, reading.floor - about) <= len(value) <= max(0, reading.ceiling - about)
            return enough and bool(value == history.records[about : about + len(value)])
        case _:
            life = history.lives[reading.life]
            ended = life.stopped is not None or life.failed is not None
            return reading.floor <= value <= reading.ceiling and (value > about or ended)


def _is_transaction(history: History, value: Transaction) -> bool:
    record = history.records[value.seq - 1]
    offset = value.id - record.body.first_transaction
    legs = [(leg.wallet, leg.amount, leg.balance_after) for leg in record.body.legs if leg.movement == offset]
    return legs == [(entry.wallet, entry.amount, entry.balance_after) for entry in value.entries]
