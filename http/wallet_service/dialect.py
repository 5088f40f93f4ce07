"""How the wallet service answers errors: a bad field with 400, `error` and `message` in each problem, and the wallet that there is already."""

from collections.abc import Mapping
from typing import Any, Final

from ...engine.refusals import Refusal, RefusalCode
from ...engine.wallet import Wallet
from ..amounts import decimal_number
from ..dialects import STATUSES_INVALID_400
from ..problem import Dialect, HttpFault, Problem


def _legacy(problem: Problem, fault: Refusal | HttpFault) -> Mapping[str, Any]:
    members = {"error": problem.title, "message": problem.detail}
    if isinstance(fault, Refusal) and fault.code is RefusalCode.WALLET_EXISTS:
        wallet = fault.facts["wallet"]
        assert isinstance(wallet, Wallet)
        members["walletId"] = wallet.id
    return members


WALLET_SERVICE: Final = Dialect("wallet_service", STATUSES_INVALID_400, decimal_number, _legacy)
