"""Problems: how a refusal or an HTTP-level fault is answered (RFC 9457), and the page that explains each code.

One table, STATUS, maps every code to a status; a dialect that answers otherwise overlays its own differences (`Dialect`). A problem says what its reader may
do, and nothing of the server's inside.
"""

import html
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from ..engine.refusals import ADVICE as REFUSAL_ADVICE
from ..engine.refusals import Advice, Refusal, RefusalCode


class HttpCode(StrEnum):
    """Faults of a request that never reach the engine."""

    MALFORMED_REQUEST = "malformed_request"
    BODY_NOT_JSON = "body_not_json"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    EXPECTATION_FAILED = "expectation_failed"
    REQUEST_TIMEOUT = "request_timeout"
    RATE_LIMITED = "rate_limited"
    INTERNAL_ERROR = "internal_error"


ADVICE: Final[dict[str, Advice]] = {
    **{str(code): advice for code, advice in REFUSAL_ADVICE.items()},
    HttpCode.MALFORMED_REQUEST: Advice(
        "Malformed request", "The bytes are not HTTP as this server reads it; check the client.", False
    ),
    HttpCode.BODY_NOT_JSON: Advice(
        "Body is not JSON", "Send one JSON object in UTF-8, without a byte order mark.", False
    ),
    HttpCode.UNSUPPORTED_MEDIA_TYPE: Advice(
        "Unsupported media type", "Send the body as Content-Type: application/json, without content coding.", False
    ),
    HttpCode.BODY_TOO_LARGE: Advice("Body is too large", "Send less in one request; split a batch.", False),
    HttpCode.UNAUTHENTICATED: Advice(
        "Not authenticated", "Send an API key or a login token in the Authorization header.", False
    ),
    HttpCode.FORBIDDEN: Advice(
        "Not allowed", "Use a key with the scope that is named, or the login of the user whose money it is.", False
    ),
    HttpCode.NOT_FOUND: Advice("Not found", "Check the path: there is nothing here.", False),
    HttpCode.METHOD_NOT_ALLOWED: Advice("Method not allowed", "Use one of the methods in the Allow header.", False),
    HttpCode.EXPECTATION_FAILED: Advice("Expectation failed", "Send no Expect header but 100-continue.", False),
    HttpCode.REQUEST_TIMEOUT: Advice(
        "Request timed out", "The body did not arrive in time. Nothing was changed; send it again.", True
    ),
    HttpCode.RATE_LIMITED: Advice(
        "Too many requests", "Wait as long as Retry-After says and send the request again.", True
    ),
    HttpCode.INTERNAL_ERROR: Advice(
        "Internal error",
        "Send the request again with the same idempotency key; give the request_id to the operator.",
        True,
    ),
}

STATUS: Final[dict[str, int]] = {
    RefusalCode.INVALID_REQUEST: 422,
    RefusalCode.AMOUNT_NOT_POSITIVE: 422,
    RefusalCode.AMOUNT_BELOW_MINIMUM: 422,
    RefusalCode.AMOUNT_ABOVE_MAXIMUM: 422,
    RefusalCode.BALANCE_OVERFLOW: 422,
    RefusalCode.LEGS_UNBALANCED: 422,
    RefusalCode.SAME_WALLET: 422,
    RefusalCode.ASSET_MISMATCH: 422,
    RefusalCode.INSUFFICIENT_BALANCE: 422,
    RefusalCode.ASSET_NOT_TRANSFERABLE: 422,
    RefusalCode.ASSET_INACTIVE: 422,
    RefusalCode.WALLET_FROZEN: 422,
    RefusalCode.WALLET_CLOSED: 422,
    RefusalCode.WALLET_NOT_EMPTY: 422,
    RefusalCode.WALLET_IS_TREASURY: 422,
    RefusalCode.USER_NOT_FOUND: 404,
    RefusalCode.WALLET_NOT_FOUND: 404,
    RefusalCode.ASSET_NOT_FOUND: 404,
    RefusalCode.TRANSFER_NOT_FOUND: 404,
    RefusalCode.TRANSACTION_NOT_FOUND: 404,
    RefusalCode.USER_EXISTS: 409,
    RefusalCode.WALLET_EXISTS: 409,
    RefusalCode.ASSET_EXISTS: 409,
    RefusalCode.IDEMPOTENCY_KEY_REUSED: 422,
    RefusalCode.OVERLOADED: 503,
    RefusalCode.READ_ONLY: 503,
    RefusalCode.STOPPING: 503,
    RefusalCode.OUTCOME_UNKNOWN: 503,
    HttpCode.MALFORMED_REQUEST: 400,
    HttpCode.BODY_NOT_JSON: 400,
    HttpCode.UNSUPPORTED_MEDIA_TYPE: 415,
    HttpCode.BODY_TOO_LARGE: 413,
    HttpCode.UNAUTHENTICATED: 401,
    HttpCode.FORBIDDEN: 403,
    HttpCode.NOT_FOUND: 404,
    HttpCode.METHOD_NOT_ALLOWED: 405,
    HttpCode.EXPECTATION_FAILED: 417,
    HttpCode.REQUEST_TIMEOUT: 408,
    HttpCode.RATE_LIMITED: 429,
    HttpCode.INTERNAL_ERROR: 500,
}
"""Code → status, as `/v1` answers it."""

RETRY_AFTER_S: Final[dict[str, int]] = {
    RefusalCode.OVERLOADED: 1,
    RefusalCode.READ_ONLY: 5,
    RefusalCode.STOPPING: 5,
    RefusalCode.OUTCOME_UNKNOWN: 5,
    HttpCode.RATE_LIMITED: 1,
}
"""Codes answered with Retry-After, and its seconds where the fault names none."""

assert set(STATUS) == set(ADVICE) == {*RefusalCode, *HttpCode}


class HttpFault(Exception):
    """A request cannot be served as it is; `headers` go onto the answer."""

    def __init__(
        self, code: HttpCode, detail: str, *, headers: Mapping[str, str] | None = None, index: int | None = None
    ) -> None:
        self.code = code
        self.detail = detail
        self.index = index
        self.headers = headers or {}
        super().__init__(detail)


class Field(msgspec.Struct, frozen=True):
    """One bad member: a JSON pointer (RFC 6901) into the body, or `/name` of a query parameter or header, and a sentence."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem detail (RFC 9457). `code` is stable: switch on it; `request_id` finds the request in the server's log; the problem
    of a batch's item has none, so that a repetition is answered with the same bytes."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str | None = None
    errors: list[Field] = []
    index: int | None = None
    """Of an atomic batch: the item that failed first."""
    error: str | None = None
    """Of an insufficient balance: says so, for clients that look for this member; the four below come with it."""
    current_balance: Any = None
    required_amount: Any = None
    asset: str | None = None
    scale: int | None = None


Legacy = Callable[[Problem, Refusal | HttpFault], Mapping[str, Any]]
"""The members that a dialect's errors carry beside the problem's own."""


def _no_legacy(problem: Problem, fault: Refusal | HttpFault) -> Mapping[str, Any]:
    return {}


AmountForm = Callable[[int, int], Any]
"""(amount in minor units, scale) → the amount as an API answers it."""


def minor_text(amount_minor: int, scale: int) -> str:
    """The native API's form: minor units as a string."""
    return str(amount_minor)


class Dialect(msgspec.Struct, frozen=True):
    """How one API answers: `statuses` holds its differences from STATUS, `amount` is its form of amounts, `legacy` adds its own members to errors."""

    name: str
    statuses: Mapping[str, int] = {}
    amount: AmountForm = minor_text
    legacy: Legacy = _no_legacy

    def status(self, code: str) -> int:
        """The status that this dialect answers a code with."""
        return self.statuses.get(code) or STATUS[code]


V1: Final = Dialect("v1")

_encode: Final = msgspec.json.Encoder().encode


def problem_of(dialect: Dialect, fault: Refusal | HttpFault, instance: str, request_id: str | None) -> Problem:
    """The problem that a fault is answered with."""
    code = str(fault.code)
    members: dict[str, Any] = {}
    if isinstance(fault, Refusal):
        members = _refusal_members(dialect, fault, instance)
    elif fault.index is not None:
        members = {"index": fault.index}
    return Problem(
        type=f"/problems/{code}",
        title=ADVICE[code].title,
        # Of an atomic batch the request is what cannot be done, whatever its first bad item lacks.
        status=STATUS[RefusalCode.INVALID_REQUEST] if "index" in members else dialect.status(code),
        detail=fault.detail,
        instance=instance,
        code=code,
        request_id=request_id,
        **members,
    )


_AMOUNT_FAULTS: Final[dict[RefusalCode, str]] = {
    RefusalCode.AMOUNT_NOT_POSITIVE: "must be above zero",
    RefusalCode.AMOUNT_BELOW_MINIMUM: "is below the asset's min_amount",
    RefusalCode.AMOUNT_ABOVE_MAXIMUM: "is above the asset's max_amount",
    RefusalCode.BALANCE_OVERFLOW: "would take a balance past 2^63-1",
}
"""What is wrong with an amount that only the engine could judge."""


def _amount_pointer(instance: str) -> str:
    """Where the amount stands in the request to that path; an item of a batch is named by the fragment."""
    path, _, item = instance.partition("#")
    return "/legs" if path == "/v1/transactions" else f"{item}/amount"


def _refusal_members(dialect: Dialect, refusal: Refusal, instance: str) -> dict[str, Any]:
    fields = refusal.fields
    if not fields and refusal.code in _AMOUNT_FAULTS:
        fields = ((_amount_pointer(instance), _AMOUNT_FAULTS[refusal.code]),)
    members: dict[str, Any] = {"errors": [Field(pointer, detail) for pointer, detail in fields]}
    facts = refusal.facts
    if "index" in facts:
        members["index"] = facts["index"]
    if refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED:
        differs = "differs from the first request with this key"
        members["errors"] = [Field(f"/{name}", differs) for name in facts.get("members", ())]
    if refusal.code is RefusalCode.INSUFFICIENT_BALANCE:
        members["error"] = ADVICE[refusal.code].title
        members["current_balance"] = dialect.amount(facts["available_minor"], facts["scale"])
        members["required_amount"] = dialect.amount(facts["required_minor"], facts["scale"])
        members["asset"], members["scale"] = facts["asset"], facts["scale"]
    return members


def problem_body(dialect: Dialect, problem: Problem, fault: Refusal | HttpFault) -> bytes:
    """The problem as JSON, with the dialect's own members."""
    legacy = dialect.legacy(problem, fault)
    if not legacy:
        return _encode(problem)
    own = {name: value for name, value in msgspec.structs.asdict(problem).items() if value is not None and value != []}
    return _encode({**own, **legacy})


PAGE_HEADERS: Final[dict[str, str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "public, max-age=3600",
}
"""What every page of HTML is sent with."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}</style>
</head>
<body>
<h1>{title}</h1>
<p><code>{code}</code>, status {status} in the native API</p>
<h2>What may be done</h2>
<p>{remedy}</p>
<h2>Does a retry help?</h2>
<p>{retry}</p>
</body>
</html>
"""


def page(code: str) -> bytes | None:
    """The page of a code, or None if there is no such code."""
    advice = ADVICE.get(code)
    if advice is None:
        return None
    return _PAGE.format(
        title=html.escape(advice.title),
        code=html.escape(code),
        status=STATUS[code],
        remedy=html.escape(advice.remedy),
        retry="The same request may succeed later."
        if advice.retry_helps
        else "No: the same request will be refused again.",
    ).encode()
