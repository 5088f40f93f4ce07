"""Contracts: what an endpoint takes, answers and refuses, declared beside its route.

The OpenAPI document is made of them (`openapi/`), and the tests hold every answer against it. A contract names what is particular to its endpoint; what follows from the
method and the flags of a route (too large a body, no credentials, a stopping server, …) is added by `refusals_of`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from ..engine.limits import AMOUNT_MAX, PAGE_MAX
from ..engine.refusals import RefusalCode
from .problem import HttpCode

JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a path, a query or a request's head. `kind` is the type whose schema it has; a message with a good request shows `example`."""

    name: str
    kind: Any
    description: str
    example: Any = None
    place: str = "query"
    required: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a status means. `body` is the type of its JSON, or of a text where `media_type` says so; None is no body at all. `headers` are ones it always has;
    `also` names other media types that it may come as."""

    body: Any = None
    description: str = "Done."
    media_type: str = JSON
    headers: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What one endpoint promises.

    `answers`: by status, a type or an Answer. `takes`: the type of the body, which may be left out where `body_optional`. `refuses`: the codes that are
    particular to it. `keyed`: it takes an Idempotency-Key. `writes`: it needs the journal to take records; by default everything but a GET. `summary`:
    `atomic`: it may be all or nothing, and then answers 422 to what a single item would be answered 403 or 404. `summary`: the first sentence of the handler's docstring unless given. `tag`: the group it is shown in, its dialect unless given.
    """

    answers: Mapping[int, Any]
    takes: type[msgspec.Struct] | None = None
    body_optional: bool = False
    parameters: tuple[Parameter, ...] = ()
    refuses: tuple[str, ...] = ()
    keyed: bool = False
    atomic: bool = False
    writes: bool | None = None
    summary: str = ""
    tag: str = ""

    def answer(self, status: int) -> Answer:
        """The answer of a status."""
        found = self.answers[status]
        return found if isinstance(found, Answer) else Answer(body=found)


MOVEMENT_REFUSALS: Final = (
    RefusalCode.AMOUNT_NOT_POSITIVE,
    RefusalCode.AMOUNT_BELOW_MINIMUM,
    RefusalCode.AMOUNT_ABOVE_MAXIMUM,
    RefusalCode.BALANCE_OVERFLOW,
    RefusalCode.INSUFFICIENT_BALANCE,
    RefusalCode.ASSET_INACTIVE,
    RefusalCode.WALLET_FROZEN,
    RefusalCode.WALLET_CLOSED,
)
"""What any movement of money can be refused with."""

_BODY_REFUSALS: Final = (
    HttpCode.MALFORMED_REQUEST,
    HttpCode.BODY_NOT_JSON,
    HttpCode.REQUEST_TIMEOUT,
    HttpCode.BODY_TOO_LARGE,
    HttpCode.UNSUPPORTED_MEDIA_TYPE,
    HttpCode.EXPECTATION_FAILED,
    RefusalCode.INVALID_REQUEST,
)

IdempotencyKeyText = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[!#-~][!-~]*\Z")]

IDEMPOTENCY_KEY: Final = Parameter(
    name="Idempotency-Key",
    kind=IdempotencyKeyText,
    description="A key of the caller's choice. The same request with the same key is done once and answered alike; keys live at least 24 hours.",
    example="4f7c2d1e-order-1001",
    place="header",
)

PAGE_NUMBER_MAX: Final = 10**12
"""Far above any history, and its offset fits a signed 64-bit integer."""

PAGE: Final = Parameter(
    name="page",
    kind=Annotated[int, msgspec.Meta(ge=1, le=PAGE_NUMBER_MAX)],
    description="Which page, from 1 on; 1 by default.",
    example=1,
)
OFFSET: Final = Parameter(
    name="offset",
    kind=Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_MAX)],
    description="Rows to leave out; 0 by default.",
    example=0,
)


def limit_parameter(default: int) -> Parameter:
    """The parameter that bounds the rows of a page."""
    return Parameter(
        name="limit",
        kind=Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)],
        description=f"Rows of a page; {default} by default.",
        example=default,
    )


def refusals_of(contract: Contract, method: str, *, probe: bool, public: bool) -> tuple[str, ...]:
    """Every code that an endpoint may refuse with: its own, and those that come with what it is."""
    codes: list[str] = list(contract.refuses)
    if contract.takes is not None:
        codes += _BODY_REFUSALS
    if contract.parameters and any(parameter.place != "path" for parameter in contract.parameters):
        codes.append(RefusalCode.INVALID_REQUEST)
    if contract.keyed:
        codes += (RefusalCode.INVALID_REQUEST, RefusalCode.IDEMPOTENCY_KEY_REUSED)
    writes = method != "GET" if contract.writes is None else contract.writes
    if writes:
        codes += (RefusalCode.READ_ONLY, RefusalCode.OUTCOME_UNKNOWN)
    if not probe:
        codes += (HttpCode.RATE_LIMITED, RefusalCode.OVERLOADED, RefusalCode.STOPPING)
    if not public:
        codes += (HttpCode.UNAUTHENTICATED, HttpCode.FORBIDDEN)
    codes.append(HttpCode.INTERNAL_ERROR)
    return tuple(dict.fromkeys(map(str, codes)))
