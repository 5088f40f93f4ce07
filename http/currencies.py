"""Fiat currencies: ISO 4217's numeric codes are the ids of their assets, and its minor units their scales."""

from typing import Final

import msgspec
from iso4217 import Currency


class Fiat(msgspec.Struct, frozen=True):
    """One currency of ISO 4217. `scale` is None where the standard gives no minor unit (metals, test codes)."""

    code: str
    number: int
    scale: int | None
    name: str


FIAT: Final[dict[str, Fiat]] = {
    currency.code: Fiat(currency.code, int(currency.number), currency.exponent, currency.currency_name)
    for currency in Currency
    if currency.number is not None
}
"""Code → currency."""

FIAT_BY_NUMBER: Final[dict[int, Fiat]] = {fiat.number: fiat for fiat in FIAT.values()}

RESERVED_ASSET_IDS: Final = frozenset(FIAT_BY_NUMBER)
"""Ids that only their own currency may have."""
