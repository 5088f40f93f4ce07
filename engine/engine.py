"""The engine: from a command to a durable, applied record. It wires coordinator, journal, image and keys, and owns their lives.

The way of an operation: take a turn (reserve everything or refuse), append the record, wait until its group is durable, apply it, answer. What
is answered is durable; what is refused leaves no trace. Reads in memory see durable state; reads of the image wait until it has folded all
that was durable when they came.
"""

import asyncio
import itertools
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from .actor import KeyedRun, Mailboxes, Operation
from .commands import (
    Batch,
    Close,
    Command,
    CreateAsset,
    CreateUser,
    Freeze,
    IdempotencyKey,
    Move,
    OpenWallet,
    Unfreeze,
    UpdateUser,
)
from .coordinator import Coordinator
from .directory import Directory
from .draft import Draft, Name, Undecided
from .folding import Folding
from .idempotency import bound_request, differing_members, key_digest
from .limits import GATHER_S, GROUP_MAX, IDEMPOTENCY_KEYS_IN_MEMORY_MAX, IN_FLIGHT_MAX, MAILBOX_DEPTH_MAX
from .outcome import Outcome, outcome_of, refused_batch
from .ports import (
    Fenced,
    HistoryPage,
    HistoryQuery,
    Image,
    JournalFull,
    JournalStore,
    NumberedPage,
    NumberedQuery,
    OutcomeUnknown,
    Queries,
    StorageUnusable,
    Transaction,
    WalletQuery,
)
from .records import GENESIS, BrokenJournal, KeyBound, Record, decode
from .recovery import Progress, Recovered, recover
from .refusals import Refusal, RefusalCode
from .wallet import InvariantBroken, Wallet

T = TypeVar("T")


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


def new_uuid() -> str:
    """A random id for a wallet."""
    return str(uuid.uuid4())


class EngineState(StrEnum):
    """What the engine takes: running everything, read_only and failed no writes, stopping nothing new."""

    RUNNING = "running"
    READ_ONLY = "read_only"
    STOPPING = "stopping"
    FAILED = "failed"


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds that a deployment or a test may set lower; see limits.py."""

    in_flight_max: int = IN_FLIGHT_MAX
    mailbox_depth_max: int = MAILBOX_DEPTH_MAX
    keys_in_memory_max: int = IDEMPOTENCY_KEYS_IN_MEMORY_MAX
    room_poll_s: float = 1.0
    gather_s: float = GATHER_S


class EngineStats:
    """Plain figures for whoever watches. `flush_observer` and `group_observer` are called once a flush."""

    def __init__(self) -> None:
        self.flushes = 0
        self.flushed_records = 0
        self.last_group_size = 0
        self.invariant_violations = 0
        self.flush_observer: Callable[[float], None] | None = None
        self.group_observer: Callable[[float], None] | None = None

    def flushed(self, records: int, seconds: float) -> None:
        """Count one flush of that many records."""
        self.flushes += 1
        self.flushed_records += records
        self.last_group_size = records
        if self.flush_observer is not None:
            self.flush_observer(seconds)
        if self.group_observer is not None:
            self.group_observer(records)


class Engine:
    """A running wallet engine. Made by `start`; every method runs on the event loop it was started on."""

    def __init__(
        self,
        store: JournalStore,
        image: Image,
        queries: Queries,
        recovered: Recovered,
        *,
        new_id: Callable[[], str],
        reserved_asset_ids: Collection[int],
        options: EngineOptions,
    ) -> None:
        self._store = store
        self._image = image
        self._queries = queries
        self._options = options
        self.ledger = recovered.ledger
        self._keys = recovered.keys
        self._journal = recovered.journal
        self._folding = Folding(image, recovered.folded)
        self._claimed: set[Name] = set()
        self._coordinator = Coordinator(self.ledger, self._claimed, new_id)
        self._directory = Directory(self.ledger, self._claimed, new_id, reserved_asset_ids)
        self._mailboxes = Mailboxes(self._take_turn, options.mailbox_depth_max)
        self._in_flight: deque[Operation] = deque()
        self._keyed: dict[bytes, KeyedRun] = {}
        self._work = asyncio.Event()
        self._together = 0  # so many are waited for before the next flush: who was in flight at the end of the latest
        self._idle = asyncio.Event()
        self._idle.set()
        self._watchers: list[asyncio.Future[None]] = []
        self._failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.state = EngineState.RUNNING
        self.stats = EngineStats()
        self._folding.durable(self._journal.durable.seq)
        self._writer = asyncio.create_task(self._guard(self._write()), name="walletd journal writer")
        self._folder = asyncio.create_task(self._guard(self._folding.run()), name="walletd folding")
        self._stopping: asyncio.Task[None] | None = None

    # -------------------------------------------------------------------------------------------------- lifetime

    @classmethod
    async def start(
        cls,
        journal: JournalStore,
        image: Image,
        queries: Queries,
        *,
        clock: Callable[[], int] = now_us,
        new_id: Callable[[], str] = new_uuid,
        reserved_asset_ids: Collection[int] = (),
        on_progress: Progress | None = None,
        options: EngineOptions | None = None,
    ) -> "Engine":
        """Recover from the stores and start. The engine closes them when it stops, and also when it cannot start.

        `clock` gives microseconds since 1970 UTC, `new_id` a unique wallet id at each call; `on_progress(what, done, total)` is told how recovery
        goes. Raises BrokenJournal, StorageUnusable; an image that cannot be used is made anew from the journal.
        """
        options = options or EngineOptions()
        try:
            recovered = await recover(journal, image, clock, options.keys_in_memory_max, on_progress)
        except BaseException:
            await image.close()
            await journal.close()
            raise
        return cls(
            journal,
            image,
            queries,
            recovered,
            new_id=new_id,
            reserved_asset_ids=reserved_asset_ids,
            options=options,
        )

    async def stop(self) -> None:
        """Take no new work, finish what is in flight, fold all of it, close the stores. Safe to call twice, and at once.

        A failed engine has nothing to finish: it closes only.
        """
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="walletd stop")
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        if self.state is not EngineState.FAILED:
            self.state = EngineState.STOPPING
            await self._idle.wait()
        self._writer.cancel()
        self._folding.end()
        await asyncio.gather(self._writer, self._folder, return_exceptions=True)
        self._wake_watchers()
        try:
            if self.state is not EngineState.FAILED:
                await self._folding.finish()
        except JournalFull:
            pass  # the image follows at the next start: the journal has everything
        finally:
            self._folding.abandon(Refusal(RefusalCode.STOPPING))
            await self._image.close()
            await self._store.close()

    async def failure(self) -> BaseException:
        """Wait until the engine has failed, and return why. Whoever runs it must then stop it and exit."""
        return await asyncio.shield(self._failure)

    async def __aenter__(self) -> "Engine":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    # ------------------------------------------------------------------------------------------------- executing

    async def execute(self, command: Command, *, key: IdempotencyKey | None = None, dry_run: bool = False) -> Outcome:
        """Do what the command says; when this returns, it is durable. Raises Refusal: then nothing was changed (but for OUTCOME_UNKNOWN).

        With a `key`, a second call with the same request gives the first one's outcome again; it counts for Move and Batch. `dry_run` makes
        the same checks on the same path, answers what would happen and changes nothing. Cancelling the caller does not cancel the operation.
        """
        operation = Operation(command, dry_run, asyncio.get_running_loop().create_future())
        if key is not None and not dry_run and isinstance(command, Move | Batch):
            return await self._execute_keyed(operation, key)
        self._begin(operation)
        await operation.future
        return self._outcome(operation)

    async def _execute_keyed(self, operation: Operation, key: IdempotencyKey) -> Outcome:
        digest = key_digest(key.scope, key.key)
        request = bound_request(key.request)
        while (running := self._keyed.get(digest)) is not None:
            waiter = asyncio.get_running_loop().create_future()
            running.waiters.append(waiter)
            try:
                await waiter
            except Refusal:
                if running.request == request:
                    raise
        run = self._keyed[digest] = KeyedRun(digest, request)
        try:
            record = await self._bound_record(digest)
            if record is not None:
                self._end_run(run, None)
                return _replayed(record, request)
            operation.key = KeyBound(key.scope, key.key, request)
            operation.keyed = run
            self._begin(operation)
        except BaseException as error:
            self._end_run(run, error if isinstance(error, Refusal) else None)
            raise
        await operation.future
        return self._outcome(operation)

    async def _bound_record(self, digest: bytes) -> Record | None:
        seq = self._keys.find(digest)
        if seq is None and not self._keys.complete:
            # What the image is asked for was pushed out long ago: it need not be folded further than that.
            seq = await self._ask(lambda: self._queries.key(digest), self._keys.evicted_seq)
        if seq is None:
            return None
        return (await self._records(seq - 1, 1))[0]

    def _end_run(self, run: KeyedRun, refusal: Refusal | None) -> None:
        if self._keyed.get(run.digest) is run:
            del self._keyed[run.digest]
        for waiter in run.waiters:
            if not waiter.done():
                if refusal is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(refusal)
        run.waiters = []

    def _begin(self, operation: Operation) -> None:
        """The first turn. Raises Refusal."""
        if self.state is not EngineState.RUNNING:
            raise self._unavailable()
        self._attempt(operation, None)

    def _unavailable(self) -> Refusal:
        if self.state is EngineState.READ_ONLY:
            return Refusal(RefusalCode.READ_ONLY)
        return Refusal(RefusalCode.STOPPING)

    def _attempt(self, operation: Operation, turn_at: Wallet | None) -> bool:
        """One turn: append, or wait. Returns whether it waits (again) at `turn_at`. Raises Refusal."""
        if len(self._in_flight) >= self._options.in_flight_max:
            raise Refusal(RefusalCode.OVERLOADED, "Too many operations are in flight.")
        try:
            draft = operation.draft = self._draft(operation.command, turn_at)
        except Undecided as undecided:
            self._mailboxes.park(operation, undecided.wallet, turn_at)
            self._idle.clear()
            return undecided.wallet is not None and undecided.wallet is turn_at
        if draft.refused and not draft.movements:
            self._answer(operation)  # a batch whose every item was refused: nothing to write
            return False
        draft.project(self.ledger)
        operation.record = self._journal.stamp(draft.kind, draft.body(operation.key))
        if operation.dry_run:
            self._withdraw(operation)
            self._answer(operation)
            return False
        self._claimed.update(draft.names)
        self._in_flight.append(operation)
        self._idle.clear()
        if len(self._in_flight) >= self._together:
            self._work.set()
        return False

    def _take_turn(self, operation: Operation, wallet: Wallet | None) -> bool:
        """A later turn of an operation that waited at `wallet`. Returns whether it waits there again."""
        try:
            if self.state not in (EngineState.RUNNING, EngineState.STOPPING):
                raise self._unavailable()
            return self._attempt(operation, wallet)
        except Refusal as refusal:
            self._answer(operation, refusal)
            return False

    def _draft(self, command: Command, turn_at: Wallet | None) -> Draft:
        match command:
            case Move():
                return self._coordinator.reserve(command, turn_at)
            case Batch():
                return self._coordinator.reserve_batch(command, turn_at)
            case CreateAsset():
                return self._directory.create_asset(command)
            case CreateUser():
                return self._directory.create_user(command)
            case UpdateUser():
                return self._directory.update_user(command)
            case OpenWallet():
                return self._directory.open_wallet(command)
            case Freeze():
                return self._directory.freeze(command, turn_at)
            case Unfreeze():
                return self._directory.unfreeze(command, turn_at)
            case Close():
                return self._directory.close(command, turn_at)

    def _outcome(self, operation: Operation) -> Outcome:
        assert operation.draft is not None
        if operation.record is None:
            return refused_batch(operation.draft, operation.dry_run)
        return outcome_of(operation.record, self.ledger, dry_run=operation.dry_run)

    def _answer(self, operation: Operation, refusal: Refusal | None = None) -> None:
        if operation.keyed is not None:
            self._end_run(operation.keyed, refusal)
        if not operation.future.done():
            if refusal is None:
                operation.future.set_result(None)
            else:
                operation.future.set_exception(refusal)

    def _withdraw(self, operation: Operation) -> None:
        """Undo the latest append: its record will never be durable."""
        assert operation.draft is not None
        assert operation.record is not None
        operation.draft.unproject(self.ledger)
        self._journal.unstamp(operation.record.seq)

    # --------------------------------------------------------------------------------------------------- writing

    async def _write(self) -> None:
        """Flush group after group. While one flush runs, the next group gathers."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._in_flight and self.state is not EngineState.FAILED:
                await self._flush()
                await self._gather()
            self._together = 0
            if not self._mailboxes:
                self._idle.set()
            if self.state is EngineState.READ_ONLY:
                await self._wait_for_room()

    async def _gather(self) -> None:
        """Wait until as many are in flight as were together before, for `gather_s` at most.

        Clients that answer each answer with a request would form two groups in turns, each waiting for the other's flush; one
        group of both is 1.1 to 1.6 times as fast.
        """
        if len(self._in_flight) < self._together:
            self._work.clear()
            timer = asyncio.get_running_loop().call_later(self._options.gather_s, self._work.set)
            try:
                await self._work.wait()
            finally:
                timer.cancel()

    async def _flush(self) -> None:
        begun = len(self._in_flight)
        waiting = itertools.islice(self._in_flight, GROUP_MAX)
        rows = self._journal.encode([operation.record for operation in waiting if operation.record is not None])
        started = time.perf_counter()
        try:
            await self._journal.flush(rows)
        except JournalFull:
            self._release_all()
            return
        except (OutcomeUnknown, Fenced) as error:
            self._fail(error, 0 if isinstance(error, Fenced) else len(rows))
            return
        self.stats.flushed(len(rows), time.perf_counter() - started)
        self._together = len(self._in_flight) if len(rows) == begun else 0  # what did not fit waits for nobody
        self._commit(list(itertools.islice(self._in_flight, len(rows))))

    def _commit(self, group: list[Operation]) -> None:
        """Apply a durable group in order, then answer all of it at once, then let those who waited for it take their turns."""
        touched: list[Wallet] = []
        names = False
        for operation in group:
            draft, record = operation.draft, operation.record
            assert draft is not None
            assert record is not None
            self.ledger.apply(record)
            draft.settle()
            touched += draft.touched()
            if draft.names:
                names = True
                self._claimed.difference_update(draft.names)
            if record.body.key is not None:
                key = record.body.key
                self._keys.bind(key_digest(key.scope, key.key), record.seq, record.at)
        for operation in group:
            self._in_flight.popleft()
            self._answer(operation)
        self._folding.durable(self.ledger.seq)
        self._wake_watchers()
        self._mailboxes.settle(touched)
        if names:
            self._mailboxes.settle_names()

    def _release_all(self) -> None:
        """The journal is full: nothing of the group was written, and what was appended after it rests on it. Undo all, latest first."""
        self.state = EngineState.READ_ONLY if self.state is EngineState.RUNNING else self.state
        released = list(self._in_flight)
        self._in_flight.clear()
        touched: list[Wallet] = []
        for operation in reversed(released):
            self._withdraw(operation)
            assert operation.draft is not None
            self._claimed.difference_update(operation.draft.names)
            touched += operation.draft.touched()
        for operation in released:
            self._answer(operation, Refusal(RefusalCode.READ_ONLY))
        self._mailboxes.settle(touched)
        self._mailboxes.settle_names()

    async def _wait_for_room(self) -> None:
        while self.state is EngineState.READ_ONLY:
            await asyncio.sleep(self._options.room_poll_s)
            has_room = self.state is EngineState.READ_ONLY and await self._store.has_room()
            if has_room and self.state is EngineState.READ_ONLY:  # it may have failed, or be stopping, meanwhile
                self.state = EngineState.RUNNING

    def _fail(self, error: BaseException, unknown: int) -> None:
        """Take no more work: recovery decides. The first `unknown` operations in flight may or may not be durable; the others are not."""
        if self.state is EngineState.FAILED:
            return
        self.state = EngineState.FAILED
        for index, operation in enumerate(self._in_flight):
            code = RefusalCode.OUTCOME_UNKNOWN if index < unknown else RefusalCode.STOPPING
            self._answer(operation, Refusal(code))
        for operation in self._mailboxes.clear():
            self._answer(operation, Refusal(RefusalCode.STOPPING))
        self._folding.end()
        self._folding.abandon(Refusal(RefusalCode.STOPPING))
        self._wake_watchers()
        self._idle.set()
        if not self._failure.done():
            self._failure.set_result(error)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """A task of the engine's: when it ends by an exception, so does the engine."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the engine
            if isinstance(error, InvariantBroken | AssertionError):
                self.stats.invariant_violations += 1
            self._fail(error, len(self._in_flight))

    # --------------------------------------------------------------------------------------------------- reading

    @property
    def in_flight(self) -> int:
        """Records appended and not yet durable."""
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        """Operations that wait for others to become durable."""
        return len(self._mailboxes)

    @property
    def mailbox_depth_peak(self) -> int:
        """The most operations that ever waited at one place."""
        return self._mailboxes.depth_peak

    @property
    def folded_seq(self) -> int:
        """The record that the image is as of."""
        return self._folding.folded.seq

    async def _ask(self, question: Callable[[], Awaitable[T]], seq: int | None = None) -> T:
        """The image's answer, as of at least record `seq`, or what is durable now. An image that cannot be read is made anew, and asked again."""
        await self._folding.through(self.ledger.seq if seq is None else seq)
        generation = self._folding.generation
        try:
            answer = await question()
            if generation == self._folding.generation:
                return answer
        except StorageUnusable as error:
            if generation == self._folding.generation:
                self._folding.distrust(error)
        await self._folding.through(self.ledger.seq if seq is None else seq)
        return await question()

    async def transaction(self, number: int) -> Transaction:
        """A movement by its number. Raises Refusal TRANSACTION_NOT_FOUND."""
        transaction = await self._ask(lambda: self._queries.transaction(number))
        if transaction is None:
            raise Refusal(RefusalCode.TRANSACTION_NOT_FOUND)
        return transaction

    async def transactions(self, numbers: Sequence[int]) -> list[Transaction]:
        """Movements by their numbers, at most PAGE_MAX, in the order asked for; those that do not exist are left out."""
        return await self._ask(lambda: self._queries.transactions(numbers))

    async def transaction_of_entry(self, entry: int) -> Transaction:
        """The movement of an entry, by the entry's number. Raises Refusal TRANSACTION_NOT_FOUND."""
        transaction = await self._ask(lambda: self._queries.transaction_of_entry(entry))
        if transaction is None:
            raise Refusal(RefusalCode.TRANSACTION_NOT_FOUND)
        return transaction

    async def numbered(self, query: NumberedQuery) -> NumberedPage:
        """A page by its number of some wallets' entries, with the exact total."""
        return await self._ask(lambda: self._queries.numbered(query))

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """A page of a wallet's entries, newest first."""
        return await self._ask(lambda: self._queries.history(query))

    async def wallets(self, query: WalletQuery) -> list[Wallet]:
        """The wallets that match, in order of number, as they are now."""
        return [self.ledger.wallet_at(number) for number in await self._ask(lambda: self._queries.wallets(query))]

    async def events(self, after: int, limit: int) -> list[Record]:
        """Durable records with seq > after, oldest first, at most `limit`, and fewer where they are large; none only if there are none.

        Raises BrokenJournal if they are not the ones once written.
        """
        return [record for record in await self._records(after, limit) if record.seq <= self.ledger.seq]

    async def _records(self, after: int, limit: int) -> list[Record]:
        """Records read back, their chain checked from the row before them on."""
        known, durable = 1 if after else 0, self.ledger.seq
        rows = await self._store.read(after - known, limit + known)
        if len(rows) == known and after < durable:
            rows += await self._store.read(after, limit)  # the row before may have filled the page
        chain, records = GENESIS, []
        for seq, row in enumerate(rows, after - known + 1):
            if row.seq != seq:
                raise BrokenJournal(seq, f"missing: record {row.seq} stands in its place")
            if seq > after:
                records.append(decode(row, chain))
            chain = row.chain
        if not records and after < durable:
            raise BrokenJournal(after + 1, f"missing: record {durable} was durable")
        return records

    async def beyond(self, seq: int) -> None:
        """Wait until a record after `seq` is durable, or the engine stops."""
        while self.ledger.seq <= seq and self.state in (EngineState.RUNNING, EngineState.READ_ONLY):
            watcher = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
            try:
                await watcher
            finally:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)

    def _wake_watchers(self) -> None:
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)


def _replayed(record: Record, request: dict[str, str]) -> Outcome:
    """The first outcome of a key again. Raises Refusal IDEMPOTENCY_KEY_REUSED, naming the differing members."""
    assert record.body.key is not None
    members = differing_members(record.body.key.request, request)
    if members:
        raise Refusal(
            RefusalCode.IDEMPOTENCY_KEY_REUSED,
            f"This key was used with another request: {', '.join(members)} differ.",
            members=members,
        )
    return outcome_of(record, None, replayed=True)
