"""Waiting: a decision that would rest on money in flight is put off until that money is durable or released."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from walletd.engine import (
    Close,
    Freeze,
    Holding,
    Move,
    Outcome,
    Refusal,
    RefusalCode,
    Unfreeze,
    transfer,
)
from walletd.engine.limits import PARKS_MAX
from walletd.tests.builders import Fate, World, code_of, quiet


async def test_a_debit_is_refused_only_after_the_money_in_flight_has_settled() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(), await world.wallet()
        world.gate.shut()
        credit = await world.begin(transfer(world.treasury(), ann, 10))

        debit = await world.begin(transfer(ann, bob, 11))

        assert (debit.done(), world.engine.waiting) == (False, 1)
        await world.gate.give(Fate.DURABLE)
        assert credit.exception() is None
        assert code_of(debit) is RefusalCode.INSUFFICIENT_BALANCE
        assert debit.exception().facts["available_minor"] == 10  # type: ignore[union-attr]


async def test_a_debit_that_waited_spends_what_came_in() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(), await world.wallet()
        world.gate.shut()
        await world.begin(transfer(world.treasury(), ann, 10))
        debit = await world.begin(transfer(ann, bob, 10))

        await world.gate.give(Fate.DURABLE, Fate.DURABLE)

        assert debit.exception() is None
        assert world.posted(ann, bob) == [0, 10]


async def test_a_debit_that_waits_for_money_whose_record_is_released_is_not_told_insufficient() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(), await world.wallet()
        world.gate.shut()
        credit = await world.begin(transfer(world.treasury(), ann, 10))
        debit = await world.begin(transfer(ann, bob, 10))

        await world.gate.give(Fate.FULL)

        assert [code_of(task) for task in (credit, debit)] == [RefusalCode.READ_ONLY] * 2


async def test_an_outgoing_record_in_flight_that_is_released_gives_its_money_back_to_who_comes_next() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        first = await world.begin(transfer(ann, bob, 10))
        second = await world.begin(transfer(ann, bob, 10))
        assert not second.done()

        await world.gate.give(Fate.FULL)
        world.gate.open()
        await quiet()

        assert [code_of(task) for task in (first, second)] == [RefusalCode.READ_ONLY] * 2
        assert world.at(ann).available == 10
        await world.engine.execute(transfer(ann, bob, 10))
        assert world.posted(ann, bob) == [0, 10]


async def test_two_debits_of_the_same_money_are_one_success_and_one_refusal() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()

        done = await asyncio.gather(
            *(world.engine.execute(transfer(ann, bob, 10)) for _ in range(2)), return_exceptions=True
        )

        [refusal] = [each for each in done if isinstance(each, Refusal)]
        assert refusal.code is RefusalCode.INSUFFICIENT_BALANCE
        assert refusal.facts["available_minor"] == 0
        assert world.posted(ann, bob) == [0, 10]


async def test_those_who_wait_at_one_wallet_take_their_turns_in_order_of_arrival() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(world.treasury(), ann, 10))]
        amounts = (7, 4, 3, 1)
        tasks += [await world.begin(transfer(ann, bob, amount)) for amount in amounts]

        world.gate.open()
        await asyncio.wait(tasks)

        assert [task.exception() is None for task in tasks] == [True, True, False, True, False]
        assert world.posted(ann, bob) == [0, 10]


async def test_nobody_overtakes_those_who_wait_at_a_wallet() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(5), await world.wallet()
        world.gate.shut()
        await world.begin(transfer(world.treasury(), ann, 10))
        first = await world.begin(transfer(ann, bob, 15))
        second = await world.begin(transfer(ann, bob, 5))
        credit = await world.begin(transfer(world.treasury(), ann, 1))
        assert world.engine.waiting == 3

        world.gate.open()
        await asyncio.wait([first, second, credit])

        assert first.exception() is None
        assert code_of(second) is RefusalCode.INSUFFICIENT_BALANCE
        assert world.posted(ann, bob) == [1, 15]


async def test_one_who_waits_again_at_the_same_wallet_keeps_its_place() -> None:
    async with World() as world:
        await world.asset()
        ann, bob, carl = await world.wallet(), await world.wallet(), await world.wallet(3)
        world.gate.shut()
        tasks = [await world.begin(transfer(world.treasury(), ann, 10))]
        tasks += [await world.begin(transfer(ann, bob, 10))]
        tasks += [await world.begin(transfer(carl, ann, 3))]
        last = [await world.begin(transfer(ann, bob, 3)), await world.begin(transfer(ann, bob, 1))]
        assert world.engine.waiting == 4

        world.gate.open()
        await asyncio.wait([*tasks, *last])

        assert [task.exception() for task in tasks] == [None] * 3
        assert last[0].exception() is None
        assert code_of(last[1]) is RefusalCode.INSUFFICIENT_BALANCE
        assert world.posted(ann, bob, carl) == [0, 13, 0]


async def test_operations_that_wait_at_two_wallets_crosswise_all_get_their_turn() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(world.treasury(), each, 10)) for each in (ann, bob)]
        for _ in range(5):
            tasks.append(await world.begin(transfer(ann, bob, 10)))
            tasks.append(await world.begin(transfer(bob, ann, 10)))

        world.gate.open()
        done, pending = await asyncio.wait(tasks, timeout=10)

        assert (len(done), pending, world.engine.waiting) == (12, set(), 0)
        assert sum(world.posted(ann, bob)) == 20
        assert all(world.at(each).mailbox is None for each in (ann, bob))


async def test_a_refusal_that_ends_a_wait_lets_the_next_ones_in() -> None:
    async with World() as world:
        await world.asset()
        ann, bob, carl = await world.wallet(), await world.wallet(50), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(world.treasury(), ann, 10))]
        tasks += [await world.begin(transfer(ann, bob, 99))]
        tasks += [await world.begin(Move(legs=((ann, -10), (bob, -50), (carl, 60))))]

        world.gate.open()
        await asyncio.wait(tasks)

        assert [task.exception() is None for task in tasks] == [True, False, True]
        assert world.posted(ann, bob, carl) == [0, 0, 60]


async def test_a_hot_wallet_settles_although_new_operations_keep_coming() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(world.treasury(), ann, 1))]
        waiting = await world.begin(transfer(ann, bob, 5))

        for _ in range(8):
            tasks.append(await world.begin(transfer(world.treasury(), ann, 1)))
            await world.gate.give(Fate.DURABLE)

        assert code_of(waiting) is RefusalCode.INSUFFICIENT_BALANCE
        world.gate.open()
        await asyncio.gather(*tasks)
        assert world.posted(ann) == [9]


@pytest.mark.parametrize(("waits", "refused"), [(PARKS_MAX, False), (PARKS_MAX + 1, True)])
async def test_who_has_waited_too_often_is_refused_as_overloaded(waits: int, refused: bool) -> None:
    async with World() as world:
        await world.asset()
        pair = [await world.wallet(100), await world.wallet(100)]
        carl = await world.wallet()
        world.gate.shut()

        async def occupy(wallet: str) -> None:
            """Let somebody wait at a wallet until the flush after next."""
            await world.begin(transfer(world.treasury(), wallet, 1))
            await world.begin(transfer(wallet, carl, 10_000))

        await occupy(pair[0])
        wanderer = await world.begin(Move(legs=((pair[0], -1), (pair[1], -1), (carl, 2))))
        for wait in range(1, waits):
            await occupy(pair[wait % 2])
            await world.gate.give(Fate.DURABLE)
            assert wanderer.done() == (wait == PARKS_MAX)
        world.gate.open()
        await asyncio.wait([wanderer])
        await quiet()

        assert world.engine.waiting == 0
        if refused:
            assert code_of(wanderer) is RefusalCode.OVERLOADED
        else:
            assert wanderer.exception() is None
        assert world.at(carl).posted == (0 if refused else 2)


async def test_a_cancelled_caller_cancels_neither_what_is_in_flight_nor_what_waits() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(), await world.wallet()
        world.gate.shut()
        credit = await world.begin(transfer(world.treasury(), ann, 10))
        debit = await world.begin(transfer(ann, bob, 4))

        credit.cancel()
        debit.cancel()
        await quiet()
        assert credit.cancelled()
        assert debit.cancelled()
        world.gate.open()
        await quiet()

        assert world.posted(ann, bob) == [6, 4]
        assert (world.engine.in_flight, world.engine.waiting, world.at(ann).held) == (0, 0, 0)


async def test_a_movement_waits_while_a_freeze_is_in_flight_and_is_then_refused() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        earlier = await world.begin(transfer(ann, bob, 4))
        freeze = await world.begin(Freeze(wallet_id=ann, reason="r"))
        debit = await world.begin(transfer(ann, bob, 1))
        credit = await world.begin(transfer(bob, ann, 1))
        assert [task.done() for task in (earlier, freeze, debit, credit)] == [False] * 4
        assert world.at(ann).status == "active"

        world.gate.open()
        await asyncio.wait([earlier, freeze, debit, credit])

        assert earlier.exception() is freeze.exception() is None
        assert code_of(debit) is RefusalCode.WALLET_FROZEN
        assert credit.exception() is None
        assert world.posted(ann, bob) == [7, 3]


async def test_a_freeze_whose_record_is_released_froze_nothing() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        freeze = await world.begin(Freeze(wallet_id=ann, reason="r"))

        await world.gate.give(Fate.FULL)
        world.gate.open()
        await quiet()

        assert code_of(freeze) is RefusalCode.READ_ONLY
        assert (world.at(ann).status, world.at(ann).changing) == ("active", False)
        await world.engine.execute(transfer(ann, bob, 10))


async def test_an_unfreeze_in_flight_is_waited_for_and_then_lets_money_move() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        await world.engine.execute(Freeze(wallet_id=ann, reason="r"))
        world.gate.shut()
        unfreeze = await world.begin(Unfreeze(wallet_id=ann))
        debit = await world.begin(transfer(ann, bob, 10))

        world.gate.open()
        await asyncio.wait([unfreeze, debit])

        assert unfreeze.exception() is debit.exception() is None
        assert world.at(ann).reason is None


async def test_a_close_waits_for_the_last_money_to_leave_and_later_credits_are_refused() -> None:
    async with World() as world:
        treasury = await world.asset()
        ann = await world.wallet(10)
        world.gate.shut()
        last = await world.begin(transfer(ann, treasury, 10))
        close = await world.begin(Close(wallet_id=ann))
        credit = await world.begin(transfer(treasury, ann, 1))

        world.gate.open()
        await asyncio.wait([last, close, credit])

        assert last.exception() is close.exception() is None
        assert code_of(credit) is RefusalCode.WALLET_CLOSED
        assert world.at(ann).status == "closed"


async def test_a_close_that_meets_money_on_its_way_in_is_refused_when_it_has_come() -> None:
    async with World() as world:
        treasury = await world.asset()
        ann = await world.wallet()
        world.gate.shut()
        credit = await world.begin(transfer(treasury, ann, 1))
        close = await world.begin(Close(wallet_id=ann))
        assert not close.done()

        world.gate.open()
        await asyncio.wait([credit, close])

        assert code_of(close) is RefusalCode.WALLET_NOT_EMPTY
        assert world.at(ann).status == "active"


async def test_changes_of_one_wallet_are_made_one_at_a_time_in_order_of_arrival() -> None:
    async with World() as world:
        await world.asset()
        ann = await world.wallet()
        world.gate.shut()
        tasks = [
            await world.begin(Freeze(wallet_id=ann, reason="first")),
            await world.begin(Unfreeze(wallet_id=ann)),
            await world.begin(Freeze(wallet_id=ann, reason="second", debits=False, credits=True)),
        ]

        world.gate.open()
        await asyncio.gather(*tasks)

        wallet = world.at(ann)
        assert (wallet.debits_frozen, wallet.credits_frozen, wallet.reason) == (False, True, "second")
        assert [row.kind for row in world.store.rows[-3:]] == ["wallet_frozen", "wallet_unfrozen", "wallet_frozen"]


async def test_no_wait_is_forgotten_when_many_wallets_and_openings_settle_at_once() -> None:
    async with World() as world:
        treasury = await world.asset()
        wallets = [await world.wallet() for _ in range(4)]
        new = [Holding("USD", external_id=f"new {number}", open_user=True) for number in range(4)]
        world.gate.shut()
        work: list[Coroutine[Any, Any, Outcome]] = []
        for wallet, holding in zip(wallets, new, strict=True):
            work += [
                world.engine.execute(transfer(treasury, wallet, 3)),
                world.engine.execute(transfer(treasury, holding, 3)),
            ]
        for other in range(4):
            for wallet, holding in zip(wallets, new, strict=True):
                work.append(world.engine.execute(transfer(wallet, new[other], 1)))
                if new[other] is not holding:
                    work.append(world.engine.execute(transfer(holding, wallets[other], 1)))
        tasks = [asyncio.create_task(each) for each in work]
        await quiet()

        world.gate.open()
        _, pending = await asyncio.wait(tasks, timeout=20)

        assert not pending
        assert (world.engine.in_flight, world.engine.waiting) == (0, 0)
        assert sum(world.ledger.wallet_at(number).posted for number in range(1, 10)) == 0
        assert all(world.ledger.wallet_at(number).mailbox is None for number in range(1, 10))
