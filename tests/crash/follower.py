"""The follower: reads the journal's events on from where it was, and keeps the state that they add up to.

It checks what must hold whatever was asked: numbers without gaps, every transaction zero by asset, each balance the one before plus the amount, only
Treasuries below zero, nothing twice. Every thing done has a mark by which its sender knows it: a movement the sum of its positive legs,
which no other has; a user its name; a freezing its reason.
"""

from typing import Any, Final

import msgspec

Mark = tuple[str, int | str]
FINDINGS_MAX: Final = 30


class Seen(msgspec.Struct, frozen=True):
    """What was done under a mark: the record, and for a movement its number, signed legs, balances after and entry numbers, by wallet."""

    seq: int
    transaction: int = 0
    legs: dict[str, int] = {}
    balances: dict[str, int] = {}
    entries: dict[str, int] = {}


class Follower:
    """State through record `seq`."""

    def __init__(self) -> None:
        self.seq = 0
        self.balances: dict[str, int] = {}
        self.assets: dict[str, str] = {}
        self.treasuries: set[str] = set()
        self.holders: dict[str, int | None] = {}
        self.debits_frozen: dict[str, bool] = {}
        self.seen: dict[Mark, Seen] = {}
        self.history: dict[str, list[tuple[str, int, int]]] = {}
        """By wallet its entries: id, amount, balance after."""
        self.findings: list[str] = []

    def follow(self, events: list[dict[str, Any]]) -> list[Mark]:
        """Take events in order; the marks that are new."""
        marks: list[Mark] = []
        for event in events:
            seq = event["sequence"]
            if seq != self.seq + 1:
                self._find(f"record {seq} follows record {self.seq}")
            self.seq = seq
            self._open(event)
            marks += [self._mark(("user", _name_of(user)), Seen(seq)) for user in event.get("users", ())]
            marks += [self._move(seq, transaction) for transaction in event.get("transactions", ())]
            for change in event.get("wallet_changes", ()):
                self.debits_frozen[change["id"]] = change["debits_frozen"]
                if change["reason"] is not None and change["debits_frozen"]:
                    marks.append(self._mark(("frozen", change["reason"]), Seen(seq)))
        return marks

    def sums(self) -> dict[str, int]:
        """The sum of all wallets by asset."""
        sums: dict[str, int] = {}
        for wallet, balance in self.balances.items():
            sums[self.assets[wallet]] = sums.get(self.assets[wallet], 0) + balance
        return sums

    def _open(self, event: dict[str, Any]) -> None:
        for asset in event.get("assets", ()):
            self.treasuries.add(asset["treasury_wallet_id"])
        for wallet in event.get("wallets", ()):
            self.balances[wallet["id"]] = 0
            self.assets[wallet["id"]] = wallet["asset"]
            self.holders[wallet["id"]] = wallet["user_id"]

    def _move(self, seq: int, transaction: dict[str, Any]) -> Mark:
        sums: dict[str, int] = {}
        seen = Seen(seq, int(transaction["id"].removeprefix("txn_")), {}, {}, {})
        for leg in transaction["legs"]:
            wallet, amount, after = leg["wallet_id"], int(leg["amount"]), int(leg["balance_after"])
            sums[leg["asset"]] = sums.get(leg["asset"], 0) + amount
            expected = self.balances[wallet] + amount
            if after != expected:
                self._find(f"record {seq}: wallet {wallet} has {after}, {expected} was to be expected")
            if after < 0 and wallet not in self.treasuries:
                self._find(f"record {seq}: wallet {wallet} is below zero")
            self.balances[wallet] = after
            self.history.setdefault(wallet, []).append((leg["entry_id"], amount, after))
            seen.legs[wallet] = seen.legs.get(wallet, 0) + amount
            seen.balances[wallet] = after
            seen.entries[wallet] = int(leg["entry_id"].removeprefix("ent_"))
        if any(sums.values()):
            self._find(f"record {seq}: the legs of {transaction['id']} do not sum to zero: {sums}")
        return self._mark(("moved", sum(amount for amount in seen.legs.values() if amount > 0)), seen)

    def _mark(self, mark: Mark, seen: Seen) -> Mark:
        if mark in self.seen:
            self._find(f"{mark} was done twice, at {self.seen[mark].seq} and at {seen.seq}")
        self.seen[mark] = seen
        return mark

    def _find(self, sentence: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(sentence)


def _name_of(user: dict[str, Any]) -> str:
    return str(user["external_id"] or user["username"])
