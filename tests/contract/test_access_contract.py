"""What every Access and every PasswordHasher keeps to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from walletd.engine.identity import (
    HINT_LENGTH,
    KEY_PREFIX,
    SECRET_LENGTH,
    SESSIONS_PER_USER_MAX,
    TOKEN_PREFIX,
    Access,
    Grant,
    HashedPassword,
    Holder,
    PasswordHasher,
    Scope,
    digest_of,
)
from walletd.engine.memory_access import MemoryAccess, QuickHasher
from walletd.engine.refusals import Refusal, RefusalCode
from walletd.storage.access import SqliteAccess
from walletd.storage.passwords import Argon2Hasher

NOW = 1_700_000_000_000_000
LATER = NOW + 1_000_000
ANN = Holder(1, 100)
BOB = Holder(2, 200)


async def sqlite_access(folder: Path, hasher: QuickHasher) -> Access:
    return await SqliteAccess.open(folder / "access.db", hasher)


async def memory_access(_: Path, hasher: QuickHasher) -> Access:
    return MemoryAccess(hasher)


ACCESSES: dict[str, Callable[[Path, QuickHasher], Awaitable[Access]]] = {
    "memory": memory_access,
    "sqlite": sqlite_access,
}


@pytest.fixture
def hasher() -> QuickHasher:
    return QuickHasher()


@pytest.fixture(params=ACCESSES)
async def access(request: pytest.FixtureRequest, tmp_path: Path, hasher: QuickHasher) -> AsyncIterator[Access]:
    access = await ACCESSES[request.param](tmp_path, hasher)
    yield access
    await access.close()
    await access.close()


async def give_password(access: Access, holder: Holder, password: str) -> None:
    await access.set_password(holder, await access.hash_password(password), NOW)


# ---------------------------------------------------------------------------------------------------------- passwords


async def test_a_password_opens_for_its_user_alone(access: Access) -> None:
    await give_password(access, ANN, "correct horse")
    assert await access.check_password(ANN, "correct horse")
    assert not await access.check_password(ANN, "Correct horse")
    assert not await access.check_password(BOB, "correct horse")
    assert not await access.check_password(None, "correct horse")


async def test_a_new_password_replaces_the_old_one(access: Access) -> None:
    await give_password(access, ANN, "correct horse")
    await give_password(access, ANN, "another horse")
    assert not await access.check_password(ANN, "correct horse")
    assert await access.check_password(ANN, "another horse")


async def test_every_check_is_one_verification_whoever_it_is_of(access: Access, hasher: QuickHasher) -> None:
    await give_password(access, ANN, "correct horse")
    for holder, password in ((ANN, "correct horse"), (ANN, "wrong"), (BOB, "x"), (None, "x"), (Holder(1, 999), "x")):
        before = hasher.verifications
        await access.check_password(holder, password)
        assert hasher.verifications == before + 1


async def test_a_password_is_not_that_of_the_same_id_in_another_ledger(access: Access) -> None:
    await give_password(access, ANN, "correct horse")
    assert not await access.check_password(Holder(ANN.user_id, ANN.created_at + 1), "correct horse")


async def test_a_busy_hasher_is_a_refusal(access: Access, hasher: QuickHasher) -> None:
    hasher.busy = True
    with pytest.raises(Refusal) as caught:
        await access.check_password(ANN, "x")
    assert caught.value.code is RefusalCode.OVERLOADED
    with pytest.raises(Refusal):
        await access.hash_password("x")


# ------------------------------------------------------------------------------------------------------------- logins


async def test_a_token_is_its_users_until_it_expires(access: Access) -> None:
    token = await access.open_session(ANN, NOW, LATER)
    assert token.startswith(TOKEN_PREFIX)
    assert len(token) == SECRET_LENGTH
    assert await access.find(digest_of(token), NOW) == Grant(holder=ANN, expires_at=LATER)
    assert access.known(digest_of(token), LATER - 1) == Grant(holder=ANN, expires_at=LATER)
    assert access.known(digest_of(token), LATER) is None
    assert await access.find(digest_of(token), LATER) is None


async def test_what_was_never_found_is_not_known(access: Access) -> None:
    token = await access.open_session(ANN, NOW, LATER)
    assert access.known(digest_of(token), NOW) is None
    assert await access.find(digest_of(TOKEN_PREFIX + "A" * 43), NOW) is None


async def test_tokens_differ(access: Access) -> None:
    assert len({await access.open_session(ANN, NOW, LATER) for _ in range(5)}) == 5


async def test_a_closed_login_is_unknown_at_once(access: Access) -> None:
    first, second = [await access.open_session(ANN, NOW, LATER) for _ in range(2)]
    for token in (first, second):
        await access.find(digest_of(token), NOW)
    await access.close_session(digest_of(first))
    assert access.known(digest_of(first), NOW) is None
    assert await access.find(digest_of(first), NOW) is None
    assert access.known(digest_of(second), NOW) is not None
    await access.close_session(digest_of(first))


async def test_a_new_password_ends_the_users_logins_and_no_others(access: Access) -> None:
    anns, bobs = await access.open_session(ANN, NOW, LATER), await access.open_session(BOB, NOW, LATER)
    for token in (anns, bobs):
        await access.find(digest_of(token), NOW)
    await give_password(access, ANN, "correct horse")
    assert access.known(digest_of(anns), NOW) is None
    assert await access.find(digest_of(anns), NOW) is None
    assert access.known(digest_of(bobs), NOW) is not None


async def test_all_logins_of_a_user_can_be_ended(access: Access) -> None:
    tokens = [await access.open_session(ANN, NOW, LATER) for _ in range(3)]
    await access.find(digest_of(tokens[0]), NOW)
    await access.close_sessions(ANN.user_id)
    assert access.known(digest_of(tokens[0]), NOW) is None
    assert [await access.find(digest_of(token), NOW) for token in tokens] == [None] * 3


async def test_past_the_bound_the_oldest_login_ends(access: Access) -> None:
    bobs = await access.open_session(BOB, NOW, LATER)
    tokens = [await access.open_session(ANN, NOW, LATER) for _ in range(SESSIONS_PER_USER_MAX)]
    await access.find(digest_of(tokens[0]), NOW)
    tokens.append(await access.open_session(ANN, NOW, LATER))
    assert access.known(digest_of(tokens[0]), NOW) is None
    living = [await access.find(digest_of(token), NOW) is not None for token in tokens]
    assert living == [False] + [True] * SESSIONS_PER_USER_MAX
    assert await access.find(digest_of(bobs), NOW) is not None


async def test_a_login_found_while_it_was_ended_is_not_kept(access: Access) -> None:
    token = await access.open_session(ANN, NOW, LATER)
    await asyncio.gather(access.find(digest_of(token), NOW), access.close_session(digest_of(token)))
    assert access.known(digest_of(token), NOW) is None


# --------------------------------------------------------------------------------------------------------------- lent


async def test_what_is_lent_is_known_until_it_expires_or_the_password_changes(access: Access) -> None:
    grant = Grant(holder=ANN, expires_at=LATER)
    access.lend(b"1" * 32, grant, access.generation)
    assert access.known(b"1" * 32, NOW) == grant
    assert access.known(b"1" * 32, LATER) is None
    access.lend(b"1" * 32, grant, access.generation)
    await give_password(access, ANN, "correct horse")
    assert access.known(b"1" * 32, NOW) is None


async def test_what_rests_on_an_older_generation_is_not_lent(access: Access) -> None:
    generation = access.generation
    await give_password(access, ANN, "correct horse")
    assert access.generation > generation
    access.lend(b"1" * 32, Grant(holder=ANN, expires_at=LATER), generation)
    assert access.known(b"1" * 32, NOW) is None


# --------------------------------------------------------------------------------------------------------------- keys


async def test_a_key_has_its_name_and_scopes(access: Access) -> None:
    key, secret = await access.create_key("billing", (Scope.READ, Scope.WRITE), NOW, LATER)
    assert secret.startswith(KEY_PREFIX)
    assert len(secret) == SECRET_LENGTH
    assert key.hint == secret[:HINT_LENGTH]
    grant = Grant(key_id=key.id, name="billing", scopes=frozenset({Scope.READ, Scope.WRITE}), expires_at=LATER)
    assert await access.find(digest_of(secret), NOW) == grant
    assert access.known(digest_of(secret), NOW) == grant
    assert access.known(digest_of(secret), LATER) is None
    assert await access.find(digest_of(secret), LATER) is None


async def test_a_key_without_an_end_lives_on(access: Access) -> None:
    _, secret = await access.create_key("billing", (Scope.READ,), NOW)
    assert await access.find(digest_of(secret), NOW * 2) is not None
    assert access.known(digest_of(secret), NOW * 2) is not None


async def test_a_revoked_key_is_unknown_at_once_and_stays_listed(access: Access) -> None:
    key, secret = await access.create_key("billing", (Scope.READ,), NOW)
    await access.find(digest_of(secret), NOW)
    assert await access.revoke_key(key.id, LATER)
    assert access.known(digest_of(secret), NOW) is None
    assert await access.find(digest_of(secret), NOW) is None
    assert [(listed.id, listed.revoked_at) for listed in await access.keys()] == [(key.id, LATER)]


async def test_a_key_is_revoked_once(access: Access) -> None:
    key, _ = await access.create_key("billing", (Scope.READ,), NOW)
    assert [await access.revoke_key(id_, LATER) for id_ in (key.id, key.id, 999, 0)] == [True, False, False, False]


async def test_a_key_says_when_it_was_last_used(access: Access) -> None:
    _, secret = await access.create_key("billing", (Scope.READ,), NOW)
    assert [key.last_used_at for key in await access.keys()] == [None]
    await access.find(digest_of(secret), NOW)
    assert [key.last_used_at for key in await access.keys()] == [NOW]
    access.known(digest_of(secret), LATER)
    assert [key.last_used_at for key in await access.keys()] == [LATER]


async def test_keys_are_listed_in_order_without_their_secrets(access: Access) -> None:
    made = [await access.create_key(name, (Scope.READ,), NOW) for name in ("b", "a")]
    listed = await access.keys()
    assert [key.name for key in listed] == ["b", "a"]
    assert not any(secret in repr(listed) for _, secret in made)


# ------------------------------------------------------------------------------------------------------------- hashers


@pytest.fixture(params=["quick", "argon2"])
async def any_hasher(request: pytest.FixtureRequest) -> AsyncIterator[PasswordHasher]:
    if request.param == "quick":
        yield QuickHasher()
        return
    hasher = Argon2Hasher(time_cost=1, memory_kib=8)
    yield hasher
    hasher.close()


async def test_a_hasher_knows_its_own_hashes(any_hasher: PasswordHasher) -> None:
    hashed = await any_hasher.hash("correct horse")
    assert await any_hasher.verify(hashed, "correct horse")
    assert not await any_hasher.verify(hashed, "wrong horse")
    assert not await any_hasher.verify(hashed, "correct house")
    assert not await any_hasher.verify(hashed, "correct horse ")
    assert not await any_hasher.verify(None, "correct horse")
    assert not await any_hasher.verify(HashedPassword("no hash"), "correct horse")


async def test_a_hash_shows_itself_to_no_log(any_hasher: PasswordHasher) -> None:
    hashed = await any_hasher.hash("correct horse")
    assert hashed.text not in f"{hashed} {hashed!r} {[hashed]}"
    assert "horse" not in hashed.text
