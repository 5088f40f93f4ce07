"""Backups are whole or not there, and restore to the same ledger."""

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from walletd.engine.ports import StorageUnusable
from walletd.engine.records import BrokenJournal
from walletd.storage.backup import backup, rebuild, restore
from walletd.storage.folder import DataFolder, FolderLocked
from walletd.storage.verify import verify
from walletd.tests.contract.script import Script
from walletd.tests.storage.conftest import Place


async def content(place: Place) -> list[Any]:
    async with place.image() as image:
        await image.open()
        return [state async for chunk in image.load(0) for state in chunk]


async def test_a_backup_restores_to_the_same_ledger(place: Place, script: Script, tmp_path: Path) -> None:
    await place.write(script)
    restored = Place(tmp_path / "restored")

    head = await backup(place.path, tmp_path / "copy")
    assert await restore(tmp_path / "copy", restored.path) == head

    assert head.seq == len(script.rows)
    async with restored.journal() as journal:
        assert await journal.read(0, 10_000) == script.rows
    await rebuild(restored.path)
    assert await content(restored) == await content(place)
    assert (await verify(restored.path)).findings == []


async def test_a_backup_is_one_closed_file_in_a_closed_folder(place: Place, script: Script, tmp_path: Path) -> None:
    await place.write(script)

    await backup(place.path, tmp_path / "copy")

    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["journal.db"]
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o700


async def test_a_backup_beside_a_writing_server_is_a_whole_beginning_of_its_journal(
    place: Place, script: Script, tmp_path: Path
) -> None:
    script.random_moves(3000, seed=2)
    async with place.journal() as journal:
        epoch, _ = await journal.claim()
        await journal.append(epoch, script.rows[:100])

        async def serve() -> None:
            for first in range(100, len(script.rows), 10):
                await journal.append(epoch, script.rows[first : first + 10])

        serving = asyncio.create_task(serve())
        heads = [await backup(place.path, tmp_path / f"copy-{number}") for number in range(3)]
        await serving

    for number, head in enumerate(heads):
        async with Place(tmp_path / f"copy-{number}").journal() as copy:
            assert await copy.read(0, 10_000) == script.rows[: head.seq]
    assert 100 <= heads[0].seq < heads[2].seq


async def test_progress_ends_at_the_whole(place: Place, script: Script, tmp_path: Path) -> None:
    await place.write(script)
    seen: list[tuple[str, int, int]] = []

    await backup(place.path, tmp_path / "copy", lambda *step: seen.append(step))

    size = len(script.rows)
    assert ("copying the journal", size, size) in seen
    assert seen[-1] == ("checking the journal", size, size)


async def test_a_place_that_is_taken_is_refused(place: Place, script: Script, tmp_path: Path) -> None:
    await place.write(script)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "note").write_text("mine")

    for copy in (backup, restore):
        with pytest.raises(StorageUnusable, match="not empty"):
            await copy(place.path, tmp_path / "taken")

    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["note"]


async def test_an_empty_folder_may_take_a_backup(place: Place, script: Script, tmp_path: Path) -> None:
    await place.write(script)
    (tmp_path / "copy").mkdir()

    await backup(place.path, tmp_path / "copy")

    assert (tmp_path / "copy" / "journal.db").is_file()


async def test_a_copy_that_was_cut_short_never_takes_the_name(place: Place, script: Script, tmp_path: Path) -> None:
    await place.write(script)
    place.spoil_journal("UPDATE journal SET body = body || ' ' WHERE seq = 150")

    with pytest.raises(BrokenJournal, match="150"):
        await backup(place.path, tmp_path / "copy")

    assert not (tmp_path / "copy").exists()
    with pytest.raises(StorageUnusable, match="cut short"):
        await backup(place.path, tmp_path / "copy")


async def test_a_folder_without_a_journal_has_nothing_to_copy(tmp_path: Path) -> None:
    with pytest.raises(StorageUnusable, match="nothing to copy"):
        await restore(tmp_path / "none", tmp_path / "data")

    assert list(tmp_path.iterdir()) == []


async def test_rebuilding_mends_a_spoiled_image(place: Place, script: Script) -> None:
    await place.write(script)
    before = await content(place)
    place.image_path.write_bytes(b"noise" * 10_000)

    head = await rebuild(place.path)

    assert head.seq == len(script.rows)
    assert await content(place) == before


async def test_rebuilding_refuses_a_damaged_journal_and_keeps_the_image(place: Place, script: Script) -> None:
    await place.write(script)
    before = await content(place)
    place.spoil_journal("UPDATE journal SET at = at - 1 WHERE seq = 150")

    with pytest.raises(StorageUnusable, match="150"):
        await rebuild(place.path)

    assert await content(place) == before


async def test_rebuilding_beside_a_server_is_refused(place: Place, script: Script) -> None:
    await place.write(script)
    folder = DataFolder(place.path)
    folder.lock()

    with pytest.raises(FolderLocked):
        await rebuild(place.path)

    folder.unlock()
