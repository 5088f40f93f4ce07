"""Builders for tests of the engine: a world with a ledger in memory, a journal behind a gate, and a clock that stands still.

Nothing here sleeps: a test says when a group becomes durable, and `quiet` lets everything run that can run.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from enum import Enum
from types import TracebackType
from typing import Any

import msgspec

from walletd.engine import (
    Command,
    CreateAsset,
    CreateUser,
    Engine,
    EngineOptions,
    EngineState,
    IdempotencyKey,
    MemoryImage,
    MemoryJournal,
    Outcome,
    Refusal,
    RefusalCode,
    transfer,
)
from walletd.engine.ledger import Ledger, User
from walletd.engine.ports import Fenced, Head, JournalFull, OutcomeUnknown
from walletd.engine.records import Row
from walletd.engine.wallet import Restrictions, Wallet

QUIET_YIELDS = 60
"""Passes of the event loop after which everything in memory has run as far as it can; a flush and its answers take fewer than ten."""

HANG_S = 10.0
"""What takes longer in a world hangs: nothing in it waits for a clock."""

START_US = 1_700_000_000_000_000


async def quiet() -> None:
    """Let everything run that can run."""
    for _ in range(QUIET_YIELDS):
        await asyncio.sleep(0)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: int = START_US) -> None:
        self.now = now

    def __call__(self) -> int:
        """Microseconds since 1970 UTC."""
        return self.now


class Ids:
    """Wallet ids that count: every run of a test makes the same ones."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self) -> str:
        """The next id, shaped like a UUID."""
        self.last += 1
        return f"00000000-0000-4000-8000-{self.last:012d}"


class Fate(Enum):
    """What becomes of one append."""

    DURABLE = "durable"
    FULL = "full"
    WRITTEN_UNKNOWN = "written, but the writer is told that nobody knows"
    LOST_UNKNOWN = "not written, and the writer is told that nobody knows"
    FENCED = "another writer has taken over"


class GatedJournal:
    """A MemoryJournal behind a gate. Open, it behaves as the store itself; shut, each append waits for the fate that the test gives it."""

    def __init__(self, store: MemoryJournal) -> None:
        self.store = store
        self.groups: list[int] = []
        """Sizes of the groups that were appended, durable or not."""
        self.waiting: tuple[Row, ...] = ()
        """The group that waits at the gate."""
        self.closed = False
        self._shut = False
        self._fates: deque[Fate] = deque()
        self._moved = asyncio.Event()

    def shut(self) -> None:
        """From now on each append waits for `give`."""
        self._shut = True

    def open(self) -> None:
        """Let everything pass."""
        self._shut = False
        self._moved.set()

    async def give(self, *fates: Fate) -> None:
        """The fates of the next appends, in order; then let everything run that can run."""
        self._fates.extend(fates)
        self._moved.set()
        await quiet()

    async def claim(self) -> tuple[int, Head]:
        """See JournalStore."""
        return await self.store.claim()

    async def append(self, epoch: int, group: Sequence[Row]) -> None:
        """See JournalStore."""
        self.waiting = tuple(group)
        while self._shut and not self._fates:
            self._moved.clear()
            await self._moved.wait()
        self.waiting = ()
        self.groups.append(len(group))
        fate = self._fates.popleft() if self._fates else Fate.DURABLE
        if fate is Fate.FULL:
            raise JournalFull("the gate says so")
        if fate is Fate.FENCED:
            raise Fenced("the gate says so")
        if fate is Fate.LOST_UNKNOWN:
            raise OutcomeUnknown("the gate says so")
        await self.store.append(epoch, group)
        if fate is Fate.WRITTEN_UNKNOWN:
            raise OutcomeUnknown("the gate says so")

    async def read(self, after: int, limit: int) -> list[Row]:
        """See JournalStore."""
        return await self.store.read(after, limit)

    async def has_room(self) -> bool:
        """See JournalStore."""
        return await self.store.has_room()

    async def close(self) -> None:
        """See JournalStore."""
        self.closed = True
        await self.store.close()


class World:
    """One ledger and the engine that runs it. `engine` changes with each start; the store of records stays.

    As a context it starts, is killed at the end, and fails the test that hangs in it.
    """

    def __init__(self, *, options: EngineOptions | None = None, store: MemoryJournal | None = None) -> None:
        self.options = options or EngineOptions(room_poll_s=0, gather_s=0)
        self.clock = Clock()
        self.ids = Ids()
        self.store = store or MemoryJournal()
        self.gate = GatedJournal(self.store)
        self.image = MemoryImage(self.store)
        self.engine: Engine
        self._engine_tasks: set[asyncio.Task[Any]] = set()
        self._begun: list[asyncio.Task[Outcome]] = []
        self._timeout: asyncio.Timeout

    async def __aenter__(self) -> "World":
        self._timeout = await asyncio.timeout(HANG_S).__aenter__()
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.open()
        await self.kill()
        await self._timeout.__aexit__(kind, error, trace)

    # --------------------------------------------------------------------------------------------------- lifetime

    async def start(self, image: MemoryImage | None = None) -> None:
        """Start an engine on what the store holds, over the image there is, or over another one."""
        self.image = image if image is not None else self.image
        self.gate = GatedJournal(self.store)
        before = asyncio.all_tasks()
        self.engine = await Engine.start(
            self.gate, self.image, self.image, clock=self.clock, new_id=self.ids, options=self.options
        )
        self._engine_tasks = asyncio.all_tasks() - before
        await quiet()

    async def kill(self) -> None:
        """End the engine as a crash does: nothing is finished, nobody is answered."""
        tasks = [*self._engine_tasks, *self._begun]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._engine_tasks, self._begun = set(), []

    async def restart(self, image: MemoryImage | None = None) -> None:
        """Stop the engine in good order and start another one."""
        self.gate.open()
        await self.engine.stop()
        await self.start(image)

    async def folded_to(self, seq: int) -> MemoryImage:
        """A new image of the store, as of record `seq`."""
        image = MemoryImage(self.store)
        await image.fold(seq)
        return image

    # -------------------------------------------------------------------------------------------------- operating

    async def begin(self, command: Command, *, key: IdempotencyKey | None = None) -> "asyncio.Task[Outcome]":
        """Start an operation and let it take its turn, whatever it waits for then."""
        task = asyncio.create_task(self.engine.execute(command, key=key))
        self._begun.append(task)
        await quiet()
        return task

    async def refused(self, command: Command, *, key: IdempotencyKey | None = None, dry_run: bool = False) -> Refusal:
        """The refusal of a command."""
        try:
            await self.engine.execute(command, key=key, dry_run=dry_run)
        except Refusal as refusal:
            return refusal
        raise AssertionError(f"{command} was not refused")

    async def asset(self, code: str = "USD", **members: Any) -> str:
        """Make an asset; the id of its Treasury."""
        await self.engine.execute(CreateAsset(code=code, **members))
        return self.engine.ledger.asset(code).treasury.id

    async def wallet(self, balance: int = 0, asset: str = "USD") -> str:
        """Make a user with a wallet that holds `balance`; the wallet's id."""
        outcome = await self.engine.execute(CreateUser(wallet_asset=asset))
        assert outcome.record is not None
        wallet_id = outcome.record.body.wallets[0].id
        if balance:
            await self.engine.execute(transfer(self.treasury(asset), wallet_id, balance))
        return wallet_id

    # ---------------------------------------------------------------------------------------------------- looking

    @property
    def ledger(self) -> Ledger:
        """What the engine shows."""
        return self.engine.ledger

    def treasury(self, asset: str = "USD") -> str:
        """The id of an asset's Treasury."""
        return self.ledger.asset(asset).treasury.id

    def at(self, wallet_id: str) -> Wallet:
        """A wallet by its id."""
        return self.ledger.wallet(wallet_id)

    @property
    def condition(self) -> EngineState:
        """What the engine takes now."""
        return self.engine.state

    def posted(self, *wallet_ids: str) -> list[int]:
        """Balances."""
        return [self.at(wallet_id).posted for wallet_id in wallet_ids]

    def state(self) -> dict[str, Any]:
        """Everything that the engine knows, as plain values."""
        return ledger_state(self.ledger) | {
            "in_flight": self.engine.in_flight,
            "waiting": self.engine.waiting,
            "state": self.engine.state,
            "rows": list(self.store.rows),
        }


def code_of(task: "asyncio.Task[Outcome]") -> RefusalCode:
    """The code with which a finished operation was refused."""
    error = task.exception()
    assert isinstance(error, Refusal), error
    return error.code


def ledger_state(ledger: Ledger) -> dict[str, Any]:
    """A ledger as plain values: two ledgers with equal states answer and number alike."""
    wallets = [ledger.wallet_at(number) for number in range(1, ledger.wallet_count + 1)]
    users = ledger.users(0, ledger.user_count)
    return {
        "seq": ledger.seq,
        "next": (ledger.next_user, ledger.next_wallet, ledger.next_transaction, ledger.next_entry),
        "assets": [_plain(asset) for asset in ledger.assets()],
        "users": [_plain(user) for user in users],
        "wallets": [_plain(wallet) | {"mailbox": len(wallet.mailbox or ())} for wallet in wallets],
        "names": [
            (
                _id_of(ledger.user_with_external_id(user.external_id or "")) == user.id,
                _id_of(ledger.user_with_username(user.username or "")) == user.id,
                _id_of(ledger.user_with_email(user.email or "")) == user.id,
            )
            for user in users
        ],
        "holdings": [[wallet.number for wallet in ledger.wallets_of(user.id)] for user in users],
    }


def _plain(thing: msgspec.Struct) -> dict[str, Any]:
    members = msgspec.structs.asdict(thing)
    return {name: _plain_member(member) for name, member in members.items()}


def _plain_member(member: Any) -> Any:
    if isinstance(member, Restrictions):
        return msgspec.structs.astuple(member)
    return member.id if isinstance(member, msgspec.Struct) else member  # type: ignore[attr-defined]


def _id_of(user: User | None) -> int | None:
    return None if user is None else user.id


def keyed(key: str, scope: str = "POST /transfers", **request: Any) -> IdempotencyKey:
    """An idempotency key with its request."""
    return IdempotencyKey(scope, key, request)
