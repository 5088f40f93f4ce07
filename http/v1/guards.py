"""Guards: what of the native API's movements a principal may make and see."""

from ...engine.commands import Move
from ...engine.identity import Scope
from ...engine.ledger import Ledger
from ...engine.ports import Transaction
from ...engine.refusals import Refusal, RefusalCode
from ..principal import Principal


def check_move(principal: Principal, ledger: Ledger, move: Move) -> None:
    """An operator with WRITE passes; a user pays from its own wallets into any user's. Raises HttpFault FORBIDDEN and Refusal WALLET_NOT_FOUND.

    A wallet that does not exist is left to the engine, which refuses it in the same words: what a principal may do never changes with time, so
    that a repetition finds the same items of a batch allowed.
    """
    if not principal.is_user:
        principal.require(Scope.WRITE)
        return
    for ref, amount in move.legs:
        assert isinstance(ref, str), "the native API names wallets by their ids"
        wallet = ledger.find_wallet(ref)
        if wallet is None:
            continue
        if amount < 0:
            principal.spends_from(wallet, ref)
        else:
            principal.pays_into(wallet)


def check_sight(principal: Principal, ledger: Ledger, transaction: Transaction, code: RefusalCode) -> None:
    """An operator with READ passes, and a user with a wallet in it. Raises Refusal `code`, just as where there is no such transaction."""
    if not principal.is_user:
        principal.require(Scope.READ)
    elif not any(ledger.wallet_at(entry.wallet).user_id == principal.user_id for entry in transaction.entries):
        raise Refusal(code)
