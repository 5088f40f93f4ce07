"""Records: what is written is what is read, and nothing else passes."""

import hashlib

import msgspec
import pytest

from walletd.engine.records import (
    GENESIS,
    KINDS,
    MOVED,
    Body,
    BrokenJournal,
    KeyBound,
    Leg,
    Movement,
    Record,
    Row,
    chained,
    decode,
    decode_unchained,
    encode,
    entry_type,
)

BODY = Body(
    first_transaction=3,
    first_entry=5,
    movements=(Movement("transfer", "für Öl", None, "r-1", {"a": [1, None]}),),
    legs=(Leg(0, 1, -5, 95, 2, 1), Leg(0, 2, 5, 5, 1, 0)),
    key=KeyBound("s", "k", {"amount": "5"}),
)


def a_row(seq: int = 1, at: int = 10, previous: bytes = GENESIS) -> Row:
    """A row that follows `previous`."""
    return encode(Record(seq, at, MOVED, BODY), previous)


def test_a_record_reads_back_as_it_was_written() -> None:
    assert decode(a_row(), GENESIS) == Record(1, 10, MOVED, BODY)


def test_the_body_is_json_with_defaults_left_out_and_legs_as_arrays() -> None:
    body = msgspec.json.decode(a_row().body)

    assert body["legs"] == [[0, 1, -5, 95, 2, 1], [0, 2, 5, 5, 1, 0]]
    assert set(body) == {"first_transaction", "first_entry", "movements", "legs", "key"}


def test_the_chain_is_sha256_over_the_previous_value_the_columns_and_the_body() -> None:
    assert chained(GENESIS, 1, 10, "moved", b"{}") == hashlib.sha256(GENESIS + b"1|10|moved|{}").digest()


@pytest.mark.parametrize("member", ["seq", "at", "kind", "body", "chain"])
def test_a_row_that_was_changed_in_any_column_breaks_the_chain(member: str) -> None:
    row = a_row()
    changed = {"seq": 2, "at": 11, "kind": "wallet_opened", "body": row.body.replace(b"95", b"96"), "chain": GENESIS}

    with pytest.raises(BrokenJournal, match="the chain is broken"):
        decode(msgspec.structs.replace(row, **{member: changed[member]}), GENESIS)


def test_a_row_after_another_predecessor_breaks_the_chain_and_is_named() -> None:
    with pytest.raises(BrokenJournal, match="journal record 2: the chain is broken") as caught:
        decode(a_row(2), a_row(1).chain[::-1])

    assert caught.value.seq == 2


def test_an_unknown_kind_is_refused_by_name() -> None:
    row = Row(4, 10, "moved_sideways", b"{}", chained(GENESIS, 4, 10, "moved_sideways", b"{}"))

    with pytest.raises(BrokenJournal, match="journal record 4: unknown kind 'moved_sideways'"):
        decode(row, GENESIS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"legs":[[0,1,-5,95,2]]}',
        b'{"surprise":1}',
        b'{"legs":[[0,1,1.5,95,2,1]]}',
        b'{"movements":[{"type":"t","metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    ],
    ids=["empty", "cut", "array", "not utf-8", "short leg", "unknown member", "fraction", "deep"],
)
def test_an_unreadable_body_is_refused_and_the_record_named(body: bytes) -> None:
    with pytest.raises(BrokenJournal, match="journal record 9: the body cannot be read"):
        decode_unchained(Row(9, 10, MOVED, body, GENESIS))


def test_every_kind_is_readable() -> None:
    for kind in KINDS:
        assert decode_unchained(Row(1, 1, kind, b"{}", GENESIS)) == Record(1, 1, kind, Body())


@pytest.mark.parametrize(
    ("movement", "amount", "entry"),
    [
        ("transfer", 5, "transfer_in"),
        ("transfer", -5, "transfer_out"),
        ("transaction", 5, "transaction_in"),
        ("transaction", -5, "transaction_out"),
        ("credit", 5, "credit"),
        ("credit", -5, "credit"),
        ("topup", 5, "topup"),
    ],
)
def test_only_transfers_and_transactions_say_their_direction(movement: str, amount: int, entry: str) -> None:
    assert entry_type(movement, amount) == entry
