"""The journal's near side: numbers without gaps, a time that never falls, groups within their bounds."""

import pytest

from walletd.engine.journal import Journal
from walletd.engine.limits import GROUP_BYTES_MAX, GROUP_MAX
from walletd.engine.memory import MemoryJournal
from walletd.engine.ports import Head
from walletd.engine.records import GENESIS, MOVED, Body, Movement, Record, decode
from walletd.tests.builders import Clock

BODY = Body(movements=(Movement("transfer"),))


def a_journal(head: Head | None = None, clock: Clock | None = None) -> Journal:
    """A journal at a head."""
    return Journal(MemoryJournal(), 1, head or Head(0, 0, GENESIS), clock or Clock(1_000))


def test_records_are_numbered_from_the_head_on_without_gaps() -> None:
    journal = a_journal(Head(7, 500, bytes(32)))

    assert [journal.stamp(MOVED, BODY).seq for _ in range(3)] == [8, 9, 10]


def test_the_time_of_a_record_never_falls_whatever_the_clock_does() -> None:
    clock = Clock(1_000)
    journal = a_journal(Head(7, 900, bytes(32)), clock)

    times = []
    for clock.now in (100, 1_000, 400, 1_001, 0):
        times.append(journal.stamp(MOVED, BODY).at)

    assert times == [900, 1_000, 1_000, 1_001, 1_001]
    assert journal.now() == 1_001


def test_a_number_given_back_is_given_out_again() -> None:
    journal = a_journal()
    journal.stamp(MOVED, BODY)
    second = journal.stamp(MOVED, BODY)

    journal.unstamp(second.seq)

    assert journal.stamp(MOVED, BODY).seq == second.seq


async def test_a_durable_number_is_never_given_back() -> None:
    journal = a_journal()
    await MemoryJournal.claim(journal._store)  # type: ignore[arg-type]
    record = journal.stamp(MOVED, BODY)
    await journal.flush(journal.encode([record]))

    with pytest.raises(AssertionError):
        journal.unstamp(record.seq)


def test_a_group_is_chained_to_the_durable_head_row_by_row() -> None:
    journal = a_journal(Head(7, 0, b"h" * 32))
    records = [journal.stamp(MOVED, BODY) for _ in range(3)]

    rows = journal.encode(records)

    chain = b"h" * 32
    for row, record in zip(rows, records, strict=True):
        assert decode(row, chain) == record
        chain = row.chain


def test_a_group_has_a_bounded_number_of_records() -> None:
    journal = a_journal()

    rows = journal.encode([Record(seq, 1, MOVED, BODY) for seq in range(1, GROUP_MAX + 3)])

    assert [rows[0].seq, rows[-1].seq] == [1, GROUP_MAX]


def test_a_group_has_bounded_bytes_but_at_least_one_record() -> None:
    journal = a_journal()
    large = Body(movements=(Movement("transfer", "x" * (GROUP_BYTES_MAX - 1_000)),))

    sizes = [
        len(journal.encode([Record(1, 1, MOVED, first), Record(2, 1, MOVED, second)]))
        for first, second in ((large, BODY), (BODY, large), (large, large))
    ]

    assert sizes == [2, 2, 1]
    over = Body(movements=(Movement("transfer", "x" * GROUP_BYTES_MAX),))
    assert len(journal.encode([Record(1, 1, MOVED, over), Record(2, 1, MOVED, BODY)])) == 1
