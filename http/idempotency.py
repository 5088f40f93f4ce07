"""Idempotency keys: read from the header, scoped to the caller, the method and the route."""

import re
from typing import Any, Final

from aiohttp import web
from multidict import istr

from ..engine.commands import IdempotencyKey
from ..engine.limits import IDEMPOTENCY_KEY_LENGTH_MAX
from .decoding import refuse_fields

HEADER: Final = istr("Idempotency-Key")

_BARE: Final = re.compile(rf"[!-~]{{1,{IDEMPOTENCY_KEY_LENGTH_MAX}}}", re.ASCII)
_QUOTED: Final = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])*)"', re.ASCII)
_ESCAPED: Final = re.compile(r"\\(.)")


def caller_of(request: web.BaseRequest) -> str:
    """Whose keys these are."""
    return "anonymous"


def key_text(header: str) -> str:
    """The key in a header's value, bare or as a quoted string. Raises Refusal INVALID_REQUEST."""
    text: str | None = header
    if header[:1] == '"':
        quoted = _QUOTED.fullmatch(header)
        text = _ESCAPED.sub(r"\1", quoted[1]) if quoted is not None else None
    if text is None or _BARE.fullmatch(text) is None:
        sentence = f"must be 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters, bare or as a quoted string"
        raise refuse_fields([("/Idempotency-Key", sentence)])
    return text


def key_of(request: web.BaseRequest, scope: str, members: dict[str, Any]) -> IdempotencyKey:
    """The key that the request brings for `scope` (`METHOD route`), with the members that a repetition is compared by.

    `members` are in canonical form: amounts as digits, ids in lower case, what is not given left out.
    """
    headers = request.headers.getall(HEADER)
    if len(headers) > 1:
        raise refuse_fields([("/Idempotency-Key", "is given more than once")])
    return IdempotencyKey(f"{caller_of(request)}|{scope}", key_text(headers[0]), members)
