"""access.db: what is in it, who may read it, two processes that write it, and what becomes of it in backups; and argon2 in its thread."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from walletd.engine.grants import Grants
from walletd.engine.identity import Grant, Holder, Scope, digest_of
from walletd.engine.memory_access import QuickHasher
from walletd.engine.ports import StorageUnusable
from walletd.engine.refusals import Refusal, RefusalCode
from walletd.storage.access import SqliteAccess
from walletd.storage.backup import backup, restore
from walletd.storage.passwords import Argon2Hasher
from walletd.tests.contract.script import Script

from .conftest import Place

NOW = 1_700_000_000_000_000
LATER = NOW + 1_000_000
ANN = Holder(1, 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.db"


@pytest.fixture
async def access(path: Path) -> AsyncIterator[SqliteAccess]:
    access = await SqliteAccess.open(path, QuickHasher(), watch_interval_s=0.005)
    yield access
    await access.close()


def another_process(path: Path, statement: str) -> None:
    """Write the file from outside."""
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.close()"
    subprocess.run([sys.executable, "-c", script, str(path), statement], check=True)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(10_000):
        if await condition():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


async def until_unknown(access: SqliteAccess, digest: bytes) -> None:
    async def is_unknown() -> bool:
        return access.known(digest, NOW) is None

    await until(is_unknown)


# -------------------------------------------------------------------------------------------------------------- the file


async def test_the_file_is_its_users_alone(access: SqliteAccess, path: Path) -> None:
    await access.open_session(ANN, NOW, LATER)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_others_could_read_is_made_private(path: Path) -> None:
    access = await SqliteAccess.open(path, QuickHasher())
    await access.close()
    path.chmod(0o644)
    access = await SqliteAccess.open(path, QuickHasher())
    await access.close()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_no_secret_is_in_the_file(path: Path) -> None:
    hasher = Argon2Hasher(time_cost=1, memory_kib=8)
    access = await SqliteAccess.open(path, hasher)
    await access.set_password(ANN, await access.hash_password("correct horse"), NOW)
    token = await access.open_session(ANN, NOW, LATER)
    _, secret = await access.create_key("billing", tuple(Scope), NOW)
    await access.close()
    hasher.close()
    content = path.read_bytes()
    for text in ("correct horse", token, secret, secret[12:]):
        assert text.encode() not in content
    assert b"$argon2id$" in content
    assert digest_of(token) in content


async def test_what_is_withdrawn_is_overwritten(access: SqliteAccess, path: Path) -> None:
    token = await access.open_session(ANN, NOW, LATER)
    assert digest_of(token) in path.read_bytes()
    await access.close_session(digest_of(token))
    assert digest_of(token) not in path.read_bytes()


async def test_everything_outlives_the_process(path: Path) -> None:
    access = await SqliteAccess.open(path, QuickHasher())
    await access.set_password(ANN, await access.hash_password("correct horse"), NOW)
    token = await access.open_session(ANN, NOW, LATER)
    key, secret = await access.create_key("billing", (Scope.READ,), NOW)
    await access.find(digest_of(secret), NOW)
    await access.close()
    access = await SqliteAccess.open(path, QuickHasher())
    assert await access.check_password(ANN, "correct horse")
    assert await access.find(digest_of(token), NOW) == Grant(holder=ANN, expires_at=LATER)
    assert [(listed.id, listed.last_used_at) for listed in await access.keys()] == [(key.id, NOW)]
    await access.close()


async def test_it_has_a_rollback_journal_and_syncs_all(access: SqliteAccess, path: Path) -> None:
    assert await access._row("PRAGMA journal_mode") == ("delete",)
    assert await access._row("PRAGMA synchronous") == (3,)
    assert not path.with_name("access.db-wal").exists()


@pytest.mark.parametrize("spoil", ["PRAGMA application_id = 7", "PRAGMA user_version = 99"])
async def test_a_foreign_or_newer_file_is_refused_untouched(path: Path, spoil: str) -> None:
    access = await SqliteAccess.open(path, QuickHasher())
    await access.close()
    another_process(path, spoil)
    before = path.read_bytes()
    with pytest.raises(StorageUnusable):
        await SqliteAccess.open(path, QuickHasher())
    assert path.read_bytes() == before


async def test_two_that_open_a_new_file_at_once_both_succeed(path: Path) -> None:
    opened = await asyncio.gather(*(SqliteAccess.open(path, QuickHasher()) for _ in range(4)))
    for access in opened:
        await access.keys()
        await access.close()


async def test_expired_logins_are_removed(access: SqliteAccess, path: Path) -> None:
    await access.open_session(ANN, NOW, LATER)
    await access.open_session(Holder(2, 1), LATER, LATER + 1)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT user_id FROM sessions").fetchall() == [(2,)]


async def test_a_scope_that_this_version_does_not_know_grants_nothing(access: SqliteAccess, path: Path) -> None:
    _, secret = await access.create_key("billing", (Scope.READ,), NOW)
    another_process(path, "UPDATE keys SET scopes = 'read everything'")
    grant = await access.find(digest_of(secret), NOW)
    assert grant is not None
    assert grant.scopes == {Scope.READ}


# ------------------------------------------------------------------------------------------------------ two processes


async def test_what_another_process_withdraws_is_unknown_soon(access: SqliteAccess, path: Path) -> None:
    key, secret = await access.create_key("billing", (Scope.READ,), NOW)
    for withdraw, restore_ in (
        (f"UPDATE keys SET revoked_at = {NOW} WHERE id = {key.id}", "UPDATE keys SET revoked_at = NULL"),
    ) * 3:
        assert await access.find(digest_of(secret), NOW) is not None
        another_process(path, withdraw)
        await until_unknown(access, digest_of(secret))
        assert await access.find(digest_of(secret), NOW) is None
        another_process(path, restore_)


async def test_what_was_read_before_another_process_withdrew_it_is_not_kept(access: SqliteAccess, path: Path) -> None:
    _, secret = await access.create_key("billing", (Scope.READ,), NOW)
    found = await access.find(digest_of(secret), NOW)
    another_process(path, f"UPDATE keys SET revoked_at = {NOW}")
    await until_unknown(access, digest_of(secret))
    assert found is not None


async def test_own_writes_leave_what_is_known_known(access: SqliteAccess) -> None:
    _, secret = await access.create_key("billing", (Scope.READ,), NOW)
    await access.find(digest_of(secret), NOW)
    await asyncio.sleep(0.05)
    await access.find(digest_of(secret), NOW)
    generation = access.generation
    for _ in range(5):
        await access.open_session(ANN, NOW, LATER)
        await asyncio.sleep(0.01)
    assert access.generation == generation
    assert access.known(digest_of(secret), NOW) is not None


async def test_where_the_file_cannot_be_looked_at_nothing_is_known(access: SqliteAccess, path: Path) -> None:
    _, secret = await access.create_key("billing", (Scope.READ,), NOW)
    assert await access.find(digest_of(secret), NOW) is not None
    os.rename(path, path.with_name("gone"))  # noqa: PTH104
    await until_unknown(access, digest_of(secret))


async def test_a_file_that_another_process_holds_is_a_refusal_that_may_be_tried_again(
    access: SqliteAccess, path: Path
) -> None:
    await access._row("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Refusal) as caught:
            await access.open_session(ANN, NOW, LATER)
        assert caught.value.code is RefusalCode.OVERLOADED
        other.execute("ROLLBACK")
    await access.open_session(ANN, NOW, LATER)


async def test_nobody_waiting_any_more_does_not_undo_a_write(access: SqliteAccess) -> None:
    await access.set_password(ANN, await access.hash_password("correct horse"), NOW)
    changing = asyncio.create_task(access.set_password(ANN, await access.hash_password("another horse"), NOW))
    await asyncio.sleep(0)
    changing.cancel()
    await until(lambda: access.check_password(ANN, "another horse"))


# ------------------------------------------------------------------------------------------------------------- memory


def test_memory_is_bounded_and_forgets_what_was_used_longest_ago() -> None:
    grants = Grants(grants_max=2)
    for digest in (b"a", b"b"):
        grants.keep(digest, Grant(holder=ANN), 0)
    grants.known(b"a", NOW)
    grants.keep(b"c", Grant(holder=ANN), 0)
    assert [grants.known(digest, NOW) is not None for digest in (b"a", b"b", b"c")] == [True, False, True]
    grants.withdraw_user(ANN.user_id)
    assert len(grants) == 0


# ------------------------------------------------------------------------------------------------------------- argon2


@pytest.fixture
def argon2() -> Iterator[Argon2Hasher]:
    hasher = Argon2Hasher(time_cost=1, memory_kib=8, waiting_max=2)
    yield hasher
    hasher.close()


async def test_a_hash_is_argon2id_with_a_salt(argon2: Argon2Hasher) -> None:
    first, second = await argon2.hash("correct horse"), await argon2.hash("correct horse")
    assert first.text.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert first != second


async def test_the_parameters_are_those_advised() -> None:
    hasher = Argon2Hasher()
    assert (await hasher.hash("correct horse")).text.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    hasher.close()


async def test_a_password_typed_in_another_way_is_the_same(argon2: Argon2Hasher) -> None:
    assert await argon2.verify(await argon2.hash("caf\u00e9 au lait"), "cafe\u0301 au lait")


async def test_one_is_hashed_at_a_time_and_past_the_bound_none_waits(argon2: Argon2Hasher) -> None:
    gate = threading.Event()
    argon2._thread.submit(gate.wait)
    waiting = [asyncio.create_task(argon2.verify(None, "x")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as caught:
        await argon2.hash("x")
    assert caught.value.code is RefusalCode.OVERLOADED
    waiting[0].cancel()
    await asyncio.sleep(0)
    with pytest.raises(Refusal):
        await argon2.hash("x")
    gate.set()
    assert await waiting[1] is False
    await asyncio.sleep(0)
    assert (await argon2.hash("x")).text


# ------------------------------------------------------------------------------------------------------------- backups


async def test_a_backup_carries_passwords_and_keys_and_no_logins(place: Place, script: Script, tmp_path: Path) -> None:
    await place.write(script)
    access = await SqliteAccess.open(place.path / "access.db", QuickHasher())
    await access.set_password(ANN, await access.hash_password("correct horse"), NOW)
    token = await access.open_session(ANN, NOW, LATER)
    _, secret = await access.create_key("billing", (Scope.READ,), NOW)
    await backup(place.path, tmp_path / "saved")
    await access.close()
    assert digest_of(token) not in (tmp_path / "saved" / "access.db").read_bytes()

    await restore(tmp_path / "saved", tmp_path / "again")
    again = tmp_path / "again" / "access.db"
    assert again.stat().st_mode & 0o777 == 0o600
    access = await SqliteAccess.open(again, QuickHasher())
    assert await access.check_password(ANN, "correct horse")
    assert await access.find(digest_of(token), NOW) is None
    assert await access.find(digest_of(secret), NOW) is not None
    await access.close()


async def test_a_folder_without_the_file_is_backed_up_without_it(place: Place, script: Script, tmp_path: Path) -> None:
    await place.write(script)
    await backup(place.path, tmp_path / "saved")
    assert [path.name for path in (tmp_path / "saved").iterdir()] == ["journal.db"]


async def test_passwords_are_copied_before_the_journal(place: Place, script: Script, tmp_path: Path) -> None:
    await place.write(script)
    access = await SqliteAccess.open(place.path / "access.db", QuickHasher())
    await access.close()
    seen: list[bool] = []

    def on_progress(what: str, _: int, __: int) -> None:
        if what == "copying the journal":
            seen.append((tmp_path / "saved.partial" / "access.db").exists())

    await backup(place.path, tmp_path / "saved", on_progress)
    assert seen
    assert all(seen)
