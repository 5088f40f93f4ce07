"""Truth of refusals: each was so at some moment between request and answer, in the model or, for those of the surroundings, in the life."""

from collections.abc import Iterator
from typing import Final

from walletd.engine import Batch, Refusal, RefusalCode
from walletd.engine.idempotency import bound_request

from .history import Attempt, History, Life
from .model import fits
from .movements import Answer

ENVIRONMENT: Final = frozenset(
    {RefusalCode.READ_ONLY, RefusalCode.STOPPING, RefusalCode.OUTCOME_UNKNOWN, RefusalCode.OVERLOADED}
)
"""Refusals that say nothing about the ledger."""


def truth_of_refusals(history: History) -> Iterator[str]:
    """Every refusal was true when it was decided; so were the refused items of a batch, and what a dry run foretold."""
    for attempt in history.attempts:
        if attempt.answered is None:
            continue
        if attempt.refusal is not None and not _was_true(history, attempt, attempt.refusal):
            yield f"{attempt.label} was refused as {attempt.refusal.code}, which was never so"
        outcome = attempt.outcome
        if outcome is None:
            continue
        if attempt.dry_run and outcome.record is not None and not _was_possible(history, attempt):
            yield f"{attempt.label} would never have been done, and the dry run said it would"
        if outcome.record is None and not _items_were_refused(history, attempt):
            yield f"the items of {attempt.label} were refused otherwise than at any moment since it was asked"
    for reading in history.readings:
        if isinstance(reading.value, RefusalCode) and reading.value in ENVIRONMENT:
            life = history.lives[reading.life]
            if not environment_was_so(life, reading.value, reading.asked, reading.answered):
                yield f"a read of {reading.form} was refused as {reading.value}, which was never so"


def moments(history: History, attempt: Attempt) -> Iterator[list[Answer]]:
    """What the model answers at each moment between request and answer, first at the latest."""
    for seq in range(attempt.ceiling, attempt.floor - 1, -1):
        yield history.state(seq).answer(attempt.command)


def _was_true(history: History, attempt: Attempt, refusal: Refusal) -> bool:
    code = refusal.code
    life = history.lives[attempt.life]
    if code is RefusalCode.OVERLOADED or code in ENVIRONMENT:
        assert attempt.answered is not None
        asked = min(each.asked for each in _sharing(history, attempt))
        if code is RefusalCode.OVERLOADED:
            return _most_open(history, attempt, asked) > min(life.in_flight_max, life.mailbox_max)
        return environment_was_so(life, code, asked, attempt.answered)
    if code is RefusalCode.IDEMPOTENCY_KEY_REUSED:
        return _key_was_used(history, attempt)
    return any(_same(answers[-1], refusal, _index(attempt, answers)) for answers in moments(history, attempt))


def _sharing(history: History, attempt: Attempt) -> Iterator[Attempt]:
    """An attempt, and those with its key that were open when it came: it was given their answer, so what was so in their time counts."""
    for each in history.attempts:
        open_then = 0 <= each.asked <= attempt.asked and (each.answered is None or each.answered >= attempt.asked)
        if each is attempt or (
            attempt.key is not None and each.key == attempt.key and each.life == attempt.life and open_then
        ):
            yield each


def _most_open(history: History, attempt: Attempt, asked: int) -> int:
    """How many attempts were open at once at most, from the step `asked` until the answer: who waited for its turn may find others before it."""
    assert attempt.answered is not None
    return max(
        each.open_then
        for each in history.attempts
        if each.life == attempt.life and each.answered is not None and asked <= each.answered <= attempt.answered
    )


def _index(attempt: Attempt, answers: list[Answer]) -> int | None:
    return len(answers) - 1 if isinstance(attempt.command, Batch) and attempt.command.moves else None


def _same(answer: Answer, refusal: Refusal, index: int | None) -> bool:
    if refusal.facts.get("index") != index:
        return False
    return any(
        code is refusal.code and all(refusal.facts.get(name) == value for name, value in facts.items())
        for code, facts in answer
    )


def environment_was_so(life: Life, code: RefusalCode, asked: int, answered: int) -> bool:
    """Whether the disk was full, the engine stopping or failed, at some step of a life between request and answer."""
    if code is RefusalCode.READ_ONLY:
        if any(asked <= step <= answered for step in life.fold_full):
            return True
        began = [step for step in life.full if step <= answered]
        return bool(began) and not any(began[-1] <= step < asked for step in life.room)
    failed = life.failed is not None and life.failed <= answered
    if code is RefusalCode.OUTCOME_UNKNOWN:
        return failed
    return failed or (life.stopped is not None and life.stopped <= answered)


def _key_was_used(history: History, attempt: Attempt) -> bool:
    assert attempt.key is not None
    request = bound_request(attempt.key.request)
    keys = [record.body.key for record in history.records[: attempt.ceiling] if record.body.key is not None]
    return any(key.key == attempt.key.key and key.request != request for key in keys)


def _was_possible(history: History, attempt: Attempt) -> bool:
    assert attempt.outcome is not None
    assert attempt.outcome.record is not None
    told = {item.index: item.code for item in attempt.outcome.record.body.refusals}
    return any(fits(answers, told) for answers in moments(history, attempt))


def _items_were_refused(history: History, attempt: Attempt) -> bool:
    assert attempt.outcome is not None
    told: dict[int, str] = {index: item.code for index, item in enumerate(attempt.outcome.refused)}
    return any(fits(answers, told) for answers in moments(history, attempt))
