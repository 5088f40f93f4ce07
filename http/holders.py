"""Holders: the users that the dialects name, and their wallets in an asset."""

import re
from collections.abc import Collection
from typing import Final

from ..engine.identity import Scope
from ..engine.ledger import SYSTEM, Ledger, User
from ..engine.refusals import Refusal, RefusalCode
from ..engine.wallet import Asset, Wallet
from .call import Call
from .decoding import refuse_fields

_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_DIGITS_MAX: Final = 64
"""Digits of an integer that are looked at: with this many it is far above every id."""


def integer_in_path(call: Call, name: str) -> int:
    """The variable segment `name` as an integer, whatever it names. Raises Refusal INVALID_REQUEST if it is none."""
    return integer_in(call.parameters[name], name)


def integer_in(text: str, name: str) -> int:
    """The integer that a text of a path or query is. Raises Refusal INVALID_REQUEST, naming `name`, if it is none."""
    if _INTEGER.fullmatch(text) is None:
        raise refuse_fields([(f"/{name}", "must be an integer")])
    return int(text[:_DIGITS_MAX])


def number_in_path(call: Call, name: str, code: RefusalCode) -> int:
    """The same as a number of the ledger's own. Raises Refusal `code` where no number can be that."""
    number = integer_in_path(call, name)
    if not 0 < number < 2**63:
        raise Refusal(code)
    return number


def default_asset(call: Call) -> Asset:
    """The asset of the dialects that name none."""
    return call.engine.ledger.asset(call.services.default_asset)


def holder_name(user: User) -> str:
    """The text by which a user is known to dialects that take one: its external id, else its decimal id."""
    return user.external_id if user.external_id is not None else str(user.id)


def balance_of(ledger: Ledger, user: User, asset: Asset) -> tuple[int, Wallet | None]:
    """A user's balance in an asset in minor units, and the wallet that has it; before one is open, zero and None."""
    wallet = ledger.wallet_of(user.id, asset)
    return (0, None) if wallet is None else (wallet.posted, wallet)


def permitted(call: Call, name: str, scope: Scope) -> User | None:
    """The user of that name if there is one and the principal may act on it.

    Raises HttpFault FORBIDDEN; to a logged-in user also for a name that nobody has, so that it learns nothing of others.
    """
    try:
        user = call.engine.ledger.find_user(name)
    except Refusal:
        user = None
    call.principal.require_user(SYSTEM if user is None else user.id, scope)
    return user


def holder(call: Call, name: str, scope: Scope) -> User:
    """The same where there must be one. Raises HttpFault FORBIDDEN and Refusal USER_NOT_FOUND."""
    user = permitted(call, name, scope)
    return call.engine.ledger.find_user(name) if user is None else user


def check_party(call: Call, user_ids: Collection[int], code: RefusalCode) -> None:
    """Operators with READ pass, and these users: the parties of what is read. Raises Refusal `code` to others, just as where there is nothing."""
    if not call.principal.is_user:
        call.principal.require(Scope.READ)
    elif call.principal.user_id not in user_ids:
        raise Refusal(code)


def tells_balance(call: Call, user_id: int) -> bool:
    """Whether a user's balance may be told to who asks: a logged-in user is told no balance but its own."""
    return call.principal.user_id in (None, user_id)
