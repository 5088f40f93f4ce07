"""Sight: what of a transaction is shown to whom. The one place of this rule, for every API."""

from ..engine.ledger import Ledger
from ..engine.ports import Entry, Transaction
from ..engine.wallet import Wallet

Shown = tuple[Wallet, Entry, bool]
"""A wallet, its entry, and whether its balance may be told."""


def entries_shown(ledger: Ledger, transaction: Transaction, reader: int | None) -> list[Shown]:
    """The entries of a transaction that `reader` may see, in order; None is an operator, who may see everything.

    A user is told no balance but its own, and of a transaction that others paid into too, only its own entries: who else was paid how much
    is not its affair.
    """
    entries = [(ledger.wallet_at(entry.wallet), entry) for entry in transaction.entries]
    if reader is None:
        return [(wallet, entry, True) for wallet, entry in entries]
    shown = [(wallet, entry, wallet.user_id == reader) for wallet, entry in entries]
    if len(shown) == 2 or all(own or entry.amount > 0 for _, entry, own in shown):
        return shown
    return [each for each in shown if each[2]]
