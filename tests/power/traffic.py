"""Random traffic at a service: what clients and operators do, and what they are told, noted in the run's truth."""

import asyncio
import contextlib
from random import Random
from typing import Final

from walletd.engine import (
    Batch,
    Close,
    Command,
    CreateAsset,
    CreateUser,
    Freeze,
    IdempotencyKey,
    Move,
    OpenWallet,
    Refusal,
    RefusalCode,
    Unfreeze,
    UpdateUser,
    transfer,
)
from walletd.engine.commands import Holding
from walletd.engine.identity import Holder, Scope
from walletd.engine.outcome import Outcome
from walletd.engine.ports import HistoryQuery, StorageUnusable
from walletd.storage.folder import ACCESS_NAME

from .service import ROOM, Chosen, Service, dump_access
from .truth import Marks, Sent

SCOPE: Final = "POST /v1/transfers"

ASSETS: Final = ("USD", "EUR")


class Traffic:
    """What is sent to one service. `label` begins the reference of everything that is sent.

    Where the disk is `faulty`, a store that cannot be read is an answer too, and of the access file only what was acknowledged is noted.
    """

    def __init__(
        self, service: Service, chosen: Chosen, marks: Marks, random: Random, label: str, *, faulty: bool = False
    ) -> None:
        self._service = service
        self._engine = service.engine
        self._chosen = chosen
        self._marks = marks
        self._random = random
        self._label = label
        self._count = 0
        self._faulty = faulty
        self._tolerated = (StorageUnusable,) if faulty else ()
        self.keys: dict[int, bool | None] = {}
        """API keys that were acknowledged, and whether their revocation was; None while that is not known."""

    async def begin(self) -> bool:
        """Make what must be there before anything can move; whether it is there."""
        for code in ASSETS:
            if not self._engine.ledger.has_asset_name(code) and await self._send(CreateAsset(code=code)) is None:
                return False
        while self._engine.ledger.user_count < 4:
            if await self._send(CreateUser(wallet_asset=self._random.choice(ASSETS))) is None:
                return False
        return True

    async def steps(self, count: int) -> None:
        """So many turns, each of one to six requests at once."""
        for _ in range(count):
            await asyncio.gather(*(self._one() for _ in range(self._random.randint(1, 6))))
            if self._random.random() < 0.3:
                await self._beside()

    async def keep_sending(self, count: int) -> None:
        """Movements one after another, whatever becomes of them."""
        for _ in range(count):
            await self._moved(self._transfer())

    async def probe(self) -> bool:
        """Whether a user can be made now; and then reads are answered too."""
        outcome = await self._send(CreateUser())
        if outcome is not None:
            await self._engine.history(HistoryQuery(wallet=1, limit=5))
        return outcome is not None

    async def _one(self) -> None:
        random = self._random
        match random.randrange(20):
            case 0 | 1 | 2 | 3 | 4 | 5 | 6 as kind:
                await self._send(self._of_directory(kind))
            case 7 | 8:
                await self._moved(self._batch())
            case 9:
                await self._moved(self._many_legs())
            case 10:
                await self._moved(self._holding())
            case 11:
                await self._again()
            case _:
                await self._moved(self._transfer())

    def _of_directory(self, kind: int) -> Command:
        """A command that moves no money."""
        random = self._random
        user = random.randint(1, self._engine.ledger.user_count)
        match kind:
            case 0:
                return CreateUser(external_id=self._next(), wallet_asset=random.choice((*ASSETS, None)))
            case 1:
                return UpdateUser(user_id=user, name=self._next(), email=random.choice((None, self._next())))
            case 2:
                return OpenWallet(user_id=user, asset=random.choice(ASSETS))
            case 3:
                return Freeze(wallet_id=self._wallet(), reason="why", debits=True, credits=random.random() < 0.3)
            case 4 | 5:
                return Unfreeze(wallet_id=self._wallet())
            case _:
                return Close(wallet_id=self._wallet())

    async def _beside(self) -> None:
        """What happens beside the movements."""
        match self._random.randrange(6):
            case 0:
                await self._service.journal.checkpoint()
            case 1:
                await asyncio.sleep(3)
            case 2:
                numbers = self._random.randint(1, self._engine.ledger.wallet_count)
                with contextlib.suppress(Refusal, *self._tolerated):
                    await self._engine.history(HistoryQuery(wallet=numbers, limit=5))
            case 3:
                await self._volume_full()
            case _ if self._faulty:
                with contextlib.suppress(Refusal, *self._tolerated):
                    await self._keep_keys()
            case _:
                await self._operate()

    # ------------------------------------------------------------------------------------------------ the commands

    def _next(self) -> str:
        self._count += 1
        return f"{self._label}-{self._count}"

    def _wallet(self) -> str:
        return self._engine.ledger.wallet_at(self._random.randint(1, self._engine.ledger.wallet_count)).id

    def _pair(self) -> tuple[str, str]:
        """Two wallets; mostly of one asset, so that mostly something moves."""
        ledger, random = self._engine.ledger, self._random
        source = ledger.wallet_at(random.randint(1, ledger.wallet_count))
        if random.random() < 0.5:
            source = source.asset.treasury
        like = [ledger.wallet_at(number) for number in range(1, ledger.wallet_count + 1)]
        like = [wallet for wallet in like if wallet.asset is source.asset and wallet is not source]
        return source.id, random.choice(like).id if like else self._wallet()

    def _transfer(self) -> Move:
        source, destination = self._pair()
        # Now and then more than a wallet holds, for refusals belong to the traffic; and texts of many sizes.
        amount = self._random.choice((1, 7, 250, 100_000))
        description = None if self._random.random() < 0.5 else "a" * self._random.choice((3, 60, 400))
        return transfer(source, destination, amount, reference=self._next(), description=description)

    def _batch(self) -> Batch:
        moves = tuple(self._transfer() for _ in range(self._random.choice((1, 3, 12))))
        return Batch(moves=moves, atomic=self._random.random() < 0.4)

    def _many_legs(self) -> Move:
        source, destination = self._pair()
        _, third = self._pair()
        return Move(legs=((source, -6), (destination, 4), (third, 2)), reference=self._next(), metadata={"n": 1})

    def _holding(self) -> Move:
        asset = self._random.choice(ASSETS)
        holding = Holding(asset, external_id=self._next(), open_user=True)
        treasury = self._engine.ledger.asset(asset).treasury.id
        return transfer(treasury, holding, 500, reference=self._next())

    # --------------------------------------------------------------------------------------------------- sending

    async def _moved(self, command: Move | Batch) -> None:
        if self._random.random() < 0.6:
            label = self._next()
            key = IdempotencyKey(SCOPE, label, {"label": label})
            self._marks.add("sent", (label, Sent(command, key)))
            await self._send(command, key)
        else:
            await self._send(command)

    async def _again(self) -> None:
        """A keyed request once more: it must have one effect."""
        if not self._marks.now.sent:
            return
        sent = self._random.choice(list(self._marks.now.sent.values()))
        outcome = await self._send(sent.command, sent.key)
        if outcome is not None and outcome.record is not None:
            assert outcome.record.body.key is not None
            assert outcome.record.body.key.key == sent.key.key

    async def _send(self, command: Command, key: IdempotencyKey | None = None) -> Outcome | None:
        try:
            outcome = await self._engine.execute(command, key=key)
        except Refusal as refusal:
            if refusal.code is not RefusalCode.OUTCOME_UNKNOWN and isinstance(command, Move) and key is None:
                assert command.reference is not None
                self._marks.add("turned down", command.reference)
            return None
        except self._tolerated:
            return None
        if outcome.record is not None:
            self._marks.add("acknowledged", outcome.record)
        return outcome

    async def _volume_full(self) -> None:
        """The volume has no room for a while: writes are refused, and come back by themselves."""
        self._chosen.free = 0
        await self.keep_sending(2)
        self._chosen.free = ROOM
        await asyncio.sleep(0.2)

    # ------------------------------------------------------------------------------------------------- operating

    async def _operate(self) -> None:
        """One change of the access file. While it is under way, the file may be as before or as after."""
        access, random, now = self._service.access, self._random, self._chosen.now
        path = self._service.folder / ACCESS_NAME
        before = dump_access(path)
        count = len(self._marks.marks)
        self._marks.add("access", ())  # its two states are known once it is done
        holder = Holder(random.randint(1, 4), 0)
        match random.randrange(5):
            case 0 | 1:
                await access.create_key(self._next(), [random.choice(list(Scope))], now)
            case 2:
                await access.revoke_key(random.randint(1, 9), now)
            case 3:
                await access.set_password(holder, await access.hash_password(self._next()), now)
            case _:
                await access.open_session(holder, now, now + 10**12)
        after = dump_access(path)
        at, what, _ = self._marks.marks[count]
        self._marks.marks[count] = (at, what, (before, after))
        self._marks.add("access", (after,))

    async def _keep_keys(self) -> None:
        """Make an API key and perhaps revoke it."""
        access, now = self._service.access, self._chosen.now
        key, _ = await access.create_key(self._next(), [Scope.READ], now)
        self.keys[key.id] = False
        if self._random.random() < 0.5:
            self.keys[key.id] = None
            self.keys[key.id] = await access.revoke_key(key.id, now)
