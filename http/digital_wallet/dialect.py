"""How the digital wallet answers errors: a bad field with 422, and `error` with the title in each problem."""

from collections.abc import Mapping
from typing import Any, Final

from ...engine.refusals import Refusal
from ..amounts import decimal_number
from ..dialects import STATUSES
from ..problem import Dialect, HttpFault, Problem


def _legacy(problem: Problem, fault: Refusal | HttpFault) -> Mapping[str, Any]:
    return {"error": problem.title}


DIGITAL_WALLET: Final = Dialect("digital_wallet", STATUSES, decimal_number, _legacy)
