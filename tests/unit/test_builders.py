"""The fakes keep the promises of the ports that they stand in for."""

import asyncio

import pytest

from walletd.engine import MemoryJournal
from walletd.engine.ports import Fenced, JournalFull, OutcomeUnknown
from walletd.engine.records import GENESIS, MOVED, Body, Record, Row, encode
from walletd.tests.builders import Fate, GatedJournal, World, ledger_state, quiet


def rows(count: int, after: int = 0, chain: bytes = GENESIS) -> list[Row]:
    """A chain of empty records."""
    made = []
    for seq in range(after + 1, after + count + 1):
        made.append(encode(Record(seq, seq, MOVED, Body()), chain))
        chain = made[-1].chain
    return made


async def test_an_open_gate_behaves_as_the_store_behind_it() -> None:
    gate = GatedJournal(MemoryJournal(rows_max=3))
    epoch, head = await gate.claim()
    assert (head.seq, head.chain) == (0, GENESIS)

    await gate.append(epoch, rows(3))

    assert await gate.read(1, 1) == rows(3)[1:2]
    assert not await gate.has_room()
    with pytest.raises(JournalFull):
        await gate.append(epoch, rows(4)[3:])
    second, head = await gate.claim()
    assert (second > epoch, head.seq) == (True, 3)
    with pytest.raises(Fenced):
        await gate.append(epoch, rows(4)[3:])
    assert gate.groups == [3, 1, 1]
    await gate.close()
    await gate.close()
    assert gate.closed


async def test_a_shut_gate_holds_an_append_until_it_is_given_a_fate() -> None:
    gate = GatedJournal(MemoryJournal())
    epoch, _ = await gate.claim()
    gate.shut()
    append = asyncio.create_task(gate.append(epoch, rows(2)))
    await quiet()
    assert (append.done(), len(gate.waiting), len(gate.store.rows)) == (False, 2, 0)

    await gate.give(Fate.DURABLE)

    assert (append.done(), gate.waiting, len(gate.store.rows)) == (True, (), 2)
    await append


@pytest.mark.parametrize(
    ("fate", "error", "written"),
    [
        (Fate.FULL, JournalFull, 0),
        (Fate.FENCED, Fenced, 0),
        (Fate.LOST_UNKNOWN, OutcomeUnknown, 0),
        (Fate.WRITTEN_UNKNOWN, OutcomeUnknown, 1),
    ],
)
async def test_each_fate_leaves_what_its_error_promises(fate: Fate, error: type[Exception], written: int) -> None:
    gate = GatedJournal(MemoryJournal())
    epoch, _ = await gate.claim()
    gate.shut()
    await gate.give(fate)

    with pytest.raises(error):
        await gate.append(epoch, rows(1))

    assert len(gate.store.rows) == written


async def test_opening_the_gate_lets_the_waiting_append_pass() -> None:
    gate = GatedJournal(MemoryJournal())
    epoch, _ = await gate.claim()
    gate.shut()
    append = asyncio.create_task(gate.append(epoch, rows(1)))
    await quiet()

    gate.open()
    await append

    assert len(gate.store.rows) == 1


async def test_two_worlds_with_the_same_story_are_in_the_same_state() -> None:
    states = []
    for _ in range(2):
        async with World() as world:
            await world.asset()
            await world.wallet(5)
            states.append(world.state())

    assert states[0] == states[1]


async def test_a_killed_engine_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with World() as world:
        await world.asset()
        assert asyncio.all_tasks() > before
        assert ledger_state(world.ledger)["seq"] == 1

    assert asyncio.all_tasks() == before
