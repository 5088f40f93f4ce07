"""What the journal does when its disk, its file or its neighbour fails it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from walletd.engine.ports import Fenced, JournalFull, OutcomeUnknown, StorageUnusable
from walletd.engine.records import Row
from walletd.storage.connections import checkpoint
from walletd.storage.journal import CHECKPOINT_BYTES, PAGE_BYTES, SqliteJournal
from walletd.tests.contract.script import Script
from walletd.tests.storage.conftest import Place, Reader, pages_of_log, spoil


async def pragma(journal: SqliteJournal, text: str) -> int:
    """Set something on the writing connection: the disk's own limits, as SQLite can play them."""
    connection = journal._writer
    assert connection is not None
    rows = list(await connection.execute_fetchall(f"PRAGMA {text}"))
    return int(rows[0][0]) if rows else 0


def dividers(path: Path) -> list[int]:
    """Where in the file the root of the table of records keeps the last byte of each number that divides its leaves."""
    with closing(sqlite3.connect(path)) as connection:
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'journal'")
    start = (root - 1) * PAGE_BYTES
    page = path.read_bytes()[start : start + PAGE_BYTES]
    assert page[0] == 5, "an interior page of a table"
    places = []
    for cell in range(int.from_bytes(page[3:5])):
        place = int.from_bytes(page[12 + 2 * cell : 14 + 2 * cell]) + 4
        while page[place] & 0x80:
            place += 1
        places.append(start + place)
    return places


@pytest.mark.parametrize("step", [-1, 1])
async def test_a_row_that_a_damaged_page_hides_from_a_look_up_is_read_all_the_same(
    place: Place, script: Script, step: int
) -> None:
    async with place.journal() as journal:
        epoch, _ = await journal.claim()
        await journal.append(epoch, script.rows)
    sound = place.journal_path.read_bytes()
    found = dividers(place.journal_path)
    assert len(found) > 5
    for divider in found:
        rotten = bytearray(sound)
        rotten[divider] += step
        place.journal_path.write_bytes(rotten)
        async with place.journal() as journal:
            read: list[Row] = []
            while rows := await journal.read(len(read), 1000):
                read += rows
        assert read == script.rows


async def test_a_full_disk_refuses_the_whole_group_and_writing_comes_back_with_room(
    place: Place, script: Script
) -> None:
    async with place.journal() as journal:
        epoch, _ = await journal.claim()
        await journal.append(epoch, script.rows[:50])
        await pragma(journal, f"max_page_count = {await pragma(journal, 'page_count')}")

        with pytest.raises(JournalFull):
            await journal.append(epoch, script.rows[50:])
        with pytest.raises(JournalFull):
            await journal.append(epoch, script.rows[50:])

        assert await journal.read(0, 1000) == script.rows[:50]
        await pragma(journal, "max_page_count = 100000")
        await journal.append(epoch, script.rows[50:])
        assert await journal.read(0, 1000) == script.rows


async def test_less_free_space_than_the_reserve_refuses_before_anything_is_written(
    place: Place, script: Script
) -> None:
    free = [10 * 2**20]
    journal = SqliteJournal(place.journal_path, reserve_bytes=4 * 2**20, free_bytes=lambda _: free[0])
    try:
        epoch, _ = await journal.claim()
        await journal.append(epoch, script.rows[:10])
        free[0] = 4 * 2**20

        with pytest.raises(JournalFull):
            await journal.append(epoch, script.rows[10:20])

        assert await journal.read(0, 100) == script.rows[:10]
        assert not await journal.has_room()
        free[0] = 9 * 2**20
        assert await journal.has_room()
        await journal.append(epoch, script.rows[10:20])
        assert await journal.read(0, 100) == script.rows[:20]
    finally:
        await journal.close()


async def test_any_other_failure_leaves_the_outcome_unknown_and_ends_the_writer(place: Place, script: Script) -> None:
    async with place.journal() as journal:
        epoch, _ = await journal.claim()
        await journal.append(epoch, script.rows[:10])
        await pragma(journal, "query_only = 1")

        with pytest.raises(OutcomeUnknown) as first:
            await journal.append(epoch, script.rows[10:20])
        await pragma(journal, "query_only = 0")
        with pytest.raises(OutcomeUnknown):
            await journal.append(epoch, script.rows[10:20])

        assert isinstance(first.value.__cause__, sqlite3.Error)
    async with place.journal() as journal:
        _, head = await journal.claim()
        assert head.seq == 10


async def test_a_checkpoint_that_fails_ends_the_writer(place: Place, script: Script) -> None:
    async with place.journal() as journal:
        epoch, _ = await journal.claim()
        await journal.append(epoch, script.rows[:10])
        connection = journal._writer
        assert connection is not None
        await connection.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
        await journal.checkpoint()
        await connection.set_authorizer(lambda *_: sqlite3.SQLITE_OK)

        with pytest.raises(OutcomeUnknown):
            await journal.append(epoch, script.rows[10:20])


async def test_a_second_process_that_claims_fences_the_first(place: Place, script: Script) -> None:
    async with place.journal() as first, place.journal() as second:
        epoch, _ = await first.claim()
        await first.append(epoch, script.rows[:10])
        later, head = await second.claim()

        with pytest.raises(Fenced):
            await first.append(epoch, script.rows[10:20])

        assert head.seq == 10
        await second.append(later, script.rows[10:])
        assert await first.read(0, 1000) == script.rows


async def test_a_row_can_neither_be_changed_nor_deleted(place: Place, script: Script) -> None:
    await place.write(script, fold=False)

    for statement in ("UPDATE journal SET body = '{}' WHERE seq = 3", "DELETE FROM journal WHERE seq = 3"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            spoil(place.journal_path, statement)


async def test_the_log_stays_small_while_rows_are_appended(place: Place, script: Script) -> None:
    for _ in range(40):
        script.user(name="x" * 200_000)
    async with place.journal() as journal:
        epoch, _ = await journal.claim()
        for row in script.rows:
            await journal.append(epoch, [row])

        assert Path(f"{place.journal_path}-wal").stat().st_size < 2 * CHECKPOINT_BYTES


async def test_a_log_that_readers_have_let_grow_waits_for_them_and_begins_anew(place: Place, script: Script) -> None:
    async with place.journal() as journal:
        epoch, _ = await journal.claim()
        writer = journal._writer
        assert writer is not None
        await journal.append(epoch, script.rows[:2])
        reader = Reader(place.journal_path, "journal")
        await journal.append(epoch, script.rows[2:-1])
        grown = await pages_of_log(writer)
        await writer.set_trace_callback(reader.leave_when_waited_for)

        await checkpoint(writer, pages_max=0, patience_ms=30_000)
        await journal.append(epoch, script.rows[-1:])

        assert await pages_of_log(writer) < grown
        assert await pragma(journal, "busy_timeout") == 5_000
        assert await journal.read(0, len(script.rows)) == script.rows


async def test_a_reader_that_stays_holds_up_each_checkpoint_a_moment_and_nothing_else(
    place: Place, script: Script
) -> None:
    async with place.journal() as journal:
        epoch, _ = await journal.claim()
        await journal.append(epoch, script.rows[:2])
        assert journal._writer is not None
        with closing(Reader(place.journal_path, "journal")) as reader:
            async with asyncio.timeout(30):  # a second each would be a minute
                for row in script.rows[2:62]:
                    await journal.append(epoch, [row])
                    await checkpoint(journal._writer, pages_max=0)

            assert reader.count() == 2
            assert await pragma(journal, "busy_timeout") == 5_000
            assert await journal.read(0, len(script.rows)) == script.rows[:62]


async def test_every_commit_is_synchronised_in_full(place: Place) -> None:
    async with place.journal() as journal:
        await journal.claim()

        assert await pragma(journal, "synchronous") == 2
        assert await pragma(journal, "wal_autocheckpoint") == 0
        assert await pragma(journal, "mmap_size") == 0


async def test_a_file_of_another_program_is_refused_and_left_as_it_is(place: Place) -> None:
    spoil(place.journal_path, "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')")
    before = place.journal_path.read_bytes()

    async with place.journal() as journal:
        with pytest.raises(StorageUnusable, match="another program"):
            await journal.claim()

    assert place.journal_path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused(place: Place) -> None:
    place.journal_path.write_bytes(b"not a database, only some text\n" * 100)

    async with place.journal() as journal:
        with pytest.raises(StorageUnusable, match=r"journal\.db"):
            await journal.claim()


async def test_a_journal_of_a_newer_version_is_refused(place: Place, script: Script) -> None:
    await place.write(script, fold=False)
    spoil(place.journal_path, "PRAGMA user_version = 2")

    async with place.journal() as journal:
        with pytest.raises(StorageUnusable, match="newer walletd"):
            await journal.claim()
        with pytest.raises(StorageUnusable, match="newer walletd"):
            await journal.read(0, 1)


async def test_a_file_cut_short_is_refused(place: Place, script: Script) -> None:
    script.random_moves(500, seed=8)
    await place.write(script, fold=False)
    content = place.journal_path.read_bytes()
    place.journal_path.write_bytes(content[: len(content) // 2])

    async def start() -> None:
        async with place.journal() as journal:
            await journal.claim()
            await journal.read(0, 10_000)

    with pytest.raises(StorageUnusable, match=r"journal\.db"):
        await start()
