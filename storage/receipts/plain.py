"""The receipt as plain text: lines of a label and its value, in UTF-8, for a terminal, an e-mail or a printer of labels."""

import textwrap
import unicodedata
from typing import Final

from ...engine.receipts import Receipt
from .wording import CHECK, STATUS, TITLE, PartyWords, words_of

WIDTH: Final = 80
"""Columns: a label's, and the 64 of a chain value."""
_LABEL: Final = 16

_ISOLATE: Final = "\u2068"
_END_ISOLATE: Final = "\u2069"


def text_of(receipt: Receipt, public_url: str) -> bytes:
    """The receipt's text. `public_url` is what its link begins with, empty for none."""
    words = words_of(receipt, public_url)
    lines = [TITLE.upper(), "=" * WIDTH, ""]
    lines += _row("Type", words.kind)
    lines += _row("Amount", words.amount)
    lines += _row("Asset", words.asset_name)
    lines += _row("Status", STATUS)
    lines += _row("Time", words.time)
    for party in (words.source, words.destination):
        lines += ["", *_party(party)]
    lines += [""]
    for label, value in words.facts:
        lines += _row(label, value)
    lines += ["", "-" * WIDTH]
    for label, value in words.proof:
        lines += _row(label, value)
    lines += _row("Link", words.link)
    lines += ["", *textwrap.wrap(CHECK, WIDTH)]
    return "\n".join([*lines, ""]).encode()


def _party(party: PartyWords) -> list[str]:
    lines = _row(party.label, party.name)
    if party.who:
        lines += _row("", party.who)
    return lines + _row("", f"wallet {party.wallet}")


def _row(label: str, value: str) -> list[str]:
    # A word is broken where it must be, and a line never: no value can look like a row of its own.
    parts = textwrap.wrap(value, WIDTH - _LABEL, break_on_hyphens=False) or [""]
    return [
        f"{name:<{_LABEL}}{_isolated(part)}".rstrip()
        for name, part in zip([label, *[""] * (len(parts) - 1)], parts, strict=True)
    ]


def _isolated(text: str) -> str:
    """A text that holds letters written from right to left, kept from turning what stands beside it."""
    if any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in text):
        return f"{_ISOLATE}{text}{_END_ISOLATE}"
    return text
