"""Rot at fixed seeds, and the kinds of it that chance seldom brings. `python -m walletd.tests.power` makes as many as there is time for."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from walletd.engine.ports import StorageUnusable
from walletd.engine.records import BrokenJournal
from walletd.storage.folder import IMAGE_NAME, JOURNAL_NAME
from walletd.storage.verify import Report, verify
from walletd.tests.builders import START_US
from walletd.tests.power import one_thread
from walletd.tests.power.cuts import workplace
from walletd.tests.power.rot import OPTIONS, PAGE, Kept, Rot, Start, keep
from walletd.tests.power.run import fill, read
from walletd.tests.power.service import Chosen, open_service

LONG_S = 100.0


@pytest.fixture(scope="module")
def kept() -> Kept:
    with workplace() as path:
        return keep(Path(path), 1, steps=4)


async def started(folder: Path) -> int:
    """The last record after a start and a stop."""
    chosen = Chosen(1 << 40)
    chosen.now = START_US + 10**12
    service = await open_service(folder, chosen, options=OPTIONS)
    try:
        return service.engine.ledger.seq
    finally:
        await service.close()


def checked(folder: Path) -> Report:
    """What `verify` reports."""
    return one_thread.run(verify(folder))


def without_types(path: Path, table: str, statement: str) -> None:
    """Change a file as a damaged page would: whatever its tables declare and their triggers forbid."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA writable_schema = ON")
        schema = connection.execute("SELECT name, sql FROM sqlite_schema").fetchall()
        for name, sql in schema:
            loose = sql.replace(") STRICT", ")").replace("NOT NULL", "") if sql else sql
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (loose, name))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement).rowcount > 0, f"{table} is empty"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in schema:
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, name))


def test_every_change_of_the_files_is_named_or_means_nothing(folder: Path) -> None:
    rot = Rot(folder)

    rot.seed(0, time.monotonic() + LONG_S, count=14)

    assert rot.found == []
    assert rot.figures["damages"] == 14
    assert rot.figures["named_by_verify"] > 2


@pytest.mark.parametrize("index", [0, 5, -1])
def test_one_bit_in_any_record_is_named_by_verify_without_an_image_too(folder: Path, kept: Kept, index: int) -> None:
    row = kept.rows[index]
    content = bytearray(kept.files[JOURNAL_NAME])
    content[content.index(row.chain) + 3] ^= 4
    fill(folder, {JOURNAL_NAME: bytes(content)})

    assert checked(folder).findings[0].row == row.seq


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET kind = NULL WHERE seq = 3",
        "UPDATE journal SET at = 'late' WHERE seq = 3",
        "UPDATE journal SET body = NULL WHERE seq = 3",
        "UPDATE journal SET chain = NULL WHERE seq = 3",
    ],
)
def test_a_value_of_the_wrong_type_in_the_journal_is_named(folder: Path, kept: Kept, statement: str) -> None:
    fill(folder, {name: content for name, content in kept.files.items() if name != IMAGE_NAME})
    without_types(folder / JOURNAL_NAME, "journal", statement)

    assert [finding.row for finding in checked(folder).findings][:1] == [3]
    with pytest.raises(BrokenJournal, match="record 3"):
        one_thread.run(started(folder))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE idempotency_keys SET at = 'late'",
        "UPDATE users SET created_at = x'00' WHERE id = 1",
        "UPDATE wallets SET asset = 'none' WHERE number = 1",
        "UPDATE assets SET aliases = 7",
    ],
)
def test_a_value_of_the_wrong_type_in_the_image_is_named_or_the_image_made_anew(
    folder: Path, kept: Kept, statement: str
) -> None:
    fill(folder, kept.files)
    without_types(folder / IMAGE_NAME, statement.split()[1], statement)

    assert not checked(folder).sound
    assert one_thread.run(started(folder)) == len(kept.rows)


def test_balances_that_were_changed_so_that_they_still_sum_to_zero_are_never_shown(folder: Path, kept: Kept) -> None:
    fill(folder, kept.files)
    with closing(sqlite3.connect(folder / IMAGE_NAME, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        pair = connection.execute(
            "SELECT a.number, b.number FROM wallets AS a JOIN wallets AS b ON a.asset = b.asset AND a.number < b.number "
            "JOIN balances AS c ON c.wallet = a.number JOIN balances AS d ON d.wallet = b.number"
        ).fetchone()
        connection.execute("UPDATE balances SET posted = posted - 5 WHERE wallet = ?", pair[:1])
        connection.execute("UPDATE balances SET posted = posted + 5 WHERE wallet = ?", pair[1:])

    assert one_thread.run(Start(folder, read(folder), kept).run()) == (None, None)


@pytest.mark.parametrize("name", [JOURNAL_NAME, IMAGE_NAME])
def test_a_schema_whose_text_cannot_be_decoded_is_named(folder: Path, kept: Kept, name: str) -> None:
    content = kept.files[name]
    place = content.index(b"INTEGER", content.index(b"CREATE TABLE"))
    fill(folder, kept.files | {name: content[:place] + b"\xd4" + content[place + 1 :]})

    if name == IMAGE_NAME:
        assert not checked(folder).sound
        assert one_thread.run(started(folder)) == len(kept.rows)
    else:
        with pytest.raises(StorageUnusable, match=JOURNAL_NAME):
            checked(folder)
        with pytest.raises(StorageUnusable, match=JOURNAL_NAME):
            one_thread.run(started(folder))


def test_a_start_does_not_write_to_a_table_whose_page_is_another_tables(folder: Path, kept: Kept) -> None:
    """A page of the journal where the writer's row should be: raising the epoch there would overwrite a record."""
    fill(folder, kept.files)
    with closing(sqlite3.connect(folder / JOURNAL_NAME)) as connection:
        roots = dict(connection.execute("SELECT name, rootpage - 1 FROM sqlite_schema WHERE type = 'table'").fetchall())
    content = bytearray(kept.files[JOURNAL_NAME])
    source, target = roots["journal"] * PAGE, roots["writer"] * PAGE
    content[target : target + PAGE] = content[source : source + PAGE]
    fill(folder, kept.files | {JOURNAL_NAME: bytes(content)})

    with pytest.raises(StorageUnusable, match="writer"):
        one_thread.run(started(folder))

    with closing(sqlite3.connect(folder / JOURNAL_NAME)) as connection:
        found = connection.execute("SELECT seq, at, kind, CAST(body AS BLOB), chain FROM journal").fetchall()
    assert found == [(row.seq, row.at, row.kind, row.body, row.chain) for row in kept.rows]
