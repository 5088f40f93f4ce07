"""Wording: what a receipt says, in words and in order, for the text and the PDF alike.

Texts that callers chose are shown as text and as nothing else: no control or direction mark survives, no line can be begun, no name can be longer than its place.
"""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from ...engine.receipts import Party, Receipt

NAME_LENGTH_MAX: Final = 100
TEXT_LENGTH_MAX: Final = 500
KIND_LENGTH_MAX: Final = 40
MARKS_MAX: Final = 4
"""Marks that may stand on one letter; a script needs three at most."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_JOINERS: Final = "\u200c\u200d"
"""The invisible characters that spelling needs, in Persian and the scripts of India."""
_REPLACEMENT: Final = "\ufffd"

TITLE: Final = "Payment receipt"
STATUS: Final = "Completed"
CHECK: Final = (
    "The chain value is a SHA-256 over this record and every one before it. It is that of this record in the journal "
    "as long as nothing was changed there; `walletd verify` checks the whole chain."
)


class PartyWords(NamedTuple):
    """A side of the payment: its name, who that is, and its wallet."""

    label: str
    name: str
    who: str
    wallet: str


class Words(NamedTuple):
    """Everything that a receipt says. `facts` and `proof` are labels with their values, in order."""

    kind: str
    amount: str
    amount_grouped: str
    asset_name: str
    time: str
    day: str
    clock: str
    source: PartyWords
    destination: PartyWords
    facts: list[tuple[str, str]]
    proof: list[tuple[str, str]]
    ledger_id: str
    link: str


def shown(text: str, length_max: int) -> str:
    """A caller's text as it may be printed: on one line, in composed form, without controls and direction marks, cut where it is too long."""
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if char.isspace() or category[0] == "Z":
            kept.append(" ")
        elif category == "Cf":
            if char in _JOINERS:
                kept.append(char)
        elif category in ("Cc", "Cs") or ord(char) & 0xFFFE == 0xFFFE:
            kept.append(_REPLACEMENT)
        elif marks <= MARKS_MAX:
            kept.append(char)
    line = " ".join("".join(kept).split())
    return line if len(line) <= length_max else line[: length_max - 1].rstrip() + "…"


def words_of(receipt: Receipt, public_url: str) -> Words:
    """What the receipt says. `public_url` is what its link begins with, empty for none."""
    moment = _EPOCH + timedelta(microseconds=receipt.at)
    link = f"{public_url}/v1/transfers/tfr_{receipt.transaction}"
    ledger_id = f"txn_{receipt.transaction}"
    facts = [
        (label, shown(text, TEXT_LENGTH_MAX))
        for label, text in (
            ("Description", receipt.description),
            ("Category", receipt.category),
            ("Reference", receipt.reference),
        )
        if text
    ]
    facts += [
        ("Transaction", f"{receipt.source.entry} (sender), {receipt.destination.entry} (recipient)"),
        ("Ledger id", ledger_id),
    ]
    asset = shown(receipt.asset, NAME_LENGTH_MAX)
    return Words(
        kind=shown(receipt.type.replace("_", " ").capitalize(), KIND_LENGTH_MAX),
        amount=f"{_decimal(receipt.amount, receipt.scale, '')} {asset}",
        amount_grouped=f"{_decimal(receipt.amount, receipt.scale, ',')} {asset}",
        asset_name=shown(receipt.asset_name, NAME_LENGTH_MAX),
        time=moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        day=f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}",
        clock=f"{moment:%H:%M:%S} UTC",
        source=_party("From", receipt.source, asset),
        destination=_party("To", receipt.destination, asset),
        facts=facts,
        proof=[("Journal record", str(receipt.seq)), ("Chain value", receipt.chain)],
        ledger_id=ledger_id,
        link=link,
    )


_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _decimal(amount: int, scale: int, separator: str) -> str:
    whole, fraction = divmod(amount, 10**scale)
    text = f"{whole:,}".replace(",", separator)
    return f"{text}.{fraction:0{scale}d}" if scale else text


def _party(label: str, party: Party, asset: str) -> PartyWords:
    if party.user_id == 0:
        return PartyWords(label, f"Treasury of {asset}", "the system's own wallet", party.wallet_id)
    names = [shown(name or "", NAME_LENGTH_MAX) for name in (party.name, party.username, party.external_id)]
    _, username, external_id = names
    title = next((text for text in names if text), f"User {party.user_id}")
    who = [f"user {party.user_id}"] if title != f"User {party.user_id}" else []
    if username and title != username:
        who.insert(0, username)
    elif external_id and title != external_id and not username:
        who.insert(0, external_id)
    return PartyWords(label, title, ", ".join(who), party.wallet_id)
