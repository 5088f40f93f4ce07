"""Outcomes: what an operation brought about, made from its record alone, so that a replay says what the first answer said."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from .directory import preview_asset, preview_user
from .draft import Draft, each_transaction, only_transaction, plain_facts
from .ledger import Ledger, User
from .ports import Transaction
from .records import Record
from .refusals import Refusal, RefusalCode
from .wallet import Asset, Wallet

Item = Transaction | Refusal


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What happened, or in a dry run would happen.

    `record` is None only for a batch of which every item was refused: then `refused` says why.
    `subject`: the user, wallet or asset that was made or changed; in a dry run it is in no ledger.
    """

    record: Record | None
    refused: tuple[Refusal, ...] = ()
    subject: User | Wallet | Asset | None = None
    replayed: bool = False
    dry_run: bool = False

    @property
    def transaction(self) -> Transaction:
        """A Move's movement."""
        assert self.record is not None
        return only_transaction(self.record)

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """The record's movements in order."""
        return () if self.record is None else tuple(each_transaction(self.record))

    @property
    def items(self) -> tuple[Item, ...]:
        """A batch's items."""
        return tuple(self.each_item())

    def each_item(self) -> Iterator[Item]:
        """For a batch, in the order of the request, each item's transaction or refusal (a wallet among a refusal's facts is given by id).

        Each is made when it is asked for, and can be forgotten before the next: thousands at once would leave the processor's cache.
        """
        if self.record is None:
            yield from self.refused
            return
        transactions = each_transaction(self.record)
        index = 0
        for item in self.record.body.refusals:
            yield from islice(transactions, item.index - index)
            yield Refusal(RefusalCode(item.code), item.detail, **item.facts)
            index = item.index + 1
        yield from transactions


def outcome_of(record: Record, ledger: Ledger | None, *, replayed: bool = False, dry_run: bool = False) -> Outcome:
    """The outcome of a record. `ledger` is where it was applied; a movement needs none."""
    if record.body.movements:
        return Outcome(record=record, replayed=replayed, dry_run=dry_run)
    assert ledger is not None
    subject = _preview(record, ledger) if dry_run else _subject(record, ledger)
    return Outcome(record=record, subject=subject, replayed=replayed, dry_run=dry_run)


def refused_batch(draft: Draft, dry_run: bool) -> Outcome:
    """The outcome of a batch of which every item was refused."""
    refused = tuple(Refusal(refusal.code, refusal.detail, **plain_facts(refusal)) for _, refusal in draft.refused)
    return Outcome(record=None, refused=refused, dry_run=dry_run)


def _subject(record: Record, ledger: Ledger) -> User | Wallet | Asset:
    body = record.body
    if body.assets:
        return ledger.asset_by_id(body.assets[0].id)
    if body.users:
        return ledger.user(body.users[0].id)
    if body.user_changes:
        return ledger.user(body.user_changes[0].id)
    number = body.wallets[0].number if body.wallets else body.wallet_changes[0].number
    return ledger.wallet_at(number)


def _preview(record: Record, ledger: Ledger) -> User | Wallet | Asset:
    body, at = record.body, record.at
    if body.assets:
        return preview_asset(body.assets[0], body.wallets[0], at)
    if body.users:
        user = preview_user(body.users[0], at)
        for opened in body.wallets:
            user.wallet = Wallet(opened.number, opened.id, user.id, ledger.asset_by_id(opened.asset), at, at)
        return user
    if body.user_changes:
        change = body.user_changes[0]
        return msgspec.structs.replace(
            ledger.user(change.id),
            username=change.username,
            email=change.email,
            phone_number=change.phone_number,
            name=change.name,
            updated_at=at,
        )
    if body.wallets:
        new = body.wallets[0]
        return Wallet(new.number, new.id, new.user_id, ledger.asset_by_id(new.asset), at, at)
    wallet_change = body.wallet_changes[0]
    wallet = ledger.wallet_at(wallet_change.number)
    return msgspec.structs.replace(
        wallet,
        restrictions=wallet.restricted(wallet_change),
        updated_at=at,
        mailbox=None,
    )
