"""Actors: whose turn it is. An operation takes its turn at a wallet at once when nobody waits there; otherwise it waits in the wallet's mailbox.

A turn never awaits and never asks another actor, so actors cannot deadlock. What makes an operation wait is always a record
in flight: a decision that would rest on money or names not yet durable is put off until they are. Whenever a record of the wallet
has become durable, those who wait there take their turns in order of arrival, until one must wait on.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from .commands import Command
from .draft import Draft
from .limits import PARKS_MAX
from .records import KeyBound, Record
from .refusals import Refusal, RefusalCode
from .wallet import Wallet


class KeyedRun:
    """The first run of an idempotency key; duplicates wait for its end. `request` is what the key would be bound to."""

    __slots__ = ("digest", "request", "waiters")

    def __init__(self, digest: bytes, request: dict[str, str]) -> None:
        self.digest = digest
        self.request = request
        self.waiters: list[asyncio.Future[None]] = []


class Operation:
    """One command on its way. The engine owns it: a caller that goes away does not end it.

    `future` is done when the record is durable, or with the refusal.
    """

    __slots__ = ("command", "draft", "dry_run", "future", "key", "keyed", "parks", "place", "record")

    def __init__(self, command: Command, dry_run: bool, future: asyncio.Future[None]) -> None:
        self.command = command
        self.dry_run = dry_run
        self.future = future
        self.parks = 0
        self.place: object = None
        self.draft: Draft | None = None
        self.record: Record | None = None
        self.key: KeyBound | None = None
        self.keyed: KeyedRun | None = None


class Mailboxes:
    """The operations that wait: at wallets, and in the lobby for names to settle. Bounded at each wallet and in the lobby.

    `take_turn(operation, wallet)` tries again; it returns whether the operation went back to the same place.
    """

    def __init__(self, take_turn: Callable[[Operation, Wallet | None], bool], depth_max: int) -> None:
        self._take_turn = take_turn
        self._depth_max = depth_max
        self._lobby: deque[Operation] = deque()
        self._waiting: dict[Operation, None] = {}
        self.depth_peak = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def park(self, operation: Operation, wallet: Wallet | None, turn_at: Wallet | None) -> None:
        """Let an operation wait at a wallet, or in the lobby. One that had its turn there keeps its place.

        Raises Refusal OVERLOADED when too many wait there, or when this one has waited too often.
        """
        place = self if wallet is None else wallet
        if operation.place is not place:
            operation.place = place
            operation.parks += 1
        box = self._lobby if wallet is None else wallet.mailbox
        if operation.parks > PARKS_MAX or len(box or ()) >= self._depth_max:
            raise Refusal(RefusalCode.OVERLOADED, "Too many operations wait for the same wallet.")
        if box is None:
            assert wallet is not None
            assert wallet.in_flight or wallet.changing, "nothing would end the wait"
            box = wallet.mailbox = deque()
        if wallet is not None and wallet is turn_at:
            box.appendleft(operation)
        else:
            box.append(operation)
        self._waiting[operation] = None
        self.depth_peak = max(self.depth_peak, len(box))

    def settle(self, wallets: Iterable[Wallet]) -> None:
        """Give those who wait at the wallets their turns: a record of each has just become durable, or never will."""
        for wallet in dict.fromkeys(wallets):
            if wallet.mailbox is not None:
                self._drain(wallet)

    def _drain(self, wallet: Wallet) -> None:
        box = wallet.mailbox
        while box:
            operation = box.popleft()
            self._waiting.pop(operation, None)  # it is gone already where the engine has failed
            if self._take_turn(operation, wallet):
                return
        wallet.mailbox = None

    def settle_names(self) -> None:
        """Give everyone in the lobby another turn."""
        for _ in range(len(self._lobby)):
            operation = self._lobby.popleft()
            self._waiting.pop(operation, None)
            self._take_turn(operation, None)

    def clear(self) -> list[Operation]:
        """Everyone who waits, for ever: the engine has failed."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting
