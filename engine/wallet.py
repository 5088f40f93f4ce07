"""A wallet: its balance, what of it is held, and the rules by which money may leave and enter. Pure and synchronous.

Two views of the balance stand side by side. `posted` is durable: what the journal holds. The appended view (`appended`, `entry_count`,
`last_entry`) runs ahead of it by the records in flight, in the order they were appended. Money that is on its way in is in `appended` only, so it
cannot be spent; money on its way out is in `held`, so it cannot be spent twice.
"""

from collections import deque
from enum import Enum
from typing import Any, Final

import msgspec

from .limits import AMOUNT_MAX
from .records import Leg, WalletChanged
from .refusals import RefusalCode


class InvariantBroken(Exception):
    """The ledger contradicts itself: a bug, or a journal that was changed. The process must stop."""


class Asset(msgspec.Struct, gc=False, eq=False):
    """A kind of money. Amounts of it are integers in units of 10^-scale."""

    id: int
    code: str
    name: str
    scale: int
    transferable: bool
    min_amount: int
    max_amount: int
    aliases: tuple[str, ...]
    active: bool
    created_at: int
    treasury: "Wallet" = None  # type: ignore[assignment]  # set by the ledger in the same turn


class Verdict(Enum):
    """An answer that is neither yes nor a refusal."""

    UNDECIDED = "undecided"
    """It depends on records that are in flight: ask again when the wallet has settled."""


UNDECIDED = Verdict.UNDECIDED


class Restrictions(msgspec.Struct, gc=False, eq=False):
    """What freezes and closings have made of a wallet. `changes` counts those that are durable."""

    changing: bool = False
    """A freeze, unfreeze or close is in flight: nothing may be decided until it is durable."""
    debits_frozen: bool = False
    credits_frozen: bool = False
    closed: bool = False
    reason: str | None = None
    changes: int = 0


UNRESTRICTED: Final = Restrictions()
"""What is read where a wallet has none of its own. It is never changed."""


class Wallet(msgspec.Struct, gc=False, eq=False):
    """One wallet. Only the turns of its actor and the application of records change it.

    Invariants: 0 <= held <= posted and posted >= 0, but for a Treasury, which may be below zero and never holds;
    in_flight == 0 implies appended == posted and held == 0; a mailbox that is not empty implies in_flight > 0 or changing.

    There may be millions, and each member is eight bytes of every one: what few wallets have stands in `restrictions`.
    """

    number: int
    id: str
    user_id: int
    asset: Asset
    created_at: int
    updated_at: int
    posted: int = 0
    held: int = 0
    appended: int = 0
    entry_count: int = 0
    last_entry: int = 0
    in_flight: int = 0
    """Legs appended and not yet durable."""
    restrictions: Restrictions | None = None
    """None while the wallet was never frozen or closed, and nothing of the kind is in flight: nothing but money limits it."""
    mailbox: deque[Any] | None = None

    @property
    def available(self) -> int:
        """What may be spent now."""
        return self.posted - self.held

    @property
    def is_treasury(self) -> bool:
        """Whether the system owns it: the source and sink of its asset."""
        return self.user_id == 0

    @property
    def version(self) -> int:
        """How often it was changed durably: by an entry, a freeze, an unfreeze or a close."""
        return self.entry_count - self.in_flight + (self.restrictions or UNRESTRICTED).changes

    @property
    def changing(self) -> bool:
        """Whether a freeze, unfreeze or close is in flight."""
        return (self.restrictions or UNRESTRICTED).changing

    @changing.setter
    def changing(self, changing: bool) -> None:
        if self.restrictions is None:
            self.restrictions = Restrictions()
        self.restrictions.changing = changing
        if not changing and not self.restrictions.changes:
            self.restrictions = None  # it came to nothing

    @property
    def debits_frozen(self) -> bool:
        """Whether no money may leave."""
        return (self.restrictions or UNRESTRICTED).debits_frozen

    @property
    def credits_frozen(self) -> bool:
        """Whether no money may enter."""
        return (self.restrictions or UNRESTRICTED).credits_frozen

    @property
    def closed(self) -> bool:
        """Whether it is closed, for ever."""
        return (self.restrictions or UNRESTRICTED).closed

    @property
    def reason(self) -> str | None:
        """What was said when it was frozen."""
        return (self.restrictions or UNRESTRICTED).reason

    @property
    def status(self) -> str:
        """active, frozen or closed."""
        if self.closed:
            return "closed"
        return "frozen" if self.debits_frozen or self.credits_frozen else "active"

    def restricted(self, change: WalletChanged) -> Restrictions:
        """Its restrictions once that change is durable."""
        before = self.restrictions or UNRESTRICTED
        return Restrictions(
            before.changing,
            change.debits_frozen,
            change.credits_frozen,
            change.closed,
            change.reason,
            before.changes + 1,
        )

    def judge(self, amount: int, draw: int, rise: int, own: int = 0) -> RefusalCode | Verdict | None:
        """Whether a leg of `amount` may be reserved: None for yes.

        `draw` is what must be held for it beyond the `own` that the same record holds already, `rise` how far above the appended balance
        the record would bring the wallet (below it, where negative). A refusal is true of the durable state alone; where only records in
        flight stand in the way, the answer is UNDECIDED.
        """
        restrictions = self.restrictions
        if restrictions is not None:
            if restrictions.changing:
                return UNDECIDED
            if restrictions.closed:
                return RefusalCode.WALLET_CLOSED
            if restrictions.debits_frozen if amount < 0 else restrictions.credits_frozen:
                return RefusalCode.WALLET_FROZEN
        if draw and draw > self.posted - self.held:
            return RefusalCode.INSUFFICIENT_BALANCE if draw + own > self.posted else UNDECIDED
        if not -AMOUNT_MAX <= self.appended + rise <= AMOUNT_MAX:
            return UNDECIDED if -AMOUNT_MAX <= self.posted + rise <= AMOUNT_MAX else RefusalCode.BALANCE_OVERFLOW
        return None

    def project(self, movement: int, amount: int, entry: int) -> Leg:
        """The leg that takes the appended view forward by `amount` with entry number `entry`."""
        self.appended += amount
        self.entry_count += 1
        self.in_flight += 1
        leg = Leg(movement, self.number, amount, self.appended, self.entry_count, self.last_entry)
        self.last_entry = entry
        return leg

    def unproject(self, leg: Leg) -> None:
        """Take back the latest projected leg: its record will never be durable."""
        self.appended -= leg.amount
        self.entry_count -= 1
        self.in_flight -= 1
        self.last_entry = leg.previous

    def apply(self, leg: Leg, entry: int, at: int) -> None:
        """Post a durable leg. Raises InvariantBroken if the recorded result is not this wallet's.

        A leg that was not projected (at replay, or in the record that opens the wallet) takes the appended view along.
        """
        posted = self.posted + leg.amount
        if posted != leg.balance_after:
            raise InvariantBroken(f"wallet {self.number}: balance {posted}, recorded {leg.balance_after}")
        if posted < 0 and self.user_id != 0:
            raise InvariantBroken(f"wallet {self.number}: balance {posted} is below zero")
        if self.in_flight:
            self.in_flight -= 1
        else:
            if leg.ordinal != self.entry_count + 1 or leg.previous != self.last_entry:
                raise InvariantBroken(f"wallet {self.number}: entry {leg.ordinal} after {self.entry_count} entries")
            self.appended = posted
            self.entry_count = leg.ordinal
            self.last_entry = entry
        self.posted = posted
        self.updated_at = at
