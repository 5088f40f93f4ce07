"""The laws of JournalStore, for every implementation."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest

from walletd.engine.journal import Pages
from walletd.engine.limits import GROUP_MAX, READ_BYTES_MAX
from walletd.engine.ports import Fenced, Head, JournalStore
from walletd.engine.records import GENESIS, Row, decode
from walletd.tests.contract.conftest import Stores
from walletd.tests.contract.script import Script


async def all_of(pages: Pages) -> list[list[Row]]:
    got: list[list[Row]] = []
    with closing(pages):
        while rows := await pages.next():
            got.append(rows)
    return got


async def test_a_new_journal_is_empty(journal: JournalStore) -> None:
    epoch, head = await journal.claim()

    assert epoch >= 1
    assert head == Head(0, 0, GENESIS)
    assert await journal.read(0, 10) == []


async def test_rows_read_back_are_those_appended_byte_for_byte(journal: JournalStore, script: Script) -> None:
    treasury = script.asset(name="Währung „€“ \x7f 𝄞")
    script.user(name='a "quoted" \\ name\n')
    script.move((treasury, -5), (2, 5), metadata={"deep": [1, {"x": None}], "big": 2**70, "tiny": 1e-300})
    epoch, _ = await journal.claim()

    await journal.append(epoch, script.rows)

    rows = await journal.read(0, 10)
    assert rows == script.rows
    previous = GENESIS
    for row in rows:
        decode(row, previous)
        previous = row.chain


@pytest.mark.parametrize("size", [1, 2, 3, 63, 64, 65, 1000, GROUP_MAX])
async def test_a_group_of_any_size_is_stored_whole(journal: JournalStore, script: Script, size: int) -> None:
    script.asset()
    while len(script.rows) < size + 1:
        script.user()
    epoch, _ = await journal.claim()

    await journal.append(epoch, script.rows[:1])
    await journal.append(epoch, script.rows[1:])

    assert await journal.read(0, size + 10) == script.rows


async def test_reading_starts_after_the_given_record_and_stops_at_the_limit(
    journal: JournalStore, script: Script
) -> None:
    script.asset()
    for _ in range(9):
        script.user()
    epoch, _ = await journal.claim()
    await journal.append(epoch, script.rows)

    assert await journal.read(3, 4) == script.rows[3:7]
    assert await journal.read(8, 100) == script.rows[8:]
    assert await journal.read(10, 100) == []


@pytest.mark.parametrize("body_bytes", [READ_BYTES_MAX // 4, READ_BYTES_MAX, 2 * READ_BYTES_MAX])
async def test_a_read_takes_no_further_row_once_it_has_enough_bytes(
    journal: JournalStore, script: Script, body_bytes: int
) -> None:
    script.asset()
    for _ in range(6):
        script.user(name="n" * body_bytes)
    epoch, _ = await journal.claim()
    await journal.append(epoch, script.rows[:4])
    await journal.append(epoch, script.rows[4:])
    got: list[list[Row]] = []

    while rows := await journal.read(got[-1][-1].seq if got else 0, 100):
        got.append(rows)

    assert [row for page in got for row in page] == script.rows
    for page in got:
        assert sum(len(row.body) for row in page[:-1]) < READ_BYTES_MAX
    for page in got[:-1]:
        assert sum(len(row.body) for row in page) >= READ_BYTES_MAX


@pytest.mark.parametrize(("after", "through"), [(0, 10), (3, 7), (9, 10), (10, 10), (0, 1)])
async def test_pages_are_the_rows_between_two_records(
    journal: JournalStore, script: Script, monkeypatch: pytest.MonkeyPatch, after: int, through: int
) -> None:
    monkeypatch.setattr("walletd.engine.journal.LOAD_CHUNK", 2)
    script.asset()
    for _ in range(11):
        script.user()
    epoch, _ = await journal.claim()
    await journal.append(epoch, script.rows)

    got = await all_of(Pages(journal, after, through))

    assert [row for page in got for row in page] == script.rows[after:through]
    assert all(len(page) <= 2 for page in got)


async def test_pages_end_where_the_rows_end(journal: JournalStore, script: Script) -> None:
    script.asset()
    epoch, _ = await journal.claim()
    await journal.append(epoch, script.rows)

    assert await all_of(Pages(journal, 0, 5)) == [script.rows]


async def test_the_head_outlives_the_writer(
    reopened: Callable[[], Awaitable[Stores]], journal: JournalStore, script: Script
) -> None:
    script.asset()
    script.user()
    epoch, _ = await journal.claim()
    await journal.append(epoch, script.rows)

    journal = (await reopened()).journal
    later, head = await journal.claim()

    assert later > epoch
    assert head == Head(2, script.head.at, script.head.chain)
    assert await journal.read(0, 10) == script.rows


async def test_a_later_claim_fences_the_writer_before_it(journal: JournalStore, script: Script) -> None:
    script.asset()
    script.user()
    first, _ = await journal.claim()
    await journal.append(first, script.rows[:1])

    second, _ = await journal.claim()

    assert second > first
    with pytest.raises(Fenced):
        await journal.append(first, script.rows[1:])
    assert await journal.read(0, 10) == script.rows[:1]
    await journal.append(second, script.rows[1:])
    assert await journal.read(0, 10) == script.rows


async def test_readers_see_only_whole_groups_while_groups_are_appended(journal: JournalStore, script: Script) -> None:
    script.asset()
    while len(script.rows) < 400:
        script.user()
    epoch, _ = await journal.claim()
    seen: list[list[Row]] = []

    async def read() -> None:
        while not seen or len(seen[-1]) < len(script.rows):
            seen.append(await journal.read(0, 1000))
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    for first in range(0, 400, 8):
        await journal.append(epoch, script.rows[first : first + 8])
    await reading

    assert all(len(rows) % 8 == 0 and rows == script.rows[: len(rows)] for rows in seen)


async def test_a_journal_with_room_says_so(journal: JournalStore) -> None:
    await journal.claim()

    assert await journal.has_room()


async def test_closing_twice_is_safe(journal: JournalStore) -> None:
    await journal.claim()

    await journal.close()
    await journal.close()
