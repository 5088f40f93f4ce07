"""The engine on real files that were damaged: what it refuses, what it makes anew, and what it never touches."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from walletd.engine import Batch, CreateAsset, CreateUser, Engine, Move, transfer
from walletd.engine.limits import AMOUNT_MAX, BATCH_MAX
from walletd.engine.ports import HistoryQuery, StorageForeign
from walletd.engine.records import BrokenJournal
from walletd.engine.wallet import Wallet
from walletd.storage.image import SqliteImage
from walletd.storage.journal import SqliteJournal
from walletd.storage.verify import verify
from walletd.tests.storage.conftest import Place


@asynccontextmanager
async def running(place: Place) -> AsyncIterator[Engine]:
    image = SqliteImage(place.image_path, place.journal_path)
    async with await Engine.start(SqliteJournal(place.journal_path, reserve_bytes=0), image, image) as engine:
        yield engine


async def fill(engine: Engine) -> list[str]:
    """Some money in some wallets; their ids, the Treasury's first."""
    asset: Any = (await engine.execute(CreateAsset(code="USD", max_amount=AMOUNT_MAX))).subject
    wallets = [asset.treasury.id]
    for _ in range(3):
        user: Any = (await engine.execute(CreateUser(wallet_asset="USD"))).subject
        wallets.append(user.wallet.id)
        await engine.execute(transfer(wallets[0], wallets[-1], 1_000))
    return wallets


async def entries(engine: Engine, wallet: Wallet) -> int:
    return len((await engine.history(HistoryQuery(wallet=wallet.number, limit=100))).entries)


async def test_a_file_of_another_program_in_the_place_of_the_image_is_refused_untouched(place: Place) -> None:
    async with running(place) as engine:
        await fill(engine)
    place.image_path.unlink()
    with closing(sqlite3.connect(place.image_path)) as books:
        books.execute("CREATE TABLE my_books (page)")
        books.commit()
    before = place.image_path.read_bytes()

    with pytest.raises(StorageForeign, match="another program"):
        async with running(place):
            pass

    assert place.image_path.read_bytes() == before


async def test_an_image_that_cannot_be_used_is_set_aside_and_made_anew(place: Place) -> None:
    async with running(place) as engine:
        wallets = await fill(engine)
    noise = b"\xff" * 100_000
    place.image_path.write_bytes(noise)

    async with running(place) as engine:
        assert await entries(engine, engine.ledger.wallet(wallets[1])) == 1

    assert Path(f"{place.image_path}.set-aside").read_bytes() == noise
    assert (await verify(place.path)).sound


@pytest.mark.parametrize(
    "statement", ["UPDATE assets SET aliases = '[}'", "UPDATE wallets SET id = 'x' WHERE number < 3"]
)
async def test_an_image_with_unreadable_rows_is_made_anew(place: Place, statement: str) -> None:
    async with running(place) as engine:
        wallets = await fill(engine)
    place.spoil_image(statement)

    async with running(place) as engine:
        assert engine.ledger.wallet(wallets[1]).posted == 1_000


async def test_an_image_that_fails_while_it_is_folded_is_made_anew_beside_the_traffic(place: Place) -> None:
    async with running(place) as engine:
        wallets = await fill(engine)
    place.spoil_image("DROP TABLE milestones")

    async with running(place) as engine:
        for _ in range(70):
            await engine.execute(transfer(wallets[1], wallets[2], 1))

        assert await entries(engine, engine.ledger.wallet(wallets[2])) == 71

    assert (await verify(place.path)).sound


async def test_an_image_that_cannot_be_asked_is_made_anew(place: Place) -> None:
    async with running(place) as engine:
        wallets = await fill(engine)
        place.spoil_image("DROP TABLE transactions")

        assert (await engine.transaction(1)).entries[1].amount == 1_000
        assert await entries(engine, engine.ledger.wallet(wallets[1])) == 1


@pytest.mark.parametrize(
    ("statement", "record"),
    [
        ("UPDATE journal SET body = replace(body, '1000', '2000') WHERE seq = 3", 3),
        ("DELETE FROM journal WHERE seq = 4", 4),
        ("UPDATE journal SET kind = 'wallet_opened' WHERE seq = 2", 2),
    ],
)
async def test_events_are_never_read_from_records_that_were_changed(place: Place, statement: str, record: int) -> None:
    async with running(place) as engine:
        await fill(engine)
    place.spoil_journal(statement)

    async with running(place) as engine:
        with pytest.raises(BrokenJournal) as caught:
            await engine.events(1, 100)

    assert caught.value.seq == record


async def test_a_ledger_whose_sums_pass_64_bits_on_the_way_is_sound(place: Place) -> None:
    async with running(place) as engine:
        wallets = await fill(engine)
        half = 2**62
        ins = tuple((wallet, half) for wallet in wallets[1:])
        outs = tuple((wallet, -half) for wallet in wallets[1:])
        await engine.execute(Move(legs=ins + outs))

    assert (await verify(place.path)).findings == []


async def test_the_largest_batch_is_folded_and_read_back(place: Place) -> None:
    async with running(place) as engine:
        wallets = await fill(engine)
        moves = tuple(transfer(wallets[0], wallets[1 + number % 3], 1) for number in range(BATCH_MAX))

        outcome = await engine.execute(Batch(moves=moves))

        assert await engine.transaction(outcome.transactions[-1].id) == outcome.transactions[-1]
