"""What an amount is, said a second time and in another way: by `decimal` and the standard JSON decoder.

The decoders read digits; this reads numbers. Where the two differ, one of them is wrong.
"""

import json
import re
from decimal import Context, Decimal
from typing import Final, NamedTuple

from walletd.engine.limits import AMOUNT_MAX
from walletd.http.amounts import AMOUNT_LENGTH_MAX

_EXACT: Final = Context(prec=400)
_PLAIN: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)


class Token(NamedTuple):
    """A JSON number as it is written."""

    text: str


def written(raw: bytes) -> str | None:
    """The characters of a JSON number or string; None of anything else, and of what is no JSON."""
    try:
        value = json.loads(raw.decode(), parse_int=Token, parse_float=Token, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, Token):
        return value.text
    return value if isinstance(value, str) else None


def amount(raw: bytes, scale: int, *, signed: bool = False, whole: bool = False) -> int | None:
    """The minor units that raw JSON says, or None where it is to be refused.

    `signed`: below zero is an amount too. `whole`: a point is refused, whatever follows it.
    """
    text = written(raw)
    plain = None if text is None else _PLAIN.fullmatch(text)
    if plain is None or (plain[3] is not None and (whole or len(plain[3]) > scale)):
        return None
    if len(plain[2]) + scale > AMOUNT_LENGTH_MAX or (plain[1] and not signed):
        return None
    minor = _EXACT.scaleb(Decimal(plain[0]), scale)
    assert minor == minor.to_integral_value(context=_EXACT)
    return int(minor) if 0 < abs(minor) <= AMOUNT_MAX else None
