"""Whatever is written reads back as it was, and whatever was changed shows."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walletd.engine.idempotency import bound_request, differing_members
from walletd.engine.limits import AMOUNT_MAX
from walletd.engine.records import (
    GENESIS,
    KINDS,
    AssetCreated,
    Body,
    BrokenJournal,
    ItemRefused,
    KeyBound,
    Leg,
    Movement,
    Record,
    Row,
    UserCreated,
    UserUpdated,
    WalletChanged,
    WalletOpened,
    decode,
    encode,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(0, AMOUNT_MAX)
AMOUNTS = st.integers(-AMOUNT_MAX, AMOUNT_MAX)
MAYBE = st.none() | TEXTS
JSON = st.recursive(
    st.none() | st.booleans() | AMOUNTS | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)  # fmt: skip
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)


def several(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """A short tuple."""
    return st.lists(of, max_size=3).map(tuple)


BODIES = st.builds(
    Body,
    assets=several(
        st.builds(
            AssetCreated, NUMBERS, TEXTS, TEXTS, st.integers(0, 18), st.booleans(), NUMBERS, NUMBERS, NUMBERS, several(TEXTS), st.booleans()
        )
    ),
    users=several(st.builds(UserCreated, NUMBERS, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE)),
    user_changes=several(st.builds(UserUpdated, NUMBERS, MAYBE, MAYBE, MAYBE, MAYBE)),
    wallets=several(st.builds(WalletOpened, NUMBERS, TEXTS, NUMBERS, NUMBERS)),
    wallet_changes=several(st.builds(WalletChanged, NUMBERS, st.booleans(), st.booleans(), st.booleans(), MAYBE)),
    first_transaction=NUMBERS,
    first_entry=NUMBERS,
    movements=several(st.builds(Movement, TEXTS, MAYBE, MAYBE, MAYBE, st.none() | OBJECTS)),
    legs=several(st.builds(Leg, NUMBERS, NUMBERS, AMOUNTS, AMOUNTS, NUMBERS, NUMBERS)),
    refusals=several(st.builds(ItemRefused, NUMBERS, TEXTS, TEXTS, OBJECTS)),
    key=st.none() | st.builds(KeyBound, TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3)),
)  # fmt: skip
RECORDS = st.builds(Record, st.integers(1, AMOUNT_MAX), NUMBERS, st.sampled_from(sorted(KINDS)), BODIES)
CHAINS = st.binary(min_size=32, max_size=32)


@given(RECORDS, CHAINS)
def test_a_record_reads_back_as_it_was_written(record: Record, previous: bytes) -> None:
    row = encode(record, previous)

    assert decode(row, previous) == record
    assert encode(decode(row, previous), previous) == row


def decode_all(rows: list[Row]) -> None:
    """Read rows in order, as a start does."""
    chain = GENESIS
    for row in rows:
        decode(row, chain)
        chain = row.chain


@given(st.lists(BODIES, min_size=2, max_size=5), st.data())
def test_a_row_that_is_changed_dropped_or_moved_breaks_the_chain(bodies: list[Body], data: st.DataObject) -> None:
    rows: list[Row] = []
    for index, body in enumerate(bodies):
        rows.append(encode(Record(index + 1, 0, "moved", body), rows[-1].chain if rows else GENESIS))
    at = data.draw(st.integers(0, len(rows) - 1))
    how = data.draw(st.sampled_from(["bit", "time", "drop", "swap"]))
    if how == "bit":
        place = data.draw(st.integers(0, len(rows[at].body) - 1))
        changed = bytearray(rows[at].body)
        changed[place] ^= 1 << data.draw(st.integers(0, 7))
        rows[at] = msgspec.structs.replace(rows[at], body=bytes(changed))
    elif how == "time":
        rows[at] = msgspec.structs.replace(rows[at], at=rows[at].at + 1)
    elif how == "drop":
        at = min(at, len(rows) - 2)
        del rows[at]
    else:
        at = min(at, len(rows) - 2)
        rows[at], rows[at + 1] = rows[at + 1], rows[at]

    with pytest.raises(BrokenJournal) as caught:
        decode_all(rows)

    assert caught.value.seq == rows[at].seq


@given(OBJECTS, OBJECTS)
def test_bound_requests_differ_in_exactly_the_members_that_differ(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    members = differing_members(bound_request(first), bound_request(second))

    absent = object()
    texts = [
        {name: msgspec.json.encode(value, order="deterministic") for name, value in each.items()}
        for each in (first, second)
    ]
    assert members == sorted(
        name for name in first.keys() | second.keys() if texts[0].get(name, absent) != texts[1].get(name, absent)
    )
    assert bound_request(dict(reversed(first.items()))) == bound_request(first)
