"""Instants: microseconds since 1970 UTC inside, RFC 3339 with `Z` and six decimals outside. Integers all the way."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

Instant = Annotated[
    str,
    msgspec.Meta(
        description="RFC 3339, UTC, microseconds.",
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z",
        extra_json_schema={"format": "date-time"},
    ),
]
"""An instant of an answer, made by `rfc3339`."""

InstantAsked = Annotated[
    str,
    msgspec.Meta(
        description="RFC 3339 with a zone, and at most six decimals.", extra_json_schema={"format": "date-time"}
    ),
]
"""An instant of a request; read it with `microseconds`."""

SECOND_US: Final = 1_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)


class _Latest:
    """The instant formatted last, and its second: what is answered together shares the one, what follows the other."""

    __slots__ = ("at_us", "number", "second", "text")

    def __init__(self) -> None:
        self.at_us = -1
        self.text = ""
        self.number = -1
        self.second = ""


_latest: Final = _Latest()


def rfc3339(at_us: int) -> str:
    """The instant as text, such as `2026-01-31T09:30:00.000001Z`."""
    if at_us != _latest.at_us:
        number, microseconds = divmod(at_us, SECOND_US)
        if number != _latest.number:
            _latest.second = (_EPOCH + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.")
            _latest.number = number
        _latest.text = f"{_latest.second}{microseconds:06d}Z"
        _latest.at_us = at_us
    return _latest.text


def microseconds(text: str) -> int:
    """The instant that an RFC 3339 text names. Raises ValueError: a zone is needed, and no more than six decimals are."""
    if _INSTANT.fullmatch(text) is None:
        raise ValueError("not an RFC 3339 instant with at most six decimals")
    return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND
