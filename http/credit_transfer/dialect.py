"""How the credit transfer API answers errors: a bad field with 400 and a member of its own, `{field: [message, …]}`, as its framework does."""

from collections.abc import Mapping
from typing import Any, Final

from ...engine.refusals import Refusal
from ..amounts import decimal_text
from ..dialects import STATUSES_INVALID_400
from ..problem import Dialect, HttpFault, Problem

NON_FIELD: Final = "non_field_errors"
"""Where faults of a body as a whole go."""

_OWN: Final = frozenset(Problem.__struct_fields__)


def _legacy(problem: Problem, fault: Refusal | HttpFault) -> Mapping[str, Any]:
    members: dict[str, list[str]] = {}
    for field in problem.errors:
        name = field.pointer[1:].partition("/")[0]
        if not name or name in _OWN:
            name = NON_FIELD
        members.setdefault(name, []).append(f"{field.detail[:1].upper()}{field.detail[1:]}.")
    return members


CREDIT_TRANSFER: Final = Dialect("credit_transfer", STATUSES_INVALID_400, decimal_text, _legacy)
