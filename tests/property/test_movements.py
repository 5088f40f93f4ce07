"""Movements of any shape conserve money, and taking back is exact."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from walletd.engine import Batch, Move, Refusal, RefusalCode
from walletd.engine.ports import Transaction
from walletd.engine.records import Leg
from walletd.engine.wallet import UNDECIDED, Asset, Wallet
from walletd.tests.builders import Fate, World, quiet

PLACES = ["T", "a", "b", "c"]

MOVES = st.lists(
    st.tuples(st.sampled_from(PLACES), st.integers(-60, 60)), min_size=1, max_size=4
).map(lambda legs: (*legs, ("d", -sum(amount for _, amount in legs))))  # fmt: skip
"""Legs that sum to zero, of which some are zero, some name a wallet twice, and many ask too much."""

USD = Asset(1, "USD", "US Dollar", 2, True, 1, 10**15, (), True, 0)


def run(work: Coroutine[Any, Any, None]) -> None:
    """One example in a loop of its own."""
    with asyncio.Runner() as runner:
        runner.run(work)


async def a_world(world: World) -> dict[str, str]:
    """Three wallets with money and one without."""
    ids = {"T": await world.asset()}
    for name, balance in (("a", 100), ("b", 50), ("c", 1), ("d", 0)):
        ids[name] = await world.wallet(balance)
    return ids


def move(legs: tuple[tuple[str, int], ...], ids: dict[str, str]) -> Move:
    """The movement of named legs."""
    return Move(legs=tuple((ids[name], amount) for name, amount in legs))


def told(answer: Transaction | Refusal) -> object:
    """What one movement's answer says, without the numbers of its record."""
    if isinstance(answer, Refusal):
        return answer.code
    return [(entry.id, entry.wallet, entry.amount, entry.balance_after, entry.ordinal) for entry in answer.entries]


@given(st.lists(MOVES, min_size=1, max_size=8))
def test_a_batch_is_the_same_as_its_items_one_after_another(moves: list[tuple[tuple[str, int], ...]]) -> None:
    async def example() -> None:
        async with World() as together, World() as apart:
            ids = await a_world(together)
            assert await a_world(apart) == ids
            batch = await together.engine.execute(Batch(moves=tuple(move(legs, ids) for legs in moves)))
            singly: list[Transaction | Refusal] = []
            for legs in moves:
                try:
                    singly.append((await apart.engine.execute(move(legs, ids))).transactions[0])
                except Refusal as refusal:
                    singly.append(refusal)

            assert [told(item) for item in batch.items] == [told(item) for item in singly]
            assert together.posted(*ids.values()) == apart.posted(*ids.values())
            assert together.ledger.next_entry == apart.ledger.next_entry

    run(example())


@given(st.lists(MOVES, min_size=1, max_size=5))
def test_an_atomic_batch_is_done_exactly_when_every_item_one_after_another_is(
    moves: list[tuple[tuple[str, int], ...]],
) -> None:
    async def example() -> None:
        async with World() as world:
            ids = await a_world(world)
            commands = tuple(move(legs, ids) for legs in moves)
            dry = await world.engine.execute(Batch(moves=commands), dry_run=True)
            before = world.state()
            refused = [(index, item.code) for index, item in enumerate(dry.items) if isinstance(item, Refusal)]
            if refused:
                refusal = await world.refused(Batch(moves=commands, atomic=True))
                assert (refusal.facts["index"], refusal.code) == refused[0]
                assert world.state() == before
            else:
                outcome = await world.engine.execute(Batch(moves=commands, atomic=True))
                assert outcome.items == dry.items

    run(example())


@given(st.lists(MOVES, min_size=1, max_size=6), st.sampled_from([Fate.DURABLE, Fate.FULL]))
def test_money_is_conserved_and_what_is_not_done_leaves_no_trace(
    moves: list[tuple[tuple[str, int], ...]], fate: Fate
) -> None:
    async def example() -> None:
        async with World() as world:
            ids = await a_world(world)
            before = world.state()
            world.gate.shut()
            tasks = [asyncio.create_task(world.engine.execute(move(legs, ids))) for legs in moves]
            await quiet()
            await world.gate.give(fate, Fate.DURABLE)
            world.gate.open()
            await asyncio.wait(tasks)

            assert sum(world.posted(*ids.values())) == 0
            assert all(balance >= 0 for balance in world.posted(*list(ids.values())[1:]))
            done = [task for task in tasks if task.exception() is None]
            assert world.ledger.next_transaction == before["next"][2] + len(done)
            if fate is Fate.FULL and not done:
                await quiet()
                assert world.state() == before

    run(example())


@given(st.integers(0, 500), st.lists(st.integers(-100, 100), max_size=12), st.data())
def test_projections_are_undone_exactly(posted: int, amounts: list[int], data: st.DataObject) -> None:
    wallet = Wallet(1, "w", 1, USD, 0, 0, posted, 0, posted, 3, 30)
    stages: list[dict[str, Any]] = [msgspec.structs.asdict(wallet)]
    legs: list[Leg] = []
    for offset, amount in enumerate(amounts):
        legs.append(wallet.project(0, amount, 31 + offset))
        stages.append(msgspec.structs.asdict(wallet))
    keep = data.draw(st.integers(0, len(legs)))

    while len(legs) > keep:
        wallet.unproject(legs.pop())

    assert msgspec.structs.asdict(wallet) == stages[keep]


@given(
    st.integers(0, 500),
    st.integers(0, 500),
    st.integers(0, 500),
    st.lists(st.integers(-80, 80), max_size=6),
    st.integers(-600, 600),
)
def test_a_judgement_rests_on_durable_money_alone_and_waits_only_for_what_others_hold_of_it(
    posted: int, held: int, own: int, in_flight: list[int], amount: int
) -> None:
    wallet = Wallet(1, "w", 1, USD, 0, 0, posted, min(held, posted), posted)
    own = min(own, wallet.held)
    for entry, each in enumerate(in_flight):
        wallet.project(0, each, entry)

    verdict = wallet.judge(amount, max(-amount, 0), amount - own, own)

    if amount >= 0 or -amount <= posted - wallet.held:
        assert verdict is None
    elif own - amount > posted:
        assert verdict is RefusalCode.INSUFFICIENT_BALANCE
    else:
        assert verdict is UNDECIDED
        assert wallet.held > own
