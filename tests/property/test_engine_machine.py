"""The engine under random operations, flushes, failures, crashes and restarts keeps every law that the model states."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from walletd.engine import (
    CreateAsset,
    EngineState,
    Freeze,
    IdempotencyKey,
    MemoryImage,
    Outcome,
    Refusal,
    RefusalCode,
    Unfreeze,
)
from walletd.engine.records import Record, decode_unchained
from walletd.tests.builders import Fate, World, ledger_state, quiet
from walletd.tests.property.model import FIXED, OPENED, Legs, Request, State

T = TypeVar("T")

HANG_S = 30.0
"""What takes longer hangs: nothing here waits for a clock."""


@dataclass
class Attempt:
    """One sending of a request."""

    request: Request
    task: "asyncio.Task[Outcome]"
    asked_seq: int
    answered_seq: int | None = None
    judged: bool = False


def places(asset: str) -> list[str]:
    """Every place of an asset."""
    fixed = [place for place, of in FIXED.items() if of == asset]
    return fixed + [place for place, (of, _) in OPENED.items() if of == asset]


AMOUNTS = st.one_of(st.integers(1, 20), st.integers(1, 20), st.integers(1, 120))
"""Most of them there is money for."""


@st.composite
def legs_of(draw: st.DrawFn, asset: str) -> Legs:
    """Legs over different places of one asset that sum to zero."""
    chosen = draw(st.lists(st.sampled_from(places(asset)), min_size=2, max_size=4, unique=True))
    amounts = [draw(AMOUNTS) for _ in chosen[1:]]
    if draw(st.booleans()):
        amounts = [-amount for amount in amounts]
    return tuple(zip(chosen, [-sum(amounts), *amounts], strict=True))


TRANSFERS = st.sampled_from(["USD", "USD", "EUR"]).flatmap(legs_of)
MOVES = st.one_of(TRANSFERS, TRANSFERS, st.tuples(legs_of("USD"), legs_of("EUR")).map(lambda both: both[0] + both[1]))
REQUESTS = st.one_of(
    st.tuples(st.just("move"), st.tuples(MOVES)),
    st.tuples(st.sampled_from(["each", "atomic"]), st.lists(MOVES, min_size=1, max_size=5).map(tuple)),
)
FATES = st.sampled_from([Fate.DURABLE, Fate.DURABLE, Fate.FULL, Fate.FULL, Fate.WRITTEN_UNKNOWN, Fate.LOST_UNKNOWN])


def refusals_of(record: Record) -> dict[int, str]:
    """The items of a record that were refused, by their index."""
    return {item.index: item.code for item in record.body.refusals}


class EngineMachine(RuleBasedStateMachine):
    """Requests are labelled, so that the journal tells which of them happened, and how often."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = World()
        self.requests: list[Request] = []
        self.attempts: list[Attempt] = []
        self.changes: list[asyncio.Task[Outcome]] = []
        self.maybe: set[str] = set()
        self.states = [State()]
        self.owners: dict[int, str] = {}
        self.happened: dict[str, Record] = {}
        self.keys: dict[str, str] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the loop run until the work is done; between rules it stands still."""
        return self.runner.run(asyncio.wait_for(work, HANG_S))

    @initialize()
    def begin(self) -> None:
        """Two assets, and wallets with money."""
        self.run(self._begin())

    async def _begin(self) -> None:
        world = self.world
        await world.start()
        for code, asset_id in (("USD", 1), ("EUR", 2)):
            await world.engine.execute(CreateAsset(code=code, id=asset_id))
        self.ids = {"T": world.treasury("USD"), "TE": world.treasury("EUR")}
        for place, asset in FIXED.items():
            if place not in self.ids:
                self.ids[place] = await world.wallet(100, asset)
        self.treasuries = {world.at(self.ids[place]).number for place in ("T", "TE")}
        self._follow()
        fixed = {place: world.at(wallet_id).number for place, wallet_id in self.ids.items()}
        self.states[-1].places.update(fixed)
        world.gate.shut()

    # ------------------------------------------------------------------------------------------------- the rules

    @rule(drawn=st.lists(REQUESTS, min_size=1, max_size=5), by_us=st.integers(-5_000_000, 5_000_000))
    def ask(self, drawn: list[tuple[str, tuple[Legs, ...]]], by_us: int) -> None:
        """Several requests at once, each with a key, at a time that somebody may have set back."""
        self.world.clock.now += by_us
        for form, moves in drawn:
            label = f"r{len(self.requests)}"
            self._ask(Request(label, moves, form, f"key of {label}"))
        self.run(quiet())

    @rule(drawn=st.lists(REQUESTS, min_size=1, max_size=5))
    def ask_once(self, drawn: list[tuple[str, tuple[Legs, ...]]]) -> None:
        """Several requests at once, without keys."""
        for form, moves in drawn:
            self._ask(Request(f"r{len(self.requests)}", moves, form))
        self.run(quiet())

    def _ask(self, request: Request) -> None:
        self.requests.append(request)
        self._send(request)

    @precondition(lambda self: any(request.key for request in self.requests))
    @rule(data=st.data(), times=st.integers(1, 3))
    def ask_again(self, data: st.DataObject, times: int) -> None:
        """A keyed request that was sent before, whatever became of it, in this engine or an earlier one."""
        request = data.draw(st.sampled_from([request for request in self.requests if request.key]))
        for _ in range(times):
            self._send(request)
        self.run(quiet())

    @precondition(lambda self: any(request.key for request in self.requests))
    @rule(data=st.data(), drawn=REQUESTS)
    def ask_otherwise_with_a_used_key(self, data: st.DataObject, drawn: tuple[str, tuple[Legs, ...]]) -> None:
        """Another request under a key that was sent before."""
        used = data.draw(st.sampled_from([request for request in self.requests if request.key]))
        self._ask(Request(f"r{len(self.requests)}", drawn[1], drawn[0], used.key))
        self.run(quiet())

    @precondition(lambda self: any(not attempt.task.done() for attempt in self.attempts))
    @rule(data=st.data())
    def go_away(self, data: st.DataObject) -> None:
        """A caller that does not wait for its answer."""
        attempt = data.draw(st.sampled_from([attempt for attempt in self.attempts if not attempt.task.done()]))
        attempt.task.cancel()
        self.maybe.add(attempt.request.label)
        self.run(quiet())

    @rule(drawn=REQUESTS)
    def try_dry(self, drawn: tuple[str, tuple[Legs, ...]]) -> None:
        """A dry run; where it is answered at once, nothing at all has changed."""
        before = self.world.state()
        command = Request("dry", drawn[1], drawn[0]).command(self.ids)
        task = self.run(self._spawn(command))
        if task.done():
            assert self.world.state() == before
            assert task.exception() is None or isinstance(task.exception(), Refusal)

    async def _spawn(self, command: Any) -> "asyncio.Task[Outcome]":
        task = asyncio.create_task(self.world.engine.execute(command, dry_run=True))
        self.changes.append(task)
        for _ in range(3):
            await asyncio.sleep(0)
        return task

    @rule(place=st.sampled_from(["u0", "u1", "e0"]), freeze=st.booleans())
    def change(self, place: str, freeze: bool) -> None:
        """Freeze a wallet, or let it move again."""
        wallet_id = self.ids[place]
        command = Freeze(wallet_id=wallet_id, reason="r") if freeze else Unfreeze(wallet_id=wallet_id)
        self.changes.append(self.run(self.world.begin(command)))

    @precondition(lambda self: self.world.gate.waiting)
    @rule(fate=FATES, kept=st.booleans(), stage=st.floats(0, 1))
    def flush(self, fate: Fate, kept: bool, stage: float) -> None:
        """One group meets its fate; an engine that failed is started anew."""
        self.run(self.world.gate.give(fate))
        if self.world.engine.state is EngineState.FAILED:
            self._judge()
            self.run(self.world.engine.stop())
            self._start(kept, stage)

    @precondition(lambda self: self.world.gate.waiting)
    @rule(fate=st.sampled_from([Fate.DURABLE, Fate.FULL]))
    def flush_and_go_on(self, fate: Fate) -> None:
        """One group becomes durable, or finds no room."""
        self.run(self.world.gate.give(fate))

    @precondition(lambda self: self.world.gate.waiting)
    @rule()
    def settle(self) -> None:
        """Everything becomes durable."""
        self.run(self._settle())

    async def _settle(self) -> None:
        while self.world.gate.waiting:
            await self.world.gate.give(Fate.DURABLE)

    @rule(written=st.booleans(), kept=st.booleans(), stage=st.floats(0, 1))
    def crash(self, written: bool, kept: bool, stage: float) -> None:
        """The process ends at once; the group that was being written is there, or not."""
        self._judge()
        self.maybe |= {attempt.request.label for attempt in self.attempts if not attempt.task.done()}
        waiting = self.world.gate.waiting
        self.run(self.world.kill())
        if written:
            self.world.store.rows.extend(waiting)
        self._start(kept, stage)

    @rule(kept=st.booleans(), stage=st.floats(0, 1))
    def restart(self, kept: bool, stage: float) -> None:
        """A stop in good order answers everybody."""
        self.world.gate.open()
        self.run(self.world.engine.stop())
        self._judge()
        assert all(attempt.task.done() for attempt in self.attempts)
        self._start(kept, stage)

    def _start(self, kept: bool, stage: float) -> None:
        """A new engine; the image is the one there was, or as of any record: lost, lagging or up to date."""
        image = self.world.image if kept else self.run(self.world.folded_to(int(stage * len(self.world.store.rows))))
        before = len(self.world.store.rows)
        self.run(self.world.start(image))
        self.world.gate.shut()
        assert self.world.ledger.seq == before
        # What an unknown outcome left is decided now: only a new attempt can still make it happen.
        self._follow()
        self.maybe &= set(self.happened)

    def _send(self, request: Request) -> None:
        key = None
        if request.key is not None:
            key = IdempotencyKey("scope", request.key, {"label": request.label})
        self.run(self._begin_one(request, key))

    async def _begin_one(self, request: Request, key: IdempotencyKey | None) -> None:
        ledger = self.world.ledger
        task = asyncio.create_task(self.world.engine.execute(request.command(self.ids), key=key))
        attempt = Attempt(request, task, ledger.seq)
        task.add_done_callback(lambda _: setattr(attempt, "answered_seq", ledger.seq))
        self.attempts.append(attempt)
        self.world._begun.append(task)
        await asyncio.sleep(0)

    # -------------------------------------------------------------------------------------------------- the laws

    def _follow(self) -> None:
        """Take what has become durable into the model, checking each record against the request that it answers."""
        for row in self.world.store.rows[len(self.states) - 1 :]:
            record = decode_unchained(row)
            body = record.body
            assert record.seq == len(self.states)
            label = body.movements[0].reference if body.movements else None
            if label is not None:
                assert label not in self.happened, "one request, one effect"
                self.happened[label] = record
                self._check_effect(record, self.requests[int(label[1:])], self.states[-1])
            if body.key is not None:
                assert self.keys.setdefault(body.key.key, str(label)) == label, "one key, one effect"
            self.states.append(self.states[-1].after(record, self.owners))
            balances = self.states[-1].balances
            assert all(
                balance >= 0 or number in getattr(self, "treasuries", {1, 2}) for number, balance in balances.items()
            )

    def _check_effect(self, record: Record, request: Request, before: State) -> None:
        """The record does what the sequence so far allows, and nothing else; what it refuses was impossible at a durable moment since asked."""
        refused = refusals_of(record)
        done = tuple(legs for index, legs in enumerate(request.moves) if index not in refused)
        assert not any(before.run(done, self.treasuries))
        if request.form == "each":
            # An answered attempt writes nothing any more; one whose caller has gone away may.
            asked_seq = min(
                attempt.asked_seq
                for attempt in self.attempts
                if attempt.request is request and (not attempt.judged or attempt.task.cancelled())
            )
            moments = [state.run(request.moves, self.treasuries) for state in self.states[asked_seq : record.seq]]
            assert refused in [
                {index: answer for index, answer in enumerate(answers) if answer is not None} for answers in moments
            ]
        else:
            assert not refused
        after = before.after(record, dict(self.owners))
        for offset, legs in enumerate(done):
            written = [(leg.wallet, leg.amount) for leg in record.body.legs if leg.movement == offset]
            assert written == [(after.places[place], amount) for place, amount in legs]
        assert len(record.body.movements) == len(done)

    def _judge(self) -> None:
        """Every answer that was given is true."""
        self._follow()
        for attempt in self.attempts:
            if attempt.task.done() and not attempt.judged:
                attempt.judged = True
                if not attempt.task.cancelled():
                    self._judge_one(attempt)

    def _judge_one(self, attempt: Attempt) -> None:
        request, error = attempt.request, attempt.task.exception()
        if error is None:
            outcome = attempt.task.result()
            if outcome.record is None:
                assert request.form == "each"
                assert self._was_true(attempt, lambda answers: answers == [item.code for item in outcome.items])  # type: ignore[union-attr]
                return
            happened = self.happened[request.label]
            assert outcome.record == happened
            assert [entry.id for each in outcome.transactions for entry in each.entries] == list(
                range(happened.body.first_entry, happened.body.first_entry + len(happened.body.legs))
            )
            if request.form == "each":
                told = {index: item.code for index, item in enumerate(outcome.items) if isinstance(item, Refusal)}
                assert told == refusals_of(happened)
                assert len(outcome.items) == len(request.moves)
            return
        assert isinstance(error, Refusal), error
        if error.code is RefusalCode.OUTCOME_UNKNOWN:
            self.maybe.add(request.label)
        elif error.code is RefusalCode.IDEMPOTENCY_KEY_REUSED:
            assert request.key is not None
            assert self.keys[request.key] != request.label
        elif request.label in self.happened:
            # An attempt whose answer nobody got may have happened; then no other attempt of its request is refused as impossible.
            assert error.code in (RefusalCode.READ_ONLY, RefusalCode.STOPPING)
        elif error.code in (RefusalCode.INSUFFICIENT_BALANCE, RefusalCode.WALLET_FROZEN):
            index = error.facts.get("index", 0)
            assert self._was_true(attempt, lambda answers: answers[index] is error.code and not any(answers[:index])), (
                "there was a moment at which this was so"
            )
        else:
            assert error.code in (RefusalCode.READ_ONLY, RefusalCode.STOPPING, RefusalCode.OVERLOADED)

    def _was_true(self, attempt: Attempt, so: Any) -> bool:
        """Whether an answer was so at some durable moment between request and answer."""
        answered_seq = self.world.ledger.seq if attempt.answered_seq is None else attempt.answered_seq
        moments = self.states[attempt.asked_seq : answered_seq + 1]
        return any(so(state.run(attempt.request.moves, self.treasuries)) for state in moments)

    @invariant()
    def the_laws_hold(self) -> None:
        """What is shown is the model after the durable records; nothing acknowledged is missing, nothing refused is there."""
        if not hasattr(self, "treasuries"):
            return
        self._judge()
        for task in self.changes:
            if task.done() and not task.cancelled():
                assert task.exception() is None or isinstance(task.exception(), Refusal)
        ledger = self.world.ledger
        wallets = [ledger.wallet_at(number) for number in range(1, ledger.wallet_count + 1)]
        assert {wallet.number: wallet.posted for wallet in wallets} == self.states[ledger.seq].balances
        assert {wallet.number for wallet in wallets if wallet.debits_frozen} == self.states[ledger.seq].frozen
        for asset_id in (1, 2):
            of_asset = [wallet for wallet in wallets if wallet.asset.id == asset_id]
            assert sum(wallet.posted for wallet in of_asset) == 0
        for wallet in wallets:
            assert wallet.held == 0 if wallet.is_treasury else 0 <= wallet.held <= wallet.posted
            if not wallet.in_flight:
                assert (wallet.appended, wallet.held) == (wallet.posted, 0)
                assert not wallet.mailbox or wallet.changing
        acknowledged = {
            attempt.request.label
            for attempt in self.attempts
            if attempt.judged and not attempt.task.cancelled() and attempt.task.exception() is None
            and attempt.task.result().record is not None
        }  # fmt: skip
        waiting = {attempt.request.label for attempt in self.attempts if not attempt.task.done()}
        assert acknowledged <= set(self.happened)
        assert set(self.happened) <= acknowledged | self.maybe | waiting

    def teardown(self) -> None:
        """At the end all that waits is answered, numbers have no gaps, and image, replay and live ledger are one."""
        try:
            if hasattr(self, "treasuries"):
                self.run(self._settle())
                self.the_laws_hold()
                assert (self.world.engine.in_flight, self.world.engine.waiting) == (0, 0)
                assert all(attempt.task.done() for attempt in self.attempts)
                self._check_numbers()
                self.run(self._check_restarts())
        finally:
            self.run(self.world.kill())
            self.runner.close()

    def _check_numbers(self) -> None:
        records = [decode_unchained(row) for row in self.world.store.rows]
        entries = [record.body.first_entry + index for record in records for index in range(len(record.body.legs))]
        moves = [
            record.body.first_transaction + index for record in records for index in range(len(record.body.movements))
        ]
        users = [user.id for record in records for user in record.body.users]
        wallets = [wallet for record in records for wallet in record.body.wallets]
        for numbers in (entries, moves, users, [wallet.number for wallet in wallets]):
            assert numbers == list(range(1, len(numbers) + 1))
        assert len({wallet.id for wallet in wallets}) == len(wallets)
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert [record.at for record in records] == sorted(record.at for record in records)
        latest: dict[int, tuple[int, int]] = {}
        for record in records:
            for index, leg in enumerate(record.body.legs):
                assert (leg.ordinal - 1, leg.previous) == latest.get(leg.wallet, (0, 0))
                latest[leg.wallet] = (leg.ordinal, record.body.first_entry + index)

    async def _check_restarts(self) -> None:
        """The image equals what replay from the first record gives, and both equal the ledger that lived."""
        live = ledger_state(self.world.ledger)
        await self.world.engine.stop()
        for image in (self.world.image, MemoryImage(self.world.store)):
            await self.world.start(image)
            assert ledger_state(self.world.ledger) == live
            await self._retry_all()
            assert ledger_state(self.world.ledger) == live
            await self.world.engine.stop()

    async def _retry_all(self) -> None:
        """A retry with the same key tells what became of an attempt: the same record again where it happened."""
        for request in [request for request in self.requests if request.label in self.happened and request.key]:
            key = IdempotencyKey("scope", str(request.key), {"label": request.label})
            outcome = await self.world.engine.execute(request.command(self.ids), key=key)
            assert outcome.replayed
            assert outcome.record == self.happened[request.label]


TestEngine = EngineMachine.TestCase
