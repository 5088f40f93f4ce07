"""Reads see what was acknowledged, and nothing that is not durable."""

import asyncio

import pytest

from walletd.engine import (
    Batch,
    CreateUser,
    Engine,
    IdempotencyKey,
    MemoryImage,
    Refusal,
    RefusalCode,
    open_in_memory,
    transfer,
)
from walletd.engine.ports import Head, HistoryQuery, JournalFull, NumberedQuery, WalletQuery
from walletd.engine.records import BrokenJournal
from walletd.tests.builders import Fate, World, quiet


async def test_every_acknowledged_movement_is_readable_at_once() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()

        for amount in range(1, 6):
            outcome = await world.engine.execute(transfer(ann, bob, amount, description=f"no. {amount}"))
            transaction = outcome.transactions[0]
            assert await world.engine.transaction(transaction.id) == transaction
            page = await world.engine.history(HistoryQuery(wallet=world.at(bob).number, limit=1))
            assert page.entries[0].entry == transaction.entries[1]
            assert page.entries[0].type == "transfer_in"

        assert world.engine.folded_seq == world.ledger.seq


async def test_what_is_in_flight_is_in_no_read() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        await world.begin(transfer(ann, bob, 1))
        number = world.at(bob).number

        with pytest.raises(Refusal) as caught:
            await world.engine.transaction(2)
        assert caught.value.code is RefusalCode.TRANSACTION_NOT_FOUND
        assert (await world.engine.history(HistoryQuery(wallet=number, limit=5))).entries == []
        await world.gate.give(Fate.DURABLE)
        assert len((await world.engine.history(HistoryQuery(wallet=number, limit=5))).entries) == 1


async def test_a_history_is_walked_page_by_page_without_gaps_or_repeats() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        for _ in range(7):
            await world.engine.execute(transfer(ann, bob, 1))
        seen: list[int] = []
        below: int | None = None

        while True:
            page = await world.engine.history(HistoryQuery(wallet=world.at(bob).number, limit=3, below=below))
            seen += [item.entry.ordinal for item in page.entries]
            await world.engine.execute(transfer(ann, bob, 1))
            below = page.next_below
            if below is None:
                break

        assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_wallets_are_found_with_the_state_of_now() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        await world.engine.execute(transfer(ann, bob, 40))

        found = await world.engine.wallets(WalletQuery(limit=10, after=1))

        assert [(wallet.id, wallet.posted) for wallet in found] == [(ann, 60), (bob, 40)]


async def test_events_are_the_durable_records_in_order() -> None:
    async with World() as world:
        await world.asset()
        await world.wallet(5)

        assert [record.seq for record in await world.engine.events(0, 2)] == [1, 2]
        assert [record.kind for record in await world.engine.events(2, 5)] == ["moved"]
        assert await world.engine.events(3, 5) == []


async def test_events_of_large_records_come_in_shorter_pages_and_none_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("walletd.engine.journal.READ_BYTES_MAX", 1)
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        first = await world.engine.execute(transfer(ann, bob, 1), key=IdempotencyKey("scope", "key", {}))
        again = await world.engine.execute(transfer(ann, bob, 1), key=IdempotencyKey("scope", "key", {}))
        pages = [await world.engine.events(0, 100)]
        while pages[-1]:
            pages.append(await world.engine.events(pages[-1][-1].seq, 100))

        assert [[record.seq for record in page] for page in pages] == [[1], [2], [3], [4], [5], []]
        assert again.replayed
        assert again.record == first.record


async def test_records_that_are_gone_are_missed_by_name() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        await world.engine.execute(transfer(ann, bob, 1), key=IdempotencyKey("scope", "key", {}))
        last = world.store.rows.pop()

        assert [record.seq for record in await world.engine.events(0, 100)] == [1, 2, 3, 4]
        for reading in (
            world.engine.events(4, 100),
            world.engine.execute(transfer(ann, bob, 1), key=IdempotencyKey("scope", "key", {})),
        ):
            with pytest.raises(BrokenJournal, match="record 5: missing"):
                await reading
        world.store.rows.append(last)
        assert [record.seq for record in await world.engine.events(4, 100)] == [5]
        assert await world.engine.events(5, 100) == []
        assert await world.engine.events(9, 100) == []


async def test_only_a_movement_of_its_own_is_a_records_movement() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()

        alone = await world.engine.execute(transfer(ann, bob, 1))
        two = await world.engine.execute(Batch(moves=(transfer(ann, bob, 1), transfer(ann, bob, 2))))

        assert alone.transaction == alone.transactions[0]
        with pytest.raises(ValueError, match="too many values"):
            _ = two.transaction


async def test_a_watcher_is_woken_by_the_next_record_and_not_before() -> None:
    async with World() as world:
        await world.asset()
        watcher = asyncio.create_task(world.engine.beyond(world.ledger.seq))
        await quiet()
        assert not watcher.done()

        await world.asset("EUR")
        await asyncio.wait_for(watcher, 5)

        await world.engine.beyond(world.ledger.seq - 1)


async def test_an_engine_in_memory_is_ready_to_use() -> None:
    async with open_in_memory() as engine:
        assert isinstance(engine, Engine)
        assert engine.ledger.seq == 0


async def test_movements_are_read_by_their_numbers_in_the_order_asked_for_and_by_any_of_their_entries() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        done = [(await world.engine.execute(transfer(ann, bob, amount))).transactions[0] for amount in (1, 2, 3)]

        assert await world.engine.transactions([4, 99, 2]) == [done[2], done[0]]
        for transaction in done:
            for entry in transaction.entries:
                assert await world.engine.transaction_of_entry(entry.id) == transaction
        with pytest.raises(Refusal) as caught:
            await world.engine.transaction_of_entry(99)
        assert caught.value.code is RefusalCode.TRANSACTION_NOT_FOUND


async def test_a_page_by_its_number_has_the_exact_total_and_the_newest_first() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        for amount in range(1, 6):
            await world.engine.execute(transfer(ann, bob, amount))
        numbers = (world.at(ann).number, world.at(bob).number)

        both = await world.engine.numbered(NumberedQuery(wallets=numbers, offset=1, limit=3))
        received = await world.engine.numbered(
            NumberedQuery(wallets=numbers, offset=3, limit=9, types=("transfer_in",))
        )

        assert ([item.entry.amount for item in both.entries], both.total) == ([-5, 4, -4], 11)
        assert ([item.entry.amount for item in received.entries], received.total) == ([2, 1], 5)


class FullImage(MemoryImage):
    """An image without room to fold."""

    async def fold(self, through: int) -> Head:
        """See Image."""
        raise JournalFull("no room for the image")


async def test_a_read_that_needs_an_image_without_room_is_refused_and_writes_go_on() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        await world.kill()
        await world.start(FullImage(world.store))

        await world.engine.execute(transfer(ann, bob, 1))
        with pytest.raises(Refusal) as caught:
            await world.engine.transaction(1)

        assert caught.value.code is RefusalCode.READ_ONLY
        await world.engine.execute(transfer(ann, bob, 1))
        assert world.posted(ann, bob) == [98, 2]


async def test_a_record_whose_outcome_is_unknown_is_no_event_although_the_store_holds_it() -> None:
    async with World() as world:
        await world.asset()
        world.gate.shut()
        await world.begin(CreateUser())
        await world.gate.give(Fate.WRITTEN_UNKNOWN)
        assert len(world.store.rows) == 2

        assert [record.seq for record in await world.engine.events(0, 10)] == [1]
