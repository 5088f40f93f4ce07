"""Records: what happened, as written to the journal. The record is the single commit point of an operation.

A record holds everything needed to apply it: nothing is looked up, drawn or computed again at replay. Its body is JSON
that any tool can read. Numbers inside are the ledger's own: users, wallets, transactions and entries are numbered from 1 in order of
creation, over the whole ledger, without gaps. Amounts are signed integers in minor units.
"""

import hashlib
from typing import Any, Final

import msgspec


class AssetCreated(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A new asset; its Treasury is among the same record's `wallets`."""

    id: int
    code: str
    name: str
    scale: int
    transferable: bool
    min_amount: int
    max_amount: int
    treasury: int
    aliases: tuple[str, ...] = ()
    active: bool = True


class UserCreated(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A new user. `id` is its number."""

    id: int
    external_id: str | None = None
    username: str | None = None
    email: str | None = None
    phone_number: str | None = None
    name: str | None = None


class UserUpdated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The changeable members of a user, all of them, as they are from now on."""

    id: int
    username: str | None
    email: str | None
    phone_number: str | None
    name: str | None


class WalletOpened(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A new wallet. `user_id` 0 is the system: the wallet is its asset's Treasury."""

    number: int
    id: str
    user_id: int
    asset: int


class WalletChanged(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What may move in a wallet from now on."""

    number: int
    debits_frozen: bool = False
    credits_frozen: bool = False
    closed: bool = False
    reason: str | None = None


class Movement(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One movement's description; its legs carry its offset. `receipt`: one is to be written for it."""

    type: str
    description: str | None = None
    category: str | None = None
    reference: str | None = None
    metadata: dict[str, Any] | None = None
    receipt: bool = False


class Leg(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """One side of a movement: an entry of a wallet. Written as an array, in this order.

    movement: offset of its movement in the record: the transaction's number is `first_transaction + movement`.
    wallet: number. amount: signed, positive is a credit. balance_after: the wallet's posted balance with this leg.
    ordinal: 1 for the wallet's first entry, then without gaps. previous: number of the wallet's previous entry, 0 for none.
    The entry's own number is `first_entry` plus the leg's index in the record.
    """

    movement: int
    wallet: int
    amount: int
    balance_after: int
    ordinal: int
    previous: int


class ItemRefused(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A batch's item that was refused: kept so that the same key gives the same answer."""

    index: int
    code: str
    detail: str
    facts: dict[str, Any] = {}


class KeyBound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The idempotency key that this record's effect is bound to. `request`: member → its value, or its digest where long."""

    scope: str
    key: str
    request: dict[str, str]


class Body(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """The effects of one operation; `apply` takes them in this order."""

    assets: tuple[AssetCreated, ...] = ()
    users: tuple[UserCreated, ...] = ()
    user_changes: tuple[UserUpdated, ...] = ()
    wallets: tuple[WalletOpened, ...] = ()
    wallet_changes: tuple[WalletChanged, ...] = ()
    first_transaction: int = 0
    first_entry: int = 0
    movements: tuple[Movement, ...] = ()
    legs: tuple[Leg, ...] = ()
    refusals: tuple[ItemRefused, ...] = ()
    key: KeyBound | None = None


ASSET_CREATED: Final = "asset_created"
USER_CREATED: Final = "user_created"
USER_UPDATED: Final = "user_updated"
WALLET_OPENED: Final = "wallet_opened"
WALLET_FROZEN: Final = "wallet_frozen"
WALLET_UNFROZEN: Final = "wallet_unfrozen"
WALLET_CLOSED: Final = "wallet_closed"
MOVED: Final = "moved"
OPENED_AND_MOVED: Final = "opened_and_moved"

KINDS: Final = frozenset(
    {
        ASSET_CREATED,
        USER_CREATED,
        USER_UPDATED,
        WALLET_OPENED,
        WALLET_FROZEN,
        WALLET_UNFROZEN,
        WALLET_CLOSED,
        MOVED,
        OPENED_AND_MOVED,
    }
)
"""Every kind of record and what its body may hold. A change of meaning takes a new kind; an unknown one is refused at start.

asset_created: assets, wallets · user_created: users, wallets · user_updated: user_changes · wallet_opened: wallets ·
wallet_frozen, wallet_unfrozen, wallet_closed: wallet_changes · moved: movements, legs, refusals, key ·
opened_and_moved: the same with users, wallets.
"""


def entry_type(movement_type: str, amount: int) -> str:
    """The type of one entry: `transfer` and `transaction` say their direction (`transfer_in`, `transaction_out`), others are the movement's."""
    if movement_type in ("transfer", "transaction"):
        return f"{movement_type}_in" if amount > 0 else f"{movement_type}_out"
    return movement_type


class Record(msgspec.Struct, frozen=True, gc=False):
    """One operation. `seq` counts from 1 without gaps; `at` is microseconds since 1970 UTC and never falls."""

    seq: int
    at: int
    kind: str
    body: Body


class Row(msgspec.Struct, frozen=True, gc=False):
    """A record as stored: its body as UTF-8 JSON, and the chain value over the row before and this one."""

    seq: int
    at: int
    kind: str
    body: bytes
    chain: bytes


GENESIS: Final = bytes(32)
"""The chain value before the first record."""

_encode_body = msgspec.json.Encoder().encode
_decode_body = msgspec.json.Decoder(Body).decode


def chained(previous: bytes, seq: int, at: int, kind: str, body: bytes) -> bytes:
    """The chain value of a row: SHA-256 over the previous value, the row's columns and its body."""
    return hashlib.sha256(b"%b%d|%d|%b|%b" % (previous, seq, at, kind.encode(), body)).digest()


def encode(record: Record, previous: bytes) -> Row:
    """The row of a record that follows the row whose chain value is `previous`."""
    body = _encode_body(record.body)
    return Row(record.seq, record.at, record.kind, body, chained(previous, record.seq, record.at, record.kind, body))


class BrokenJournal(Exception):
    """A stored row is not what was once written: it names the record. The server refuses to start on it."""

    def __init__(self, seq: int, what: str) -> None:
        self.seq = seq
        super().__init__(f"journal record {seq}: {what}")


def decode(row: Row, previous: bytes) -> Record:
    """The record of a row that follows the chain value `previous`.

    Raises BrokenJournal, naming the record, if the chain does not match, the kind is unknown or the body unreadable.
    """
    if chained(previous, row.seq, row.at, row.kind, row.body) != row.chain:
        raise BrokenJournal(row.seq, "the chain is broken: this row, or the one before it, is not the one once written")
    return decode_unchained(row)


def decode_unchained(row: Row) -> Record:
    """The record of a row that needs no chain check: one that was just read back by number. Raises BrokenJournal."""
    if row.kind not in KINDS:
        raise BrokenJournal(row.seq, f"unknown kind {row.kind!r}: written by a newer version of walletd")
    try:
        return Record(row.seq, row.at, row.kind, _decode_body(row.body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenJournal(row.seq, f"the body cannot be read: {error}") from error
