"""Idempotency keys: read from the header, scoped to the caller, the method and the route."""

import re
from collections.abc import Mapping
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


def given(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that were given: one that is null and one that is left out are the same request."""
    return {name: value for name, value in members.items() if value is not None}


def key_of(request: web.BaseRequest, scope: str, members: dict[str, Any], in_body: str | None = None) -> IdempotencyKey:
    """The key that the request brings for `scope` (`caller|METHOD route`), with the members that a repetition is compared by.

    `members` are in canonical form: amounts as digits, ids in lower case; what is not given is left out here. `in_body` is the body's key: without one the
    header must be there, and where both are, they must be equal. Raises Refusal INVALID_REQUEST.
    """
    headers = request.headers.getall(HEADER, [])
    if len(headers) > 1:
        raise refuse_fields([("/Idempotency-Key", "is given more than once")])
    key = key_text(headers[0]) if headers else in_body
    assert key is not None
    if in_body not in (None, key):
        raise refuse_fields([("/idempotency_key", "differs from the header Idempotency-Key")])
    return IdempotencyKey(scope, key, given(members))
