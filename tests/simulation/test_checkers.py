"""Every checker notices what it is for: a true history passes all of them, and one that was doctored is told by the right one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

import msgspec
import pytest

from walletd.engine import CreateUser, Freeze, Move, Outcome, Refusal, RefusalCode
from walletd.engine.records import Leg, Record
from walletd.tests.simulation import checkers
from walletd.tests.simulation.campaign import hush
from walletd.tests.simulation.checkers import CHECKERS, judge
from walletd.tests.simulation.history import Attempt, History, Holding, Reading, label_of
from walletd.tests.simulation.linearizability import linearizability
from walletd.tests.simulation.schedule import Schedule
from walletd.tests.simulation.truth import truth_of_refusals

SEEDS_TRIED: Final = 400
T = TypeVar("T")
Wanted = Callable[[History], Any]


def history_with(wanted: Wanted) -> tuple[History, Any]:
    """The history of the first seed in which there is such a thing, and the thing."""
    hush()
    for seed in range(1, SEEDS_TRIED):
        history = Schedule(seed).run()
        found = wanted(history)
        if found is not None:
            assert judge(history) == []
            return history, found
    raise AssertionError("no such history")


def first(found: Iterator[T]) -> T | None:
    return next(found, None)


def made(history: History, attempt: Attempt) -> Record | None:
    """The record that an attempt was told it made itself."""
    told = attempt.acknowledged
    return told if told is not None and label_of(told) == attempt.label else None


def done_move(history: History, least: int = 1) -> Attempt | None:
    """An acknowledged movement of two legs and at least so much, with a record after its own."""
    return first(
        attempt
        for attempt in history.attempts
        if isinstance(attempt.command, Move)
        and (record := made(history, attempt)) is not None
        and len(record.body.legs) == 2
        and abs(record.body.legs[0].amount) >= least
        and record.seq < len(history.records)
    )


def refused_move(history: History) -> Attempt | None:
    """A movement that was refused because there was too little money."""
    return first(
        attempt
        for attempt in history.attempts
        if isinstance(attempt.command, Move)
        and attempt.refusal is not None
        and attempt.refusal.code is RefusalCode.INSUFFICIENT_BALANCE
    )


def keyed_move(history: History) -> Attempt | None:
    """An acknowledged movement with a key."""
    move = done_move(history)
    return move if move is not None and move.key is not None else None


def with_legs(record: Record, change: Callable[[Leg], Leg]) -> Record:
    """The record with its first leg changed."""
    first_leg, *others = record.body.legs
    body = msgspec.structs.replace(record.body, legs=(change(first_leg), *others))
    return msgspec.structs.replace(record, body=body)


def put(history: History, record: Record) -> None:
    """Put a record in the place of the one with its number."""
    history.records[record.seq - 1] = record


def told_by(checker: Callable[[History], Iterator[str]], history: History, words: str) -> None:
    """The checker says so, in these words."""
    sentences = list(checker(history))
    assert any(words in sentence for sentence in sentences), sentences


def test_true_histories_pass() -> None:
    hush()
    for seed in range(1, 20):
        assert judge(Schedule(seed).run()) == []


def test_money_from_nowhere_breaks_conservation() -> None:
    history, attempt = history_with(done_move)
    put(history, with_legs(attempt.outcome.record, lambda leg: msgspec.structs.replace(leg, amount=leg.amount + 1)))
    told_by(checkers.conservation, history, "does not sum to zero")
    told_by(checkers.conservation, history, "recorded")


def test_more_held_than_there_is_breaks_conservation() -> None:
    history, _ = history_with(done_move)
    history.holdings.append(Holding(step=1, number=7, owned=True, posted=5, held=6))
    told_by(checkers.conservation, history, "wallet 7 holds 6 of 5")
    history.holdings[-1] = Holding(step=1, number=1, owned=False, posted=-5, held=1)
    told_by(checkers.conservation, history, "wallet 1 holds 1")


def test_an_acknowledgement_before_the_flush_breaks_durability() -> None:
    history, attempt = history_with(done_move)
    attempt.ceiling = attempt.outcome.record.seq - 1
    told_by(checkers.durability, history, "records were durable")


def test_an_acknowledged_record_that_a_crash_lost_breaks_durability() -> None:
    history, attempt = history_with(done_move)
    del history.records[attempt.outcome.record.seq - 1 :]
    told_by(checkers.durability, history, "the journal does not have it")


def test_an_acknowledged_record_that_reads_back_otherwise_breaks_durability() -> None:
    history, attempt = history_with(done_move)
    put(history, msgspec.structs.replace(attempt.outcome.record, at=1))
    told_by(checkers.durability, history, "the journal does not have it")


@pytest.mark.parametrize("code", [RefusalCode.READ_ONLY, RefusalCode.STOPPING, RefusalCode.INSUFFICIENT_BALANCE])
def test_a_refused_operation_in_the_journal_is_a_trace(code: RefusalCode) -> None:
    history, attempt = history_with(done_move)
    attempt.outcome, attempt.refusal = None, Refusal(code)
    told_by(checkers.no_trace, history, "was refused as")


def test_a_dry_run_in_the_journal_is_a_trace() -> None:
    history, attempt = history_with(done_move)
    attempt.dry_run = True
    told_by(checkers.no_trace, history, "was a dry run")


def test_a_record_that_nobody_asked_for_is_a_trace() -> None:
    history, attempt = history_with(done_move)
    history.attempts.remove(attempt)
    told_by(checkers.no_trace, history, "asked for by nobody")


def test_a_gap_breaks_the_numbering() -> None:
    history, attempt = history_with(done_move)
    del history.records[attempt.outcome.record.seq - 1]
    for what in ("records are numbered", "transactions are not", "entries are not"):
        told_by(checkers.numbering, history, what)


def test_a_falling_time_a_broken_chain_and_a_wrong_ordinal_break_the_numbering() -> None:
    history, attempt = history_with(done_move)
    record = attempt.outcome.record
    put(history, msgspec.structs.replace(record, at=record.at - 10**12))
    told_by(checkers.numbering, history, "dated before")
    put(history, with_legs(record, lambda leg: msgspec.structs.replace(leg, ordinal=leg.ordinal + 1)))
    told_by(checkers.numbering, history, "does not follow")
    history.chain_broken = "the chain is broken"
    told_by(checkers.numbering, history, "the chain is broken")


def test_two_effects_of_a_key_break_idempotency() -> None:
    history, attempt = history_with(keyed_move)
    record = attempt.outcome.record
    history.records.append(msgspec.structs.replace(record, seq=len(history.records) + 1))
    history.clock_peaks.clear()
    told_by(checkers.idempotency, history, f"key {attempt.key.key} had an effect at {record.seq}")


def test_a_repeat_that_is_answered_otherwise_breaks_idempotency() -> None:
    history, attempt = history_with(keyed_move)
    history.clock_peaks.clear()
    seq = attempt.outcome.record.seq
    again = Attempt("a999", attempt.command, attempt.life, attempt.key, asked=10**6, floor=seq, answered=10**6 + 1)
    again.ceiling, again.refusal = seq, Refusal(RefusalCode.INSUFFICIENT_BALANCE)
    history.attempts.append(again)
    told_by(checkers.idempotency, history, f"a999 repeats record {seq}")
    again.refusal, again.outcome = None, Outcome(record=history.records[0], replayed=True)
    told_by(checkers.idempotency, history, "which is not its key's")


def test_a_replay_that_is_not_said_to_be_one_breaks_idempotency() -> None:
    history, attempt = history_with(keyed_move)
    attempt.outcome = Outcome(record=attempt.outcome.record, replayed=True)
    told_by(checkers.idempotency, history, "a replay")


def test_an_image_that_lacks_the_last_record_is_no_replay() -> None:
    history, _ = history_with(done_move)
    history.image = history.image | {"transactions": history.image["transactions"][:-1]}
    told_by(checkers.image_is_replay, history, "the image's transactions")


def test_a_recovery_to_another_ledger_is_no_replay() -> None:
    history, _ = history_with(done_move)
    recovered = history.lives[-1].recovered
    assert recovered is not None
    history.lives[-1].recovered = recovered | {"balances": recovered["balances"] | {7: -1}}
    told_by(checkers.image_is_replay, history, "began with another ledger")


def test_what_is_left_held_and_what_was_raised_is_told() -> None:
    history, _ = history_with(done_move)
    history.lives[0].left.append("wallet 7 has held 5")
    history.raised.append("a12 was never answered")
    told_by(checkers.nothing_left, history, "wallet 7 has held 5")
    told_by(checkers.nothing_left, history, "a12 was never answered")


def test_a_refusal_that_never_was_so_is_untrue() -> None:
    history, attempt = history_with(done_move)
    for code in (RefusalCode.INSUFFICIENT_BALANCE, RefusalCode.WALLET_FROZEN, RefusalCode.SAME_WALLET):
        attempt.outcome, attempt.refusal = None, Refusal(code)
        told_by(truth_of_refusals, history, "which was never so")


def test_a_refusal_with_another_balance_than_there_was_is_untrue() -> None:
    history, attempt = history_with(refused_move)
    attempt.refusal.facts["available_minor"] += 1
    told_by(truth_of_refusals, history, "which was never so")


def test_a_refusal_that_was_so_only_later_is_untrue() -> None:
    def frozen_later(history: History) -> tuple[Attempt, Record] | None:
        """A done movement, and a later freeze of its payer."""
        for attempt in history.attempts:
            record = made(history, attempt) if isinstance(attempt.command, Move) else None
            payers = {leg.wallet for leg in record.body.legs if leg.amount < 0} if record else set()
            for later in history.records[attempt.ceiling :]:
                if any(change.number in payers and change.debits_frozen for change in later.body.wallet_changes):
                    return attempt, later
        return None

    history, (attempt, later) = history_with(frozen_later)
    attempt.outcome, attempt.refusal = None, Refusal(RefusalCode.WALLET_FROZEN)
    told_by(truth_of_refusals, history, "which was never so")
    attempt.ceiling = later.seq
    assert not any(attempt.label in sentence for sentence in truth_of_refusals(history))


@pytest.mark.parametrize(
    "code", [RefusalCode.READ_ONLY, RefusalCode.STOPPING, RefusalCode.OUTCOME_UNKNOWN, RefusalCode.OVERLOADED]
)
def test_a_refusal_by_surroundings_that_were_not_so_is_untrue(code: RefusalCode) -> None:
    history, attempt = history_with(done_move)
    life = history.lives[attempt.life]
    life.full, life.fold_full, life.stopped, life.failed = [], [], None, None
    attempt.outcome, attempt.refusal, attempt.open_then = None, Refusal(code), 1
    told_by(truth_of_refusals, history, f"refused as {code}, which was never so")


def test_who_waited_may_be_refused_as_overloaded_by_those_who_came_meanwhile() -> None:
    history, attempt = history_with(done_move)
    life = history.lives[attempt.life]
    life.in_flight_max = 10
    attempt.outcome, attempt.refusal, attempt.open_then = None, Refusal(RefusalCode.OVERLOADED), 1
    history.attempts.append(
        Attempt(label="later", command=attempt.command, life=attempt.life, answered=attempt.answered - 1, open_then=10)
    )
    told_by(truth_of_refusals, history, f"{attempt.label} was refused as overloaded, which was never so")
    history.attempts[-1].open_then = 11
    assert not any(attempt.label in sentence for sentence in truth_of_refusals(history))


def test_a_refusal_may_be_that_of_an_earlier_one_with_the_same_key_still_open() -> None:
    history, attempt = history_with(keyed_move)
    attempt.outcome, attempt.refusal = None, Refusal(RefusalCode.READ_ONLY)
    history.lives[attempt.life].full, history.lives[attempt.life].fold_full = [], [attempt.asked - 1]
    told_by(truth_of_refusals, history, "refused as read_only, which was never so")
    history.attempts.append(replace(attempt, label="earlier", asked=attempt.asked - 2))
    assert not any(attempt.label in sentence for sentence in truth_of_refusals(history))


def test_a_key_said_to_be_reused_that_was_not_is_untrue() -> None:
    history, attempt = history_with(keyed_move)
    attempt.outcome, attempt.refusal = None, Refusal(RefusalCode.IDEMPOTENCY_KEY_REUSED)
    told_by(truth_of_refusals, history, "idempotency_key_reused, which was never so")


def test_a_dry_run_that_promises_the_impossible_is_untrue() -> None:
    history, attempt = history_with(refused_move)
    attempt.dry_run, attempt.refusal = True, None
    attempt.outcome = Outcome(record=history.records[-1], dry_run=True)
    told_by(truth_of_refusals, history, "would never have been done")


def test_an_effect_that_is_not_the_one_asked_for_is_not_linearizable() -> None:
    history, attempt = history_with(lambda history: done_move(history, least=2))
    (source, amount), (destination, _) = attempt.command.legs
    less = amount - 1 if amount > 0 else amount + 1
    attempt.command = Move(legs=((source, less), (destination, -less)), reference=attempt.label)
    told_by(linearizability, history, f"is not what {attempt.label} asked for")


def test_an_effect_that_the_money_before_it_does_not_allow_is_not_linearizable() -> None:
    history, attempt = history_with(done_move)
    (source, amount), (destination, _) = attempt.command.legs
    attempt.command = Move(legs=((destination, -(10**9)), (source, 10**9)), reference=attempt.label)
    if amount < 0:
        attempt.command = Move(legs=((source, -(10**17)), (destination, 10**17)), reference=attempt.label)
    told_by(linearizability, history, "does what is impossible")


def test_an_operation_before_one_that_was_answered_earlier_is_not_linearizable() -> None:
    history, attempt = history_with(done_move)
    attempt.floor = attempt.outcome.record.seq
    told_by(linearizability, history, "and was asked for after")
    attempt.floor, attempt.asked = 0, 10**9
    told_by(linearizability, history, "was answered")


def test_a_freeze_of_another_wallet_is_not_linearizable() -> None:
    def frozen(history: History) -> Attempt | None:
        return first(each for each in history.attempts if isinstance(each.command, Freeze) and made(history, each))

    history, attempt = history_with(frozen)
    other = first(place for place in history.book.places if place.user_id and place.id != attempt.command.wallet_id)
    assert other is not None
    attempt.command = msgspec.structs.replace(attempt.command, wallet_id=other.id)
    assert list(linearizability(history))


def test_a_user_made_twice_is_not_linearizable() -> None:
    history, attempt = history_with(done_move)
    attempt.command = CreateUser(username="u0")
    told_by(linearizability, history, "does what is impossible")


@pytest.mark.parametrize(
    ("form", "about", "value"),
    [
        ("balance", 7, -1),
        ("snapshot", 1, {"seq": 36}),
        ("history", 7, []),
        ("events", 0, []),
        ("beyond", 36, 36),
        ("transaction", 1, RefusalCode.TRANSACTION_NOT_FOUND),
    ],
)
def test_a_read_of_a_state_that_never_was_is_not_linearizable(form: str, about: int, value: Any) -> None:
    history, _ = history_with(done_move)
    life = history.lives[0]
    life.stopped = life.failed = None
    end = len(history.records)
    history.readings.append(Reading(form, about, 0, asked=1, answered=2, floor=36, ceiling=end, value=value))
    told_by(linearizability, history, f"a read of {form} {about} at step 2")


def test_a_read_of_what_is_not_yet_durable_is_not_linearizable() -> None:
    def grown(history: History) -> tuple[int, int] | None:
        """A user's wallet whose last balance it never had before, and the record that gave it."""
        for place in history.book.places[:19]:
            balances = [state.balances.get(place.number) for state in history.states]
            if place.user_id and balances[-1] not in balances[: history.prefix + 1]:
                return place.number, balances.index(balances[-1])
        return None

    history, (number, seq) = history_with(grown)
    value = history.states[-1].balances[number]
    reading = Reading("balance", number, 0, asked=1, answered=2, floor=history.prefix, ceiling=seq - 1, value=value)
    history.readings.append(reading)
    told_by(linearizability, history, f"a read of balance {number}")
    reading.ceiling = seq
    assert not list(linearizability(history))


def test_every_checker_is_among_those_that_judge() -> None:
    assert {checker.__name__ for checker in CHECKERS} == {
        "nothing_left",
        "durability",
        "numbering",
        "conservation",
        "no_trace",
        "idempotency",
        "image_is_replay",
        "truth_of_refusals",
        "linearizability",
    }
