"""The sample data: the ids, names, balances and histories that it promises, put into a new data folder once."""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from walletd.cli import seed
from walletd.engine import CreateUser, Engine, Refusal, open_in_memory
from walletd.engine.commands import CreateAsset
from walletd.engine.identity import Holder
from walletd.engine.memory_access import MemoryAccess
from walletd.engine.ports import HistoryQuery, Transaction

from .conftest import Run, Start

PEOPLE = range(1, 7)


@pytest.fixture
async def access() -> MemoryAccess:
    return MemoryAccess()


@pytest.fixture
async def engine(access: MemoryAccess) -> AsyncIterator[Engine]:
    """An engine with the sample data."""
    async with open_in_memory() as engine:
        await seed.fill(engine, access)
        yield engine


async def transactions(engine: Engine) -> list[Transaction]:
    """Every movement, oldest first."""
    return await engine.transactions(range(1, engine.ledger.next_transaction))


async def entry_types(engine: Engine, user_id: int) -> list[str]:
    types: list[str] = []
    for wallet in engine.ledger.wallets_of(user_id):
        page = await engine.history(HistoryQuery(wallet=wallet.number, limit=100))
        types += [entry.type for entry in page.entries]
    return types


async def test_the_assets_have_the_ids_names_and_limits_that_are_promised(engine: Engine) -> None:
    assets = engine.ledger.assets()

    assert [(asset.id, asset.code, asset.name, asset.aliases, asset.transferable) for asset in assets] == [
        (1, "GOLD", "Gold Coins", ("GOLD_COINS",), False),
        (2, "DMND", "Diamonds", ("DIAMONDS",), False),
        (3, "PTS", "Loyalty Points", ("LOYALTY_POINTS",), False),
        (840, "USD", "US Dollar", (), True),
    ]
    assert {(asset.scale, asset.min_amount, asset.max_amount) for asset in assets[:3]} == {(2, 1, 100_000_000)}
    assert assets[3].scale == 2


async def test_the_six_people_have_their_ids_names_and_balances(engine: Engine) -> None:
    users = [engine.ledger.user(user_id) for user_id in PEOPLE]

    assert [(user.username, user.email, user.phone_number) for user in users[:2]] == [
        ("john_doe", "john@example.com", "+1234567890"),
        ("jane_smith", "jane@example.com", "+1987654321"),
    ]
    assert all(user.external_id is None for user in users)
    balances = [[(wallet.asset.code, wallet.posted) for wallet in engine.ledger.wallets_of(n)] for n in PEOPLE]
    assert balances[:2] == [[("USD", 100_00)], [("USD", 50_00)]]
    assert all(len(of_user) == 1 and of_user[0][1] > 0 for of_user in balances)


async def test_the_six_people_can_log_in_with_their_passwords(engine: Engine, access: MemoryAccess) -> None:
    for user_id, person in zip(PEOPLE, seed.PEOPLE, strict=True):
        holder = Holder(user_id, engine.ledger.user(user_id).created_at)
        assert await access.check_password(holder, person.password)
        assert not await access.check_password(holder, "password000")
    assert [person.password for person in seed.PEOPLE[:2]] == ["password123", "password456"]


async def test_the_people_have_a_history_of_all_four_types(engine: Engine) -> None:
    types: Counter[str] = Counter()
    for user_id in PEOPLE:
        types.update(await entry_types(engine, user_id))

    assert set(types) == {"credit", "debit", "transfer_in", "transfer_out"}
    assert types["transfer_in"] == types["transfer_out"]
    movements = sum(types.values()) - types["transfer_in"]
    assert movements >= 24


async def test_john_was_credited_first_and_paid_jane(engine: Engine) -> None:
    [john] = engine.ledger.wallets_of(1)
    page = await engine.history(HistoryQuery(wallet=john.number, limit=100))
    history = [(entry.type, entry.entry.amount, entry.description) for entry in page.entries]

    assert history[-1] == ("credit", 100_00, "Initial wallet load")
    assert ("transfer_out", -25_00, "Transfer to jane_smith") in history


@pytest.mark.parametrize(
    ("user_id", "external_id", "name"),
    [(7, "user_alice", None), (8, "user_bob", None), (9, "user_001", "Alice"), (10, "user_002", "Bob")],
)
async def test_the_players_hold_all_three_credits_given_as_bonuses(
    engine: Engine, user_id: int, external_id: str, name: str | None
) -> None:
    user = engine.ledger.find_user(external_id)

    assert (user.id, user.name) == (user_id, name)
    wallets = engine.ledger.wallets_of(user_id)
    assert [wallet.asset.code for wallet in wallets] == ["GOLD", "DMND", "PTS"]
    assert all(wallet.posted > 0 for wallet in wallets)
    assert await entry_types(engine, user_id) == ["bonus"] * 3


async def test_every_asset_sums_to_zero(engine: Engine) -> None:
    sums: Counter[str] = Counter()
    for number in range(1, engine.ledger.wallet_count + 1):
        wallet = engine.ledger.wallet_at(number)
        sums[wallet.asset.code] += wallet.posted
    assert dict(sums) == {"USD": 0, "GOLD": 0, "DMND": 0, "PTS": 0}


async def test_two_fillings_differ_in_nothing_but_uuids_and_times(engine: Engine) -> None:
    async with open_in_memory() as other:
        await seed.fill(other, MemoryAccess())
        told = [
            [(one.id, one.type, one.description, one.entries) for one in await transactions(each)]
            for each in (engine, other)
        ]
    assert told[0] == told[1]


async def test_a_ledger_with_users_is_left_alone(access: MemoryAccess) -> None:
    async with open_in_memory() as engine:
        await engine.execute(CreateUser())
        with pytest.raises(seed.NotEmpty):
            await seed.fill(engine, access)
        assert engine.ledger.seq == 1


async def test_an_asset_in_the_way_refuses_the_filling_before_any_user_is_made(access: MemoryAccess) -> None:
    async with open_in_memory() as engine:
        await engine.execute(CreateAsset(code="DMND", id=77))
        with pytest.raises(Refusal):
            await seed.fill(engine, access)
        assert engine.ledger.user_count == 0


# ------------------------------------------------------------------------------------------------------ the command


def read(folder: Path) -> list[Any]:
    with closing(sqlite3.connect(f"file:{folder / 'journal.db'}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT seq, kind FROM journal ORDER BY seq").fetchall()


def test_a_new_folder_is_filled_and_then_served(run: Run, start: Start, tmp_path: Path) -> None:
    done = run("seed", "--data", tmp_path / "data")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'data'} holds the sample data: 10 users, 51 records.\n"
    server = start(tmp_path / "data")
    assert server.get("/v1/users/1")["username"] == "john_doe"
    credits_ = server.get("/api/v1/wallets/users/user_bob/balance?asset_type_id=1")
    assert (credits_["asset_type"], float(credits_["balance"]) > 0) == ("GOLD", True)
    assert [row["asset_type"] for row in server.get("/api/v1/wallets/user_001/balance")["balances"]] == [
        "GOLD_COINS",
        "DIAMONDS",
        "LOYALTY_POINTS",
    ]
    assert [row["user_id"] for row in server.get("/api/v1/users?limit=5")] == [
        "user_002", "user_001", "user_bob", "user_alice", "6",
    ]  # fmt: skip


def test_a_folder_with_users_is_refused_and_stays_as_it_was(run: Run, tmp_path: Path) -> None:
    run("seed", "--data", tmp_path / "data")
    before = read(tmp_path / "data")

    again = run("seed", "--data", tmp_path / "data")

    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == (
        f"walletd: {tmp_path / 'data'} has users already: the sample data goes into a new folder only.\n"
    )
    assert read(tmp_path / "data") == before


def test_a_folder_in_use_is_refused(run: Run, start: Start, tmp_path: Path) -> None:
    start(tmp_path / "data")

    assert run("seed", "--data", tmp_path / "data").returncode == 3


def test_the_sample_data_verifies(run: Run, tmp_path: Path) -> None:
    run("seed", "--data", tmp_path / "data")

    assert run("verify", "--data", tmp_path / "data").returncode == 0


def test_another_default_asset_changes_nothing_of_it(run: Run, tmp_path: Path) -> None:
    done = run("seed", "--data", tmp_path / "data", WALLETD_DEFAULT_ASSET="EUR")

    assert done.stdout.endswith("10 users, 51 records.\n")
