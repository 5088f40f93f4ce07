"""When the journal fails: nothing acknowledged is lost, nothing refused appears, and everybody is answered truly."""

import asyncio
import gc
import warnings
from collections.abc import Coroutine
from typing import Any

import pytest

from walletd.engine import (
    Close,
    CreateUser,
    Engine,
    EngineOptions,
    EngineState,
    Freeze,
    Holding,
    MemoryImage,
    MemoryJournal,
    Move,
    Refusal,
    RefusalCode,
    transfer,
)
from walletd.engine.ports import Fenced, Head, HistoryQuery, JournalFull, OutcomeUnknown, StorageUnusable
from walletd.engine.wallet import InvariantBroken
from walletd.tests.builders import Fate, World, code_of, keyed, ledger_state, quiet

C = RefusalCode


async def busy(world: World) -> list["asyncio.Task[Any]"]:
    """Every kind of operation in flight or waiting, the first one alone at the gate."""
    treasury = await world.asset()
    ann, bob, carl = await world.wallet(100), await world.wallet(), await world.wallet()
    world.gate.shut()
    return [
        await world.begin(command)
        for command in (
            transfer(ann, bob, 60),
            transfer(ann, bob, 40),
            Move(legs=((treasury, -5), (bob, 3), (carl, 2))),
            transfer(treasury, Holding("USD", external_id="zoe", open_user=True), 5),
            CreateUser(username="eve", wallet_asset="USD"),
            Freeze(wallet_id=carl, reason="r"),
            transfer(carl, bob, 1),
            transfer(ann, bob, 1),
            CreateUser(username="eve"),
            Close(wallet_id=bob),
        )
    ]


async def test_a_full_journal_releases_everything_exactly_and_takes_no_writes() -> None:
    async with World() as world:
        tasks = await busy(world)
        assert (world.engine.in_flight, world.engine.waiting) == (6, 4)
        image = await world.folded_to(world.ledger.seq)
        world.store.rows_max = len(world.store.rows)
        world.gate.open()
        await asyncio.wait(tasks)

        assert {code_of(task) for task in tasks} == {C.READ_ONLY}
        assert world.engine.state is EngineState.READ_ONLY
        assert (world.engine.in_flight, world.engine.waiting) == (0, 0)
        async with World(store=world.store) as witness:
            await witness.restart(image)
            assert ledger_state(world.ledger) == ledger_state(witness.ledger)
        for command in (CreateUser(), transfer(world.treasury(), world.ledger.wallet_at(2).id, 1)):
            assert (await world.refused(command)).code is C.READ_ONLY
            assert (await world.refused(command, dry_run=True)).code is C.READ_ONLY


async def test_what_was_full_comes_back_by_itself_and_numbers_go_on_without_a_gap() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.store.rows_max = len(world.store.rows)
        assert (await world.refused(transfer(ann, bob, 1), key=keyed("k"))).code is C.READ_ONLY
        assert world.condition == "read_only"
        before = ledger_state(world.ledger)

        world.store.rows_max += 2
        await quiet()

        assert world.condition == "running"
        outcome = await world.engine.execute(transfer(ann, bob, 1), key=keyed("k"))
        assert not outcome.replayed
        assert outcome.record is not None
        assert (outcome.record.seq, outcome.transactions[0].id) == (before["seq"] + 1, before["next"][2])
        assert world.posted(ann, bob) == [99, 1]
        await world.restart()
        assert world.posted(ann, bob) == [99, 1]


async def test_a_full_journal_still_serves_reads() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        done = await world.engine.execute(transfer(ann, bob, 1), key=keyed("k"))
        world.store.rows_max = len(world.store.rows)
        await world.refused(transfer(ann, bob, 1))

        assert world.posted(ann, bob) == [99, 1]
        assert await world.engine.transaction(2) == done.transactions[0]
        page = await world.engine.history(HistoryQuery(wallet=world.at(bob).number, limit=5))
        assert [item.entry.amount for item in page.entries] == [1]
        assert len(await world.engine.events(0, 100)) == world.ledger.seq
        assert (await world.engine.execute(transfer(ann, bob, 1), key=keyed("k"))).replayed


async def test_records_that_came_after_a_full_group_are_released_with_it() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        first = await world.begin(transfer(ann, bob, 60))
        later = [await world.begin(transfer(ann, bob, 10)) for _ in range(4)]
        assert len(world.gate.waiting) == 1

        await world.gate.give(Fate.FULL)
        world.gate.open()
        await quiet()

        assert [code_of(task) for task in (first, *later)] == [C.READ_ONLY] * 5
        assert (world.at(ann).available, world.at(ann).entry_count, world.at(bob).entry_count) == (100, 1, 0)
        await world.engine.execute(transfer(ann, bob, 100))


async def test_an_unknown_outcome_is_told_to_the_group_and_stopping_to_all_others() -> None:
    for fate in (Fate.WRITTEN_UNKNOWN, Fate.LOST_UNKNOWN):
        async with World() as world:
            tasks = await busy(world)
            await world.gate.give(fate)

            assert code_of(tasks[0]) is C.OUTCOME_UNKNOWN
            assert {code_of(task) for task in tasks[1:]} == {C.STOPPING}
            assert isinstance(await world.engine.failure(), OutcomeUnknown)
            assert world.engine.state is EngineState.FAILED
            assert (await world.refused(CreateUser())).code is C.STOPPING
            await world.engine.stop()
            await world.engine.stop()
            assert world.gate.closed
            assert len(world.gate.groups) == world.ledger.seq + 1


async def test_a_writer_that_was_fenced_wrote_nothing_and_says_so() -> None:
    async with World() as world:
        tasks = await busy(world)

        await world.gate.give(Fate.FENCED)

        assert {code_of(task) for task in tasks} == {C.STOPPING}


async def test_a_writer_that_was_fenced_has_failed() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        await world.store.claim()

        refusal = await world.refused(transfer(ann, bob, 1))

        assert refusal.code in (C.STOPPING, C.OUTCOME_UNKNOWN)
        assert isinstance(await world.engine.failure(), Fenced)
        assert world.posted(ann, bob) == [100, 0]


async def test_who_waits_for_the_failure_may_go_away_and_another_still_hears_it() -> None:
    async with World() as world:
        await world.asset()
        first = asyncio.create_task(world.engine.failure())
        second = asyncio.create_task(world.engine.failure())
        await quiet()
        first.cancel()
        await world.store.claim()
        await world.refused(CreateUser())

        assert isinstance(await second, Fenced)


async def test_a_ledger_that_contradicts_itself_ends_the_engine_and_answers_everybody() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(ann, bob, 1)) for _ in range(3)]
        world.at(bob).posted += 1

        world.gate.open()
        _, pending = await asyncio.wait(tasks, timeout=1)

        assert isinstance(await world.engine.failure(), InvariantBroken)
        assert world.engine.stats.invariant_violations == 1
        assert not pending
        assert {code_of(task) for task in tasks} <= {C.OUTCOME_UNKNOWN, C.STOPPING}


class BrokenImage(MemoryImage):
    """An image that cannot be folded from a record on; until `broken` is let go, a fold waits."""

    def __init__(self, journal: MemoryJournal) -> None:
        super().__init__(journal)
        self.broken = asyncio.Event()

    async def fold(self, through: int) -> Head:
        """See Image."""
        await self.broken.wait()
        raise StorageUnusable("the image broke")


async def test_an_image_that_fails_ends_the_engine_and_answers_everybody() -> None:
    store = MemoryJournal()
    async with World(store=store) as world:
        tasks = await busy(world)
        world.gate.open()
        await asyncio.wait(tasks)
        rows = len(store.rows)
        await world.kill()
        image = BrokenImage(store)
        await world.start(image)
        ann, bob = (world.ledger.wallet_at(number).id for number in (2, 3))
        world.gate.shut()
        money = world.at(bob).posted
        writes = [await world.begin(transfer(bob, ann, amount)) for amount in (money, 1)]
        assert (world.engine.in_flight, world.engine.waiting) == (1, 1)
        read = asyncio.create_task(world.engine.transaction(1))
        await quiet()

        image.broken.set()
        await quiet()

        assert isinstance(await world.engine.failure(), StorageUnusable)
        assert code_of(writes[0]) is C.OUTCOME_UNKNOWN
        assert code_of(writes[1]) is C.STOPPING
        error = read.exception()
        assert isinstance(error, Refusal)
        assert error.code is C.STOPPING
        world.gate.open()
        await quiet()
        await world.engine.stop()
        assert len(store.rows) <= rows + 1


async def test_stopping_finishes_what_is_in_flight_and_what_waits_and_folds_all_of_it() -> None:
    async with World() as world:
        tasks = await busy(world)
        stop = asyncio.create_task(world.engine.stop())
        await quiet()
        assert not stop.done()
        assert (await world.refused(CreateUser())).code is C.STOPPING

        world.gate.open()
        await stop

        assert all(task.done() for task in tasks)
        codes = [None if task.exception() is None else code_of(task) for task in tasks]
        assert codes == [None] * 6 + [C.WALLET_FROZEN, C.INSUFFICIENT_BALANCE, C.USER_EXISTS, C.WALLET_NOT_EMPTY]
        assert (await world.image.open())[0].seq == world.ledger.seq == len(world.store.rows)
        assert world.engine.folded_seq == world.ledger.seq
        assert world.gate.closed
        await world.engine.stop()


async def test_a_journal_that_is_full_while_the_engine_stops_leaves_nobody_unanswered() -> None:
    async with World() as world:
        tasks = await busy(world)
        world.store.rows_max = len(world.store.rows)
        rows = list(world.store.rows)
        stop = asyncio.create_task(world.engine.stop())
        await quiet()

        world.gate.open()
        await stop

        assert all(isinstance(task.exception(), Refusal) for task in tasks)
        assert {code_of(task) for task in tasks[:6]} == {C.READ_ONLY}
        assert world.store.rows == rows


async def test_a_read_only_engine_stops() -> None:
    async with World(options=EngineOptions(room_poll_s=3_600, gather_s=0)) as world:
        await world.asset()
        world.store.rows_max = len(world.store.rows)
        await world.refused(CreateUser())

        await world.engine.stop()

        assert (await world.refused(CreateUser())).code is C.STOPPING


async def test_an_engine_that_is_stopped_as_soon_as_it_has_started_leaves_nothing_behind() -> None:
    store = MemoryJournal()
    image = MemoryImage(store)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        engine = await Engine.start(store, image, image)
        await engine.stop()
        del engine
        gc.collect()

    assert [str(warning.message) for warning in caught] == []


async def test_whoever_waits_for_a_record_that_will_not_come_is_let_go_when_the_engine_ends() -> None:
    for fate in (None, Fate.LOST_UNKNOWN):
        async with World() as world:
            await world.asset()
            watcher = asyncio.create_task(world.engine.beyond(world.ledger.seq))
            await quiet()
            assert not watcher.done()

            if fate is None:
                await world.engine.stop()
            else:
                world.gate.shut()
                await world.begin(CreateUser())
                await world.gate.give(fate)

            await asyncio.wait_for(watcher, 5)


async def test_whoever_no_longer_waits_for_a_record_leaves_no_watcher_behind() -> None:
    async with World() as world:
        await world.asset()
        watchers = [asyncio.create_task(world.engine.beyond(world.ledger.seq)) for _ in range(3)]
        await quiet()
        assert len(world.engine._watchers) == 3

        for watcher in watchers[:2]:
            watcher.cancel()
        await quiet()

        assert len(world.engine._watchers) == 1
        await world.engine.execute(CreateUser())
        await quiet()
        assert [watcher.cancelled() for watcher in watchers] == [True, True, False]
        assert watchers[2].result() is None
        assert world.engine._watchers == []


async def test_a_read_after_the_end_is_refused_and_does_not_hang() -> None:
    async with World() as world:
        await world.asset()
        ann = await world.wallet(5)
        await world.kill()
        image = BrokenImage(world.store)
        await world.start(image)
        image.broken.set()
        query = HistoryQuery(wallet=world.at(ann).number, limit=1)
        with pytest.raises(Refusal):
            await world.engine.history(query)
        assert world.engine.state is EngineState.FAILED

        read: Coroutine[Any, Any, Any] = world.engine.history(query)
        with pytest.raises(Refusal) as caught:
            await asyncio.wait_for(read, 0.5)

        assert caught.value.code is C.STOPPING


class ImageWithoutRoomForExpiry(MemoryImage):
    """Folds, but has no room to forget the keys whose life is over."""

    async def expire_keys(self, before: int) -> bool:
        """See Image."""
        self.asked = True
        raise JournalFull("no room")


async def test_a_disk_that_fills_up_while_keys_expire_ends_nothing() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(5), await world.wallet()
        await world.kill()
        image = ImageWithoutRoomForExpiry(world.store)
        await world.start(image)
        await world.engine.execute(transfer(ann, bob, 1))

        await world.engine.history(HistoryQuery(wallet=world.at(bob).number, limit=1))
        await quiet()
        await world.engine.execute(transfer(ann, bob, 1))

        assert image.asked
        assert (world.engine.state, world.at(bob).posted) == (EngineState.RUNNING, 2)


class SlowRoom(MemoryJournal):
    """A journal that takes its time to say whether there is room again."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.told = asyncio.Event(), asyncio.Event()

    async def has_room(self) -> bool:
        """See JournalStore."""
        self.asked.set()
        await self.told.wait()
        return True


async def test_an_engine_that_failed_while_it_asked_for_room_does_not_run_again() -> None:
    store = SlowRoom()
    async with World(store=store) as world:
        await world.asset()
        await world.kill()
        image = BrokenImage(store)
        await world.start(image)
        world.gate.shut()
        refused = await world.begin(CreateUser())
        await world.gate.give(Fate.FULL)
        assert code_of(refused) is C.READ_ONLY
        await store.asked.wait()
        read = asyncio.create_task(world.engine.transaction(1))
        image.broken.set()
        await quiet()
        assert world.engine.state is EngineState.FAILED

        store.told.set()
        await quiet()

        assert world.engine.state is EngineState.FAILED
        await asyncio.gather(read, return_exceptions=True)


class CountingImage(MemoryImage):
    """Counts its folds and resets."""

    def __init__(self, journal: MemoryJournal) -> None:
        super().__init__(journal)
        self.done: list[str] = []

    async def fold(self, through: int) -> Head:
        """See Image."""
        self.done.append("fold")
        raise JournalFull("no room")

    async def reset(self) -> None:
        """See Image."""
        self.done.append("reset")
        await super().reset()


async def test_a_stop_while_records_gather_to_be_folded_begins_no_step_but_the_last() -> None:
    async with World() as world:
        await world.asset()
        await world.kill()
        image = CountingImage(world.store)
        await world.start(image)
        await world.engine.execute(CreateUser())
        await quiet()
        assert image.done == []

        await asyncio.wait_for(world.engine.stop(), 0.5)

        assert image.done == ["fold"]


async def test_records_gather_before_every_step_of_folding() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(5), await world.wallet()
        await world.engine.history(HistoryQuery(wallet=world.at(bob).number, limit=1))
        folded = world.engine.folded_seq
        for _ in range(5):
            await world.engine.execute(transfer(ann, bob, 1))
            await quiet()

        assert world.engine.folded_seq == folded
