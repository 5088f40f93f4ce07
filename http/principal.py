"""Principals: who makes a request, and what that one may see and move. Every handler asks its principal before it answers or acts.

An operator (a holder of an API key, or everyone where authentication is off) acts within its scopes on everything. A logged-in user has no scopes: it
reads and moves its own money and nothing else. What may not even be known to exist is answered 404 as if it did not; the rest 403.
"""

from typing import Final

import msgspec

from ..engine.identity import Scope
from ..engine.refusals import Refusal, RefusalCode
from ..engine.wallet import Wallet
from .problem import HttpCode, HttpFault


class Principal(msgspec.Struct, frozen=True, gc=False):
    """Who asks. `caller` is whose idempotency keys the request's are; `user_id` is the logged-in user, None for an operator."""

    caller: str
    user_id: int | None = None
    scopes: frozenset[Scope] = frozenset()

    @property
    def is_user(self) -> bool:
        """Whether it is a logged-in user, and so confined to its own money."""
        return self.user_id is not None

    def require(self, scope: Scope) -> None:
        """Operators with this scope pass. Raises HttpFault FORBIDDEN."""
        if scope not in self.scopes:
            if self.user_id is not None:
                raise forbidden("This is for operators; a user acts on its own money only.")
            raise forbidden(f"This API key does not have the scope {scope}.")

    def reads_what_is_open(self) -> None:
        """Whether it may read what every user may: an operator with READ, and any user. Raises HttpFault FORBIDDEN."""
        if self.user_id is None:
            self.require(Scope.READ)

    def require_user(self, user_id: int, scope: Scope = Scope.READ) -> None:
        """Operators with the scope pass, and that very user. Raises HttpFault FORBIDDEN; call it before looking the user up."""
        if self.user_id is None:
            self.require(scope)
        elif user_id != self.user_id:
            raise forbidden("This belongs to another user.")

    def require_login(self) -> int:
        """The logged-in user's id. Raises HttpFault FORBIDDEN for an operator, which has no money of its own."""
        if self.user_id is None:
            raise forbidden("This is for a logged-in user; an API key has no money of its own.")
        return self.user_id

    def sees_wallet(self, wallet: Wallet, named: str | None = None) -> None:
        """Whether it may read a wallet: an operator any, a user its own. `named` is the id as the request gave it.

        Raises Refusal WALLET_NOT_FOUND for another user's, just as for one that does not exist, and HttpFault FORBIDDEN for a Treasury.
        """
        if self.user_id is None:
            self.require(Scope.READ)
        else:
            self._owns(wallet, named)

    def spends_from(self, wallet: Wallet, named: str | None = None) -> None:
        """Whether it may debit a wallet: an operator with WRITE any, a user its own. Raises as `sees_wallet` does."""
        if self.user_id is None:
            self.require(Scope.WRITE)
        else:
            self._owns(wallet, named)

    def pays_into(self, wallet: Wallet) -> None:
        """Whether it may credit a wallet: an operator with WRITE any, a user any user's. Raises HttpFault FORBIDDEN for a Treasury."""
        if self.user_id is None:
            self.require(Scope.WRITE)
        elif wallet.is_treasury:
            raise forbidden(_TREASURY)

    def _owns(self, wallet: Wallet, named: str | None) -> None:
        if wallet.is_treasury:
            raise forbidden(_TREASURY)
        if wallet.user_id != self.user_id:
            raise Refusal(RefusalCode.WALLET_NOT_FOUND, f"There is no wallet {named or wallet.id!r}.")


_TREASURY: Final = "A Treasury is the operators' own."


def forbidden(detail: str) -> HttpFault:
    """The fault of a request that its principal may not make."""
    return HttpFault(HttpCode.FORBIDDEN, detail)


OPERATOR: Final = Principal("anonymous", None, frozenset(Scope))
"""Everyone, where authentication is off."""

NOBODY: Final = Principal("nobody")
"""Who asks at a public endpoint, where authentication is on."""
