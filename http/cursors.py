"""Cursors: opaque marks of a place in a list. One belongs to its list and its filters; with others it is refused."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from ..engine.limits import AMOUNT_MAX
from .decoding import refuse_fields

CURSOR_LENGTH_MAX: Final = 128
_DIGEST_SIZE: Final = 8


class _Mark(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    digest: str
    place: int


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Mark).decode


def _digest(listing: str, filters: Mapping[str, str]) -> str:
    text = msgspec.json.encode([listing, sorted(filters.items())])
    return hashlib.blake2b(text, digest_size=_DIGEST_SIZE).hexdigest()


def cursor(listing: str, filters: Mapping[str, str], place: int) -> str:
    """The cursor of a place in a list as filtered."""
    return base64.urlsafe_b64encode(_encode(_Mark(_digest(listing, filters), place))).rstrip(b"=").decode()


def place_of(text: str, listing: str, filters: Mapping[str, str]) -> int:
    """The place that a cursor of this list, filtered like this, marks. Raises Refusal INVALID_REQUEST."""
    try:
        if len(text) > CURSOR_LENGTH_MAX or not text.isascii():
            raise ValueError
        mark = _decode(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        raise refuse_fields([("/cursor", "is not a cursor of this server")]) from None
    if mark.digest != _digest(listing, filters) or not 0 <= mark.place <= AMOUNT_MAX:
        raise refuse_fields([("/cursor", "belongs to another list or other filters")])
    return mark.place
