"""Amounts, read and written on their digits: never through a float, never rounded.

Inside, an amount is an integer in minor units of its asset. Requests bring it as raw JSON, so that the very digits are seen: `minor_units` and
`signed_minor_units` read the native API's integers, `major_units` the decimals of the dialects. The formatters are their inverses.
"""

from typing import Annotated, Any, Final, NoReturn, cast

import msgspec

from ..engine.limits import AMOUNT_MAX
from ..engine.refusals import Refusal, RefusalCode

AMOUNT_LENGTH_MAX: Final = 64
"""Characters of an amount, leading zeros included."""

MinorUnits = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description="Integer minor units of the asset: a JSON integer or a string of digits.",
        extra_json_schema={
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": AMOUNT_MAX},
                {"type": "string", "maxLength": AMOUNT_LENGTH_MAX, "pattern": "^0*[1-9][0-9]{0,18}$"},
            ],
            "x-amount": "minor",
        },
    ),
]
"""A positive amount of a request, kept as the bytes that came; read it with `minor_units`."""

SignedMinorUnits = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description="Integer minor units of the asset, negative for a debit: a JSON integer or a string of digits.",
        extra_json_schema={
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": AMOUNT_MAX},
                {"type": "integer", "minimum": -AMOUNT_MAX, "maximum": -1},
                {"type": "string", "maxLength": AMOUNT_LENGTH_MAX, "pattern": "^-?0*[1-9][0-9]{0,18}$"},
            ],
            "x-amount": "signed",
        },
    ),
]
"""A signed amount of a leg; read it with `signed_minor_units`."""

MinorText = Annotated[
    str,
    msgspec.Meta(
        description="Integer minor units of the asset, as a string of digits.",
        pattern=r"^(0|-?[1-9][0-9]{0,18})\Z",
    ),
]
"""An amount of an answer in minor units."""

MajorUnits = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description="A decimal of the asset's major units, above zero: a JSON number or a decimal string, without exponent.",
        extra_json_schema={
            "oneOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^[0-9]{1,64}(\.[0-9]{1,18})?$"},
            ],
            "x-amount": "major",
        },
    ),
]
"""A positive amount of a request in major units, kept as the bytes that came; read it with `major_units`."""

DecimalNumber = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description="Major units with all the asset's decimals, as a JSON number: 150.50.",
        extra_json_schema={"type": "number"},
    ),
]
"""An amount of an answer, made by `decimal_number`."""

DecimalText = Annotated[
    str,
    msgspec.Meta(
        description="Major units with all the asset's decimals, as a string: 100.00.",
        pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]{1,18})?\Z",
    ),
]
"""The same as a string, made by `decimal_text`."""


NOT_GIVEN: Final = cast(msgspec.Raw, msgspec.UNSET)
"""Stands for a raw member that the request leaves out; `is_given` tells."""


def is_given(raw: msgspec.Raw) -> bool:
    """Whether an optional raw member is there, and not null."""
    return raw is not NOT_GIVEN and bytes(raw) != b"null"


def minor_units(raw: bytes | msgspec.Raw, pointer: str = "/amount") -> int:
    """The amount above zero that raw JSON says: an integer, or a string of ASCII digits, and nothing else.

    Raises Refusal AMOUNT_NOT_POSITIVE, AMOUNT_ABOVE_MAXIMUM (past 2^63-1) or INVALID_REQUEST, naming `pointer`.
    """
    digits = bytes(raw)
    if digits[:1] == b'"':
        digits = digits[1:-1]
    if not digits.isdigit():
        digits = _unquoted(bytes(raw), pointer)
        if not digits.isdigit():
            if digits[:1] == b"-" and digits[1:].isdigit():
                _refuse_not_positive(pointer)
            _refuse(pointer, "must be an integer of minor units: a JSON integer or a string of digits")
    return _positive(digits, pointer)


def signed_minor_units(raw: bytes | msgspec.Raw, pointer: str = "/amount") -> int:
    """The amount of a leg that raw JSON says: as `minor_units` reads it, with a leading `-` for a debit; zero is refused."""
    digits = bytes(raw)
    if digits[:1] == b'"':
        digits = _unquoted(digits, pointer)
    negative = digits[:1] == b"-"
    if negative:
        digits = digits[1:]
    if not digits.isdigit():
        _refuse(pointer, "must be an integer of minor units, with a leading - for a debit")
    if not digits.strip(b"0"):
        _refuse(pointer, "must not be zero")
    amount = _positive(digits, pointer)
    return -amount if negative else amount


def major_units(raw: bytes | msgspec.Raw, scale: int, pointer: str = "/amount") -> int:
    """The minor units of a decimal amount in major units, given as a JSON number or a decimal string of at most `scale` decimals.

    Raises Refusal AMOUNT_NOT_POSITIVE, AMOUNT_ABOVE_MAXIMUM (past 2^63-1) or INVALID_REQUEST, naming `pointer`.
    """
    whole, decimals = check_decimal(raw, pointer)
    if len(decimals) > scale:
        _refuse(pointer, f"has {len(decimals)} decimals; this asset has {scale}")
    return _positive(whole + decimals + b"0" * (scale - len(decimals)), pointer)


def check_decimal(raw: bytes | msgspec.Raw, pointer: str = "/amount") -> tuple[bytes, bytes]:
    """The digits before and after the point of a decimal that has no minus, whatever its asset.

    Raises Refusal AMOUNT_NOT_POSITIVE or INVALID_REQUEST, naming `pointer`.
    """
    text = bytes(raw)
    if text[:1] == b'"':
        text = _unquoted(text, pointer)
    negative = text[:1] == b"-"
    whole, point, decimals = text[negative:].partition(b".")
    if not whole.isdigit() or (point and not decimals.isdigit()):
        _refuse(pointer, "must be a plain decimal number, such as 10 or 10.50")
    if negative:
        _refuse_not_positive(pointer)
    return whole, decimals


def decimal_text(amount_minor: int, scale: int) -> str:
    """Minor units as a decimal of major units with all its decimals: (10000, 2) is `100.00`."""
    digits = str(amount_minor)
    if amount_minor < 0 or len(digits) <= scale:  # seldom: to format with a width costs twice as much
        digits = f"{amount_minor:0{scale + 1 + (amount_minor < 0)}d}"
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits


def decimal_number(amount_minor: int, scale: int) -> msgspec.Raw:
    """The same as a JSON number, to be embedded in an answer: (15050, 2) is `150.50`."""
    return msgspec.Raw(decimal_text(amount_minor, scale))


def _unquoted(text: bytes, pointer: str) -> bytes:
    """The content of a JSON string, as bytes; of anything else, the text itself."""
    if text[:1] != b'"':
        return text
    if b"\\" not in text:
        return text[1:-1]
    try:
        content: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        _refuse(pointer, "must be a string of digits")
    assert isinstance(content, str)
    return content.encode()


def _positive(digits: bytes, pointer: str) -> int:
    if len(digits) > AMOUNT_LENGTH_MAX:
        _refuse(pointer, f"has more than {AMOUNT_LENGTH_MAX} digits")
    amount = int(digits)
    if amount == 0:
        _refuse_not_positive(pointer)
    if amount > AMOUNT_MAX:
        sentence = "is above 2^63-1 minor units"
        raise Refusal(RefusalCode.AMOUNT_ABOVE_MAXIMUM, f"{pointer} {sentence}.", fields=((pointer, sentence),))
    return amount


def _refuse(pointer: str, sentence: str) -> NoReturn:
    raise Refusal(RefusalCode.INVALID_REQUEST, f"{pointer} {sentence}.", fields=((pointer, sentence),))


def _refuse_not_positive(pointer: str) -> NoReturn:
    sentence = "must be above zero"
    raise Refusal(RefusalCode.AMOUNT_NOT_POSITIVE, f"{pointer} {sentence}.", fields=((pointer, sentence),))
