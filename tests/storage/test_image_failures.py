"""What the image does when its file is lost, spoiled or out of room, and when a fold is cut short."""

import asyncio
from pathlib import Path

import pytest

from walletd.engine.ports import HistoryQuery, JournalFull, StorageUnusable
from walletd.storage import history
from walletd.storage.connections import checkpoint
from walletd.storage.image import CHECKPOINT_STEPS, SqliteImage
from walletd.storage.verify import verify
from walletd.tests.contract.script import Script
from walletd.tests.storage.conftest import Place, Reader, pages_of_log


async def pragma(image: SqliteImage, text: str) -> int:
    connection = image._folder
    assert connection is not None
    return int(next(iter(await connection.execute_fetchall(f"PRAGMA {text}")))[0])


async def test_a_lost_image_is_an_empty_one(place: Place, script: Script) -> None:
    await place.write(script)
    place.image_path.unlink()

    async with place.image() as image:
        head, _ = await image.open()
        assert head.seq == 0
        assert (await image.fold(len(script.rows))).seq == len(script.rows)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE balances SET posted = posted + 1 WHERE wallet = 2", "do not sum to zero"),
        ("UPDATE wallets SET user_id = 1 WHERE number = 1", "negative"),
        ("DELETE FROM wallets WHERE number = 7", "cannot be trusted"),
        ("DELETE FROM users WHERE id = 3", "head says"),
        ("DELETE FROM entries WHERE id = (SELECT max(id) FROM entries)", "head says"),
        ("DELETE FROM transactions WHERE id = (SELECT max(id) FROM transactions)", "head says"),
        ("UPDATE balances SET entry_count = entry_count + 1 WHERE wallet = 2", "checksum"),
        (
            "UPDATE balances SET posted = posted + iif(wallet = 2, 1, -1) WHERE wallet IN (2, 3)",
            "balances are not the ones that were folded",
        ),
        ("UPDATE wallets SET closed = 1 WHERE number = 2", "closed wallets are not the ones that were folded"),
        ("UPDATE idempotency_keys SET key = key || 'x' WHERE seq % 2", "idempotency keys are not those of the journal"),
        ("UPDATE idempotency_keys SET scope = 'x'", "idempotency keys are not those of the journal"),
        ("UPDATE idempotency_keys SET at = at - 1", "idempotency keys are not those of the journal"),
        ("UPDATE idempotency_keys SET seq = -seq", "idempotency keys are not those of the journal"),
        ("DELETE FROM head", "table head"),
        ("DROP TABLE balances", "balances"),
        ("PRAGMA user_version = 9", "newer walletd"),
        ("PRAGMA application_id = 7", "another program"),
    ],
)
async def test_an_image_that_does_not_agree_with_itself_is_refused(
    place: Place, script: Script, statement: str, what: str
) -> None:
    await place.write(script)
    place.spoil_image(statement)

    async with place.image() as image:
        with pytest.raises(StorageUnusable, match=what):
            await image.open()


async def test_an_image_of_noise_is_refused_and_reset_makes_it_anew(place: Place, script: Script) -> None:
    await place.write(script)
    place.image_path.write_bytes(b"\xff" * 100_000)

    async with place.image() as image:
        with pytest.raises(StorageUnusable, match=r"ledger\.db"):
            await image.open()
        await image.reset()
        await image.open()

        assert (await image.fold(len(script.rows))).seq == len(script.rows)


async def test_an_image_without_its_journal_is_refused(place: Place) -> None:
    async with place.image() as image:
        with pytest.raises(StorageUnusable, match=r"journal\.db"):
            await image.open()

    assert not place.journal_path.exists()


async def test_a_fold_without_room_leaves_the_image_as_it_was_and_comes_back(place: Place, script: Script) -> None:
    await place.write(script)
    for _ in range(2000):
        script.user(name="a name of some length", email="somebody@example.org")
    await place.write(script, fold=False)
    async with place.image() as image:
        before = await image.open()
        await pragma(image, f"max_page_count = {await pragma(image, 'page_count')}")

        with pytest.raises(JournalFull):
            await image.fold(len(script.rows))

        await pragma(image, "max_page_count = 100000")
        assert await image.open() == before
        assert (await image.fold(len(script.rows))).seq == len(script.rows)
        _, counters = await image.open()
        assert counters.users == script.users


async def test_a_fold_that_is_cancelled_leaves_whole_steps_only(place: Place, script: Script) -> None:
    await place.write(script, fold=False)
    async with place.image() as image:
        await image.open()
        for turns in range(1, 40, 3):
            folding = asyncio.create_task(image.fold(len(script.rows)))
            for _ in range(turns):
                await asyncio.sleep(0)
            folding.cancel()
            await asyncio.wait([folding])

            head, counters = await image.open()
            assert (head.seq, counters.entries) in {(0, 0), (len(script.rows), script.entries)}

        assert (await image.fold(len(script.rows))).seq == len(script.rows)


async def test_a_fold_goes_on_after_one_that_was_cancelled(place: Place, script: Script) -> None:
    await place.write(script, fold=False)
    async with place.image() as image:
        for turns in range(1, 40, 2):
            await image.reset()
            await image.open()
            folding = asyncio.create_task(image.fold(len(script.rows)))
            for _ in range(turns):
                await asyncio.sleep(0.0001)
            folding.cancel()
            await asyncio.wait([folding])

            assert (await image.fold(len(script.rows))).seq == len(script.rows)


async def test_a_gap_in_the_journal_is_not_folded_over(place: Place, script: Script) -> None:
    await place.write(script, fold=False)
    place.spoil_journal("DELETE FROM journal WHERE seq = 100")

    async with place.image() as image:
        await image.open()
        with pytest.raises(StorageUnusable, match="lacks records"):
            await image.fold(len(script.rows))

        assert (await image.open())[0].seq == 0


async def test_a_record_of_an_unknown_kind_is_not_folded(place: Place, script: Script) -> None:
    await place.write(script, fold=False)
    place.spoil_journal("UPDATE journal SET kind = 'exploded' WHERE seq = 100")

    async with place.image() as image:
        await image.open()
        with pytest.raises(StorageUnusable, match="exploded"):
            await image.fold(len(script.rows))


async def test_numbers_given_out_twice_or_skipped_are_not_folded(place: Place, script: Script) -> None:
    await place.write(script, fold=False)
    place.spoil_journal(
        "UPDATE journal SET body = json_set(body, '$.first_entry', 1000) WHERE seq = (SELECT max(seq) FROM journal)"
    )

    async with place.image() as image:
        await image.open()
        with pytest.raises(StorageUnusable, match="without gaps"):
            await image.fold(len(script.rows))


async def test_a_step_ends_before_it_has_too_many_legs(
    place: Place, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("walletd.storage.image.LEGS_IN_STEP_MAX", 20)
    await place.write(script, fold=False)

    async with place.image() as image:
        await image.open()
        seq, entries = 0, 0
        while seq < len(script.rows):
            seq = (await image.fold(len(script.rows))).seq
            _, counters = await image.open()
            assert counters.entries - entries <= 22
            entries = counters.entries


async def test_a_page_that_filters_much_is_cut_short_and_goes_on(
    place: Place, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.move((1, -1), (2, 1), category="rare")
    for _ in range(300):
        script.move((1, -1), (2, 1))
    await place.write(script)
    async with place.image() as image:
        shorter = history.HISTORY.replace(str(history.WALK_MAX), "100")
        monkeypatch.setattr(history, "HISTORY", shorter)
        monkeypatch.setattr(history, "WALK_MAX", 100)
        await image.open()
        pages, below = 0, None
        found = []
        while True:
            page = await image.history(HistoryQuery(wallet=1, limit=5, category="rare", below=below))
            pages, below = pages + 1, page.next_below
            found += page.entries
            if below is None:
                break

        assert [entry.category for entry in found] == ["rare"]
        assert pages > 2


async def test_the_fold_never_writes_to_the_journal(place: Place, script: Script) -> None:
    await place.write(script)
    async with place.image() as image:
        await image.open()
        connection = image._folder
        assert connection is not None

        with pytest.raises(Exception, match="readonly"):
            await connection.execute_fetchall("INSERT INTO journal.writer VALUES (2, 2)")


async def test_folding_goes_on_after_its_log_has_waited_for_readers(place: Place, script: Script) -> None:
    await place.write(script, fold=False)
    half = len(script.rows) // 2
    async with place.image() as image:
        await image.open()
        await image.fold(half)
        folder = image._folder
        assert folder is not None
        reader = Reader(place.image_path, "entries")
        await image.fold(half + 20)
        grown = await pages_of_log(folder)
        await folder.set_trace_callback(reader.leave_when_waited_for)

        await checkpoint(folder, pages_max=0, patience_ms=30_000)
        await image.fold(half + 21)

        assert await pages_of_log(folder) < grown
        assert (await image.fold(len(script.rows))).seq == len(script.rows)
    assert not (await verify(place.path)).findings


async def test_nothing_that_is_pending_is_committed_by_a_checkpoint(place: Place, script: Script) -> None:
    await place.write(script)
    async with place.image() as image:
        await image.open()
        folder = image._folder
        assert folder is not None
        await folder.execute_fetchall("BEGIN IMMEDIATE")
        await folder.execute_fetchall("DELETE FROM entries")

        await checkpoint(folder, pages_max=0)

        assert folder.in_transaction
        await folder.rollback()
    assert not (await verify(place.path)).findings


async def test_the_log_stays_small_however_small_the_steps_are(place: Place, script: Script) -> None:
    for _ in range(1_000):
        script.user()
    await place.write(script, fold=False)
    async with place.image() as image:
        await image.open()
        sizes = []
        for through in range(1, len(script.rows) + 1):
            await image.fold(through)
            sizes.append(Path(f"{place.image_path}-wal").stat().st_size)

        assert max(sizes) <= 2 * sizes[CHECKPOINT_STEPS - 1]
