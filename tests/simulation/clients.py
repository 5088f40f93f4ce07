"""Clients: they ask, wait, go away, come again with the same key, and write down what they saw and when.

Each attempt and each question is a task of its own, so anything may overlap anything. Nothing here looks behind the engine's interface but
to name what overlapped.
"""

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

from walletd.engine import Batch, Close, Freeze, IdempotencyKey, Move, Refusal, Unfreeze
from walletd.engine.ports import HistoryQuery
from walletd.engine.refusals import RefusalCode

from .generator import Generator
from .history import EVENTS_ASKED, Attempt, Reading
from .kinds import Kind, refused
from .watching import shown

if TYPE_CHECKING:
    from .schedule import Schedule


class Clients:
    """Everyone who talks to the engine in one schedule."""

    def __init__(self, schedule: "Schedule", random: Random, generator: Generator) -> None:
        self._schedule = schedule
        self._random = random
        self._generator = generator
        self._attempts = schedule.history.attempts
        self._keyed: list[Attempt] = []
        self._keys_open: dict[str, int] = {}
        self._tasks: list[tuple[Attempt | None, asyncio.Task[None]]] = []
        self._open = 0
        self._gone = 0

    def begin_life(self) -> None:
        """The clients of the engine before are gone with it; their requests are not forgotten."""
        self._tasks = []
        self._keys_open = {}
        self._open = self._gone = 0

    def unanswered(self) -> list[str]:
        """Who still waits."""
        return [attempt.label if attempt else "a reader" for attempt, task in self._tasks if not task.done()]

    async def answered(self) -> None:
        """Wait until everybody has an answer."""
        for _, task in self._tasks:
            if not task.done():
                await asyncio.wait([task])

    # ---------------------------------------------------------------------------------------------------- acting

    def act(self) -> None:
        """Somebody does something."""
        draw = self._random.random()
        if draw < 0.15:
            self._begin(None, self._read())
        elif draw < 0.2:
            self._go_away()
        elif draw < 0.3 and self._keyed:
            self._ask_again(self._random.choice(self._keyed[-6:]))
        elif draw < 0.34 and self._keyed:
            self._ask_otherwise(self._random.choice(self._keyed[-4:]))
        elif draw < 0.38:
            self._reverse()
        else:
            self._ask_anew()

    def _ask_anew(self) -> None:
        attempt = self._new_attempt()
        attempt.command = self._generator.command(attempt.label)
        if self._random.random() < 0.08:
            attempt.dry_run = True
        elif isinstance(attempt.command, Move | Batch) and self._random.random() < 0.6:
            attempt.key = IdempotencyKey("POST", f"k{attempt.label}", {"body": attempt.label})
            self._keyed.append(attempt)
        self._send(attempt)

    def _ask_again(self, first: Attempt) -> None:
        """The same request: the same command but for the label that tells attempts apart."""
        attempt = self._new_attempt()
        attempt.command, attempt.key = _labelled(first.command, attempt.label), first.key
        self._send(attempt)

    def _ask_otherwise(self, first: Attempt) -> None:
        assert first.key is not None
        attempt = self._new_attempt()
        attempt.command = self._generator.movement(attempt.label)
        attempt.key = IdempotencyKey(first.key.scope, first.key.key, {"body": attempt.label})
        self._send(attempt)

    def _reverse(self) -> None:
        done = [attempt for attempt in self._attempts if attempt.outcome is not None and attempt.outcome.record]
        moves = [attempt.command for attempt in done if isinstance(attempt.command, Move) and not attempt.dry_run]
        if moves:
            attempt = self._new_attempt()
            attempt.command = self._generator.reversal(attempt.label, self._random.choice(moves).legs)
            self._send(attempt)

    def _go_away(self) -> None:
        waiting = [(attempt, task) for attempt, task in self._tasks if not task.done()]
        if waiting:
            attempt, task = self._random.choice(waiting)
            self._schedule.note(Kind.CALLER_GONE if attempt else None, "a caller goes away")
            task.cancel()
            self._gone += 1

    def ask_all_again(self) -> None:
        """Everyone whose keyed request may have happened finds it out."""
        for first in {attempt.key.key: attempt for attempt in self._keyed if attempt.key}.values():
            if any(each.undecided for each in self._attempts if each.key == first.key):
                self._ask_again(first)

    def _new_attempt(self) -> Attempt:
        attempt = Attempt(f"a{len(self._attempts)}", Batch(moves=()), self._schedule.life.number)
        self._attempts.append(attempt)
        return attempt

    def _send(self, attempt: Attempt) -> None:
        self._begin(attempt, self._ask(attempt))

    def _begin(self, attempt: Attempt | None, work: Any) -> None:
        self._tasks.append((attempt, asyncio.get_running_loop().create_task(work)))

    # ---------------------------------------------------------------------------------------------------- asking

    async def _ask(self, attempt: Attempt) -> None:
        schedule = self._schedule
        attempt.asked, attempt.floor = schedule.loop.steps, schedule.engine.ledger.seq
        self._note_overlaps(attempt)
        key = attempt.key.key if attempt.key else ""
        self._keys_open[key] = self._keys_open.get(key, 0) + 1
        self._open += 1
        try:
            attempt.outcome = await schedule.engine.execute(attempt.command, key=attempt.key, dry_run=attempt.dry_run)
        except Refusal as refusal:
            attempt.refusal = refusal
        finally:
            # A crash closes this coroutine too, but nobody looks at a count after it.
            attempt.open_then = self._open + self._gone
            self._open -= 1
            self._keys_open[key] -= 1
        attempt.answered, attempt.ceiling = schedule.loop.steps, len(schedule.store.rows)
        self._note_answer(attempt)

    def _note_overlaps(self, attempt: Attempt) -> None:
        schedule, command = self._schedule, attempt.command
        if schedule.tracing:
            schedule.note(None, f"{attempt.label} asks {command} key {attempt.key and attempt.key.key}")
        if schedule.life.stopped is not None:
            schedule.note(Kind.ASKED_WHILE_STOPPING, "")
        if isinstance(command, Move):
            for ref, _ in command.legs:
                wallet = schedule.engine.ledger.find_wallet(ref) if isinstance(ref, str) else None
                if wallet is not None and wallet.in_flight and wallet.user_id:
                    schedule.note(Kind.SAME_WALLET_IN_FLIGHT, "")
        if isinstance(command, Freeze | Unfreeze | Close):
            wallet = schedule.engine.ledger.find_wallet(command.wallet_id)
            if wallet is not None and wallet.in_flight:
                schedule.note(Kind.CHANGE_IN_FLUSH, "")
        if attempt.key is not None and self._keys_open.get(attempt.key.key):
            running = [each for each in self._attempts if each.key == attempt.key and each is not attempt]
            schedule.note(Kind.KEY_IN_FLIGHT if running else Kind.KEY_OTHER_IN_FLIGHT, "")

    def _note_answer(self, attempt: Attempt) -> None:
        schedule, outcome = self._schedule, attempt.outcome
        if attempt.refusal is not None:
            schedule.reached.add(refused(attempt.refusal.code))
            if attempt.dry_run:
                schedule.note(Kind.DRY_RUN_REFUSED, "")
            if schedule.tracing:
                schedule.note(None, f"{attempt.label} is refused: {attempt.refusal.code}")
            return
        assert outcome is not None
        if schedule.tracing:
            schedule.note(None, f"{attempt.label} is answered: {outcome.record and outcome.record.seq}")
        if attempt.dry_run:
            schedule.note(Kind.DRY_RUN_DONE, "")
        elif outcome.record is None:
            schedule.note(Kind.BATCH_REFUSED, "")
        else:
            self._note_record(attempt, outcome.record.body, outcome.replayed)

    def _note_record(self, attempt: Attempt, body: Any, replayed: bool) -> None:
        schedule = self._schedule
        if body.refusals:
            schedule.note(Kind.BATCH_PARTLY, "")
            for item in body.refusals:
                schedule.reached.add(refused(RefusalCode(item.code)))
        if body.movements and body.wallets:
            schedule.note(Kind.OPENED, "")
        if isinstance(attempt.command, Move) and attempt.command.type == "refund":
            schedule.note(Kind.REVERSED, "")
        if replayed:
            first = self._attempts[int(str(body.movements[0].reference)[1:])]
            schedule.note(Kind.KEY_REPLAYED if first.life == attempt.life else Kind.KEY_OVER_CRASH, "")
            if first.answered is None and first.life == attempt.life:
                schedule.note(Kind.DONE_FOR_NOBODY, "")
        elif attempt.key is not None:
            before = [each for each in self._attempts if each.key == attempt.key and each.life < attempt.life]
            if any(each.undecided for each in before):
                schedule.note(Kind.KEY_UNDONE, "")

    # --------------------------------------------------------------------------------------------------- reading

    async def _read(self) -> None:
        schedule, random = self._schedule, self._random
        engine = schedule.engine
        if schedule.journal.phase is not None:
            schedule.note(Kind.READ_IN_FLUSH, "")
        asked = schedule.loop.steps
        form = random.choice(("balance", "snapshot", "history", "transaction", "events", "beyond"))
        about = random.randint(1, engine.ledger.wallet_count)
        if form in ("transaction", "events", "beyond"):
            about = random.randint(max(0, engine.ledger.seq - 6), engine.ledger.seq + 1)
        floor = engine.ledger.seq
        if form in ("history", "transaction") and engine.folded_seq < floor:
            schedule.note(Kind.READ_WAITS_FOR_FOLD, "")
        try:
            value = await self._value(form, about)
        except Refusal as refusal:
            schedule.reached.add(refused(refusal.code))
            value = refusal.code
        answered, ceiling = schedule.loop.steps, len(schedule.store.rows)
        reading = Reading(form, about, schedule.life.number, asked, answered, floor, ceiling, value)
        schedule.history.readings.append(reading)
        if schedule.tracing:
            schedule.note(None, f"read {form} {about}: {value}")

    async def _value(self, form: str, about: int) -> Any:
        engine = self._schedule.engine
        match form:
            case "balance":
                return engine.ledger.wallet_at(about).posted
            case "snapshot":
                return shown(engine.ledger)
            case "history":
                return (await engine.history(HistoryQuery(wallet=about, limit=5))).entries
            case "transaction":
                return await engine.transaction(about)
            case "events":
                return await engine.events(about, EVENTS_ASKED)
            case _:
                await engine.beyond(about)
                return engine.ledger.seq


def _labelled(command: Any, label: str) -> Any:
    if isinstance(command, Batch):
        return Batch(moves=tuple(_labelled(move, label) for move in command.moves), atomic=command.atomic)
    return Move(legs=command.legs, type=command.type, reference=label)
