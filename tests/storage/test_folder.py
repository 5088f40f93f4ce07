"""The data folder and its lock."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from walletd.engine.ports import StorageUnusable
from walletd.storage.folder import DataFolder, FolderLocked


def test_a_new_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "deep" / "data")

    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert folder.journal_path == folder.path / "journal.db"
    assert folder.image_path == folder.path / "ledger.db"


def test_a_locked_folder_keeps_a_second_server_out_and_names_the_first(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.lock()
    try:
        with pytest.raises(FolderLocked, match=str(os.getpid())) as refused:
            second.lock()
        assert refused.value.pid == os.getpid()
    finally:
        first.unlock()
        first.unlock()

    second.lock()
    second.unlock()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    program = f"from walletd.storage.folder import DataFolder; from pathlib import Path; DataFolder(Path({str(tmp_path)!r})).lock()"
    subprocess.run([sys.executable, "-c", program], check=True)

    folder = DataFolder(tmp_path)
    folder.lock()
    folder.unlock()


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("mine")

    with pytest.raises(StorageUnusable, match="not a folder"):
        DataFolder(path)
    with pytest.raises(StorageUnusable, match="cannot be made"):
        DataFolder(path / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(StorageUnusable, match="cannot be written"):
        DataFolder(tmp_path)
