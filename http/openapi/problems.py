"""Problems in the document: their schema in each dialect, with the members of old that its errors carry, and an example of every code, made by what answers them."""

from typing import Any, Final

import msgspec

from ...engine.refusals import Refusal, RefusalCode
from ...engine.wallet import Asset, Wallet
from ..problem import ADVICE, Dialect, HttpCode, HttpFault, Problem, problem_body, problem_of
from .legacy import LEGACY
from .schemas import Schema, schema_of

SCALE: Final = 2

_FIELDS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    RefusalCode.INVALID_REQUEST: (("/amount", "is missing"),),
    RefusalCode.AMOUNT_NOT_POSITIVE: (("/amount", "must be above zero"),),
    RefusalCode.AMOUNT_ABOVE_MAXIMUM: (("/amount", "is above 2^63-1 minor units"),),
}
_ASSET: Final = Asset(840, "USD", "US Dollar", SCALE, True, 1, 10**15, (), True, 0)
_WALLET: Final = Wallet(1, "6f1c1d9e-8f0b-4c53-9d2a-0a4f5b7c8d11", 1, _ASSET, 0, 0)
_FACTS: Final[dict[str, dict[str, Any]]] = {
    RefusalCode.INSUFFICIENT_BALANCE: {
        "available_minor": 5000,
        "required_minor": 10000,
        "asset": "USD",
        "scale": SCALE,
    },
    RefusalCode.IDEMPOTENCY_KEY_REUSED: {"members": ["amount"]},
    RefusalCode.WALLET_EXISTS: {"wallet": _WALLET},
}

REQUEST_ID: Final = "b1946ac92492d234-2a"


def fault_of(code: str, index: int | None = None) -> Refusal | HttpFault:
    """A fault of this code as it may happen; with an `index`, to an item of an atomic batch."""
    if code in set(HttpCode):
        return HttpFault(HttpCode(code), f"{ADVICE[code].title}.", index=index)
    facts: dict[str, Any] = {**_FACTS.get(code, {}), **({} if index is None else {"index": index})}
    return Refusal(RefusalCode(code), fields=_FIELDS.get(code, ()), **facts)


def example(dialect: Dialect, code: str, instance: str, index: int | None = None) -> msgspec.Raw:
    """The answer to such a fault."""
    fault = fault_of(code, index)
    return msgspec.Raw(problem_body(dialect, problem_of(dialect, fault, instance, REQUEST_ID), fault))


def schema(dialect: Dialect) -> Schema:
    """The schema of a dialect's problems."""
    amount = dialect.amount(0, SCALE)
    form: Schema = {"type": "string", "pattern": r"^(0|-?[1-9][0-9]*|-?[0-9]+\.[0-9]+)$"}
    if isinstance(amount, msgspec.Raw):
        form = {"type": "number"}
    (_,), components = msgspec.json.schema_components(
        (Problem,), ref_template=f"#/components/schemas/{dialect.name}.{{name}}"
    )
    problem: Schema = components["Problem"]
    problem["properties"]["current_balance"] = {**form, "description": "What the wallet has available."}
    problem["properties"]["required_amount"] = {**form, "description": "What the movement needs."}
    problem["properties"]["code"] = {"type": "string", "enum": sorted(map(str, ADVICE))}
    legacy = LEGACY.get(dialect.name)
    if legacy is not None:
        for name, kind in legacy.members.items():
            problem["properties"][name] = schema_of(kind, dialect.name)
        problem["required"] += [name for name in legacy.always if name not in problem["required"]]
        if legacy.others is not None:
            problem["additionalProperties"] = schema_of(legacy.others, dialect.name)
    return problem
