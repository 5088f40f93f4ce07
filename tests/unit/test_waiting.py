"""Waiting: an operation waits only where records in flight stand in its way, and as long as they do.

What durable money alone decides is decided at once. The tests make a debit wait by another one in flight that holds the money.
"""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from walletd.engine import (
    Batch,
    Close,
    CreateAsset,
    CreateUser,
    Freeze,
    Holding,
    Move,
    Outcome,
    Refusal,
    RefusalCode,
    Unfreeze,
    UpdateUser,
    transfer,
)
from walletd.engine.limits import AMOUNT_MAX, PARKS_MAX
from walletd.tests.builders import Fate, World, code_of, quiet


@pytest.mark.parametrize("amount", [11, 110])
async def test_a_debit_of_more_than_is_durable_is_refused_at_once_even_while_a_credit_is_in_flight(amount: int) -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        credit = await world.begin(transfer(world.treasury(), ann, 100))

        refusal = await world.refused(transfer(ann, bob, amount))

        assert refusal.code is RefusalCode.INSUFFICIENT_BALANCE
        assert (refusal.facts["available_minor"], refusal.facts["required_minor"]) == (10, amount)
        assert (credit.done(), world.engine.in_flight, world.engine.waiting) == (False, 1, 0)


async def test_a_debit_of_more_than_is_durable_is_refused_at_once_while_others_hold_the_money() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        holding = await world.begin(transfer(ann, bob, 10))

        refusal = await world.refused(transfer(ann, bob, 11))

        assert refusal.code is RefusalCode.INSUFFICIENT_BALANCE
        assert refusal.facts["available_minor"] == 10
        assert (holding.done(), world.engine.waiting, world.at(ann).held) == (False, 0, 10)


async def test_a_debit_of_more_than_is_durable_is_refused_at_once_while_others_wait_for_the_money() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        await world.begin(transfer(ann, bob, 10))
        waiting = await world.begin(transfer(ann, bob, 5))

        late = await world.begin(transfer(ann, bob, 11))

        assert (waiting.done(), late.done(), world.engine.waiting) == (False, True, 1)
        assert code_of(late) is RefusalCode.INSUFFICIENT_BALANCE


async def test_a_debit_that_durable_money_covers_waits_for_who_holds_it_and_is_refused_when_it_has_gone() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        holding = await world.begin(transfer(ann, bob, 6))

        debit = await world.begin(transfer(ann, bob, 10))

        assert (debit.done(), world.engine.waiting) == (False, 1)
        await world.gate.give(Fate.DURABLE)
        assert holding.exception() is None
        assert code_of(debit) is RefusalCode.INSUFFICIENT_BALANCE
        assert debit.exception().facts["available_minor"] == 4  # type: ignore[union-attr]


async def test_a_debit_that_waited_spends_what_came_in() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        await world.begin(transfer(world.treasury(), ann, 10))
        holding = await world.begin(transfer(ann, bob, 10))
        debit = await world.begin(transfer(ann, bob, 10))
        assert world.engine.waiting == 1

        await world.gate.give(Fate.DURABLE)
        assert (holding.done(), debit.done(), world.engine.waiting) == (False, False, 0)
        await world.gate.give(Fate.DURABLE)

        assert debit.exception() is None
        assert world.posted(ann, bob) == [0, 20]


async def test_a_debit_that_waits_for_money_whose_record_is_released_is_not_told_insufficient() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        credit = await world.begin(transfer(world.treasury(), ann, 10))
        holding = await world.begin(transfer(ann, bob, 10))
        debit = await world.begin(transfer(ann, bob, 10))
        assert world.engine.waiting == 1

        await world.gate.give(Fate.FULL)

        assert [code_of(task) for task in (credit, holding, debit)] == [RefusalCode.READ_ONLY] * 3
        assert (world.engine.waiting, world.at(ann).mailbox) == (0, None)


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
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(world.treasury(), ann, 10)), await world.begin(transfer(ann, bob, 10))]
        amounts = (7, 4, 3, 1)
        tasks += [await world.begin(transfer(ann, bob, amount)) for amount in amounts]
        assert world.engine.waiting == 4

        world.gate.open()
        await asyncio.wait(tasks)

        assert [task.exception() is None for task in tasks] == [True, True, True, False, True, False]
        assert world.posted(ann, bob) == [0, 20]


async def test_no_debit_overtakes_those_who_wait_at_a_wallet() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(world.treasury(), ann, 6)), await world.begin(transfer(ann, bob, 6))]
        first = await world.begin(transfer(ann, bob, 10))
        assert world.at(ann).available == 4
        second = await world.begin(transfer(ann, bob, 4))
        assert world.engine.waiting == 2

        world.gate.open()
        await asyncio.wait([*tasks, first, second])

        assert first.exception() is None
        assert code_of(second) is RefusalCode.INSUFFICIENT_BALANCE
        assert world.posted(ann, bob) == [0, 16]


async def test_credits_overtake_the_debits_that_wait_at_a_wallet_and_never_queue() -> None:
    async with World() as world:
        treasury = await world.asset()
        ann, bob = await world.wallet(10), await world.wallet(10)
        world.gate.shut()
        await world.begin(transfer(ann, bob, 10))
        waiting = await world.begin(transfer(ann, bob, 5))
        assert (world.engine.in_flight, world.engine.waiting) == (1, 1)

        incoming = [
            await world.begin(transfer(treasury, ann, 1)),
            await world.begin(transfer(bob, ann, 1)),
            await world.begin(Batch(moves=(transfer(treasury, ann, 1), transfer(bob, ann, 1)))),
        ]

        assert (world.engine.in_flight, world.engine.waiting) == (4, 1)
        await world.gate.give(Fate.DURABLE, Fate.DURABLE)
        assert [task.exception() for task in incoming] == [None] * 3
        assert code_of(waiting) is RefusalCode.INSUFFICIENT_BALANCE
        assert world.posted(ann, bob) == [4, 18]


async def test_a_treasury_is_never_queued_at() -> None:
    async with World() as world:
        treasury = await world.asset()
        wallets = [await world.wallet(10) for _ in range(8)]
        world.gate.shut()
        for wallet in wallets:
            await world.begin(transfer(wallet, treasury, 10))
            await world.begin(transfer(wallet, treasury, 5))
            await world.begin(Move(legs=((treasury, -1), (wallet, -5), (wallets[0], 6))))
        assert (world.engine.in_flight, world.engine.waiting) == (8, 16)
        assert world.at(treasury).mailbox is None

        incoming = [await world.begin(transfer(treasury, wallet, 1_000)) for wallet in wallets]

        assert (world.engine.in_flight, world.engine.waiting) == (16, 16)
        await world.gate.give(Fate.DURABLE)
        assert world.at(treasury).mailbox is None
        world.gate.open()
        await asyncio.gather(*incoming)


async def test_a_movement_for_which_a_treasury_has_no_room_yet_keeps_no_other_from_it() -> None:
    async with World() as world:
        treasury = await world.asset(max_amount=AMOUNT_MAX)
        ann, bob, carl = await world.wallet(), await world.wallet(), await world.wallet()
        world.gate.shut()
        await world.begin(transfer(treasury, ann, AMOUNT_MAX - 5))
        large = await world.begin(transfer(treasury, bob, 10))
        assert (large.done(), world.engine.in_flight, world.engine.waiting) == (False, 1, 1)

        small = await world.begin(transfer(treasury, carl, 3))

        assert (world.engine.in_flight, world.engine.waiting) == (2, 1)
        world.gate.open()
        await asyncio.wait([large, small])
        assert code_of(large) is RefusalCode.BALANCE_OVERFLOW
        assert small.exception() is None


async def test_one_who_waits_again_at_the_same_wallet_keeps_its_place() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(ann, bob, 4)), await world.begin(transfer(ann, bob, 1))]
        tasks += [await world.begin(transfer(world.treasury(), ann, 1))]
        first = await world.begin(transfer(ann, bob, 6))
        second = await world.begin(transfer(ann, bob, 2))
        assert world.engine.waiting == 2

        await world.gate.give(Fate.DURABLE)
        assert (world.at(ann).available, first.done(), second.done(), world.engine.waiting) == (5, False, False, 2)
        world.gate.open()
        await asyncio.wait([*tasks, first, second])

        assert [task.exception() for task in tasks] == [None] * 3
        assert first.exception() is None
        assert code_of(second) is RefusalCode.INSUFFICIENT_BALANCE
        assert world.posted(ann, bob) == [0, 11]


async def test_operations_that_wait_at_two_wallets_crosswise_all_get_their_turn() -> None:
    async with World() as world:
        await world.asset()
        ann, bob, carl = await world.wallet(10), await world.wallet(10), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(ann, bob, 10)), await world.begin(transfer(bob, ann, 10))]
        for _ in range(5):
            tasks.append(await world.begin(transfer(ann, bob, 10)))
            tasks.append(await world.begin(transfer(bob, ann, 10)))
            tasks.append(await world.begin(Move(legs=((bob, -1), (ann, -1), (carl, 2)))))
        assert world.engine.waiting == 15

        world.gate.open()
        done, pending = await asyncio.wait(tasks, timeout=10)

        assert (len(done), pending, world.engine.waiting) == (17, set(), 0)
        assert sum(world.posted(ann, bob, carl)) == 20
        assert all(world.at(each).mailbox is None for each in (ann, bob))


@pytest.mark.parametrize("seed", range(8))
async def test_random_transfers_both_ways_between_two_poor_wallets_are_all_answered_and_none_is_overloaded(
    seed: int,
) -> None:
    chance = random.Random(seed)
    async with World() as world:
        await world.asset()
        pair = [await world.wallet(20), await world.wallet(20)]
        tasks = []
        for _ in range(256):
            source = chance.randrange(2)
            move = transfer(pair[source], pair[1 - source], chance.randint(1, 20))
            tasks.append(asyncio.create_task(world.engine.execute(move)))
            if chance.random() < 0.1:
                await asyncio.sleep(0)

        _, pending = await asyncio.wait(tasks, timeout=5)

        assert not pending
        errors = [error for task in tasks if (error := task.exception()) is not None]
        assert len(errors) < len(tasks)
        assert {error.code for error in errors if isinstance(error, Refusal)} <= {RefusalCode.INSUFFICIENT_BALANCE}
        assert all(isinstance(error, Refusal) for error in errors)
        assert (world.engine.in_flight, world.engine.waiting, sum(world.posted(*pair))) == (0, 0, 40)
        assert all((world.at(each).mailbox, world.at(each).held) == (None, 0) for each in pair)


async def test_a_refusal_that_ends_a_wait_lets_the_next_ones_in() -> None:
    async with World() as world:
        await world.asset()
        ann, bob, carl = await world.wallet(10), await world.wallet(50), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(ann, bob, 4))]
        tasks += [await world.begin(transfer(ann, bob, 10))]
        tasks += [await world.begin(Move(legs=((ann, -6), (bob, -50), (carl, 56))))]
        assert world.engine.waiting == 2

        world.gate.open()
        await asyncio.wait(tasks)

        assert [task.exception() is None for task in tasks] == [True, False, True]
        assert world.posted(ann, bob, carl) == [0, 4, 56]


@pytest.mark.parametrize("amount", [5, 8])
async def test_a_waiting_debit_is_decided_when_who_holds_the_money_is_durable_although_credits_keep_coming(
    amount: int,
) -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(world.treasury(), ann, 3))]
        tasks += [await world.begin(transfer(ann, bob, 10))]
        waiting = await world.begin(transfer(ann, bob, amount))
        decided = []

        for _ in range(4):
            tasks.append(await world.begin(transfer(world.treasury(), ann, 2)))
            await world.gate.give(Fate.DURABLE)
            decided.append(world.engine.waiting == 0)
            assert world.at(ann).in_flight > 0

        assert decided == [False, True, True, True]
        world.gate.open()
        await asyncio.wait([*tasks, waiting])
        if amount == 5:
            assert waiting.exception() is None
        else:
            assert code_of(waiting) is RefusalCode.INSUFFICIENT_BALANCE
            assert waiting.exception().facts["available_minor"] == 5  # type: ignore[union-attr]


@pytest.mark.parametrize(("waits", "refused"), [(PARKS_MAX, False), (PARKS_MAX + 1, True)])
async def test_who_has_waited_at_too_many_places_is_refused_as_overloaded(waits: int, refused: bool) -> None:
    async with World() as world:
        treasury = await world.asset()
        pair = [await world.wallet(100), await world.wallet(100)]
        carl = await world.wallet()
        world.gate.shut()

        async def occupy(wallet: str) -> None:
            """Hold all the money of a wallet by one record, which then leaves it as it was."""
            await world.begin(Batch(moves=(transfer(wallet, treasury, 100), transfer(treasury, wallet, 100))))

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


async def test_waiting_on_at_the_same_wallet_is_not_counted() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        first = await world.begin(CreateUser())
        small = [await world.begin(transfer(ann, bob, 1)) for _ in range(2 * PARKS_MAX)]
        await world.gate.give(Fate.DURABLE)
        large = await world.begin(transfer(ann, bob, 100 - 2 * PARKS_MAX))
        waiting = await world.begin(transfer(ann, bob, 5))

        await world.gate.give(Fate.DURABLE)

        assert (large.done(), waiting.done(), world.engine.waiting) == (False, False, 1)
        world.gate.open()
        await asyncio.wait([first, *small, large, waiting])
        assert code_of(waiting) is RefusalCode.INSUFFICIENT_BALANCE


async def test_who_waits_takes_one_turn_for_a_group_however_many_of_its_records_touch_the_wallet() -> None:
    async with World() as world:
        treasury = await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        opening = transfer(treasury, Holding("USD", external_id="zoe", open_user=True), 1)
        world.gate.shut()
        tasks = [await world.begin(CreateUser())]
        tasks += [await world.begin(transfer(treasury, ann, 1)) for _ in range(10)]
        await world.gate.give(Fate.DURABLE)
        tasks += [await world.begin(transfer(ann, bob, 10))]
        waiting = await world.begin(Batch(moves=(opening, transfer(ann, bob, 10), transfer(ann, bob, 1)), atomic=True))
        drawn = world.ids.last  # each turn of an opening draws an id

        await world.gate.give(Fate.DURABLE)

        assert (waiting.done(), world.engine.waiting) == (False, 1)
        assert world.ids.last - drawn == 1
        world.gate.open()
        await asyncio.wait([*tasks, waiting])


async def test_waiting_on_in_the_lobby_is_not_counted() -> None:
    for form in ("asset", "user"):
        async with World() as world:
            await world.engine.execute(CreateUser())
            many = range(2 * PARKS_MAX)

            done = await asyncio.gather(
                *(
                    world.engine.execute(
                        CreateAsset(code=f"A{number}") if form == "asset" else UpdateUser(user_id=1, name=f"n{number}")
                    )
                    for number in many
                ),
                return_exceptions=True,
            )

            assert [each for each in done if isinstance(each, BaseException)] == []
            assert world.ledger.seq == 1 + len(many)


async def test_a_cancelled_caller_cancels_neither_what_is_in_flight_nor_what_waits() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        credit = await world.begin(transfer(world.treasury(), ann, 6))
        await world.begin(transfer(ann, bob, 10))
        debit = await world.begin(transfer(ann, bob, 4))
        assert world.engine.waiting == 1

        credit.cancel()
        debit.cancel()
        await quiet()
        assert credit.cancelled()
        assert debit.cancelled()
        world.gate.open()
        await quiet()

        assert world.posted(ann, bob) == [2, 14]
        assert (world.engine.in_flight, world.engine.waiting, world.at(ann).held) == (0, 0, 0)


async def test_a_movement_waits_while_a_freeze_is_in_flight_and_is_then_refused() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet(1)
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
        assert world.posted(ann, bob) == [7, 4]


async def test_a_refusal_that_one_wallet_decides_does_not_wait_for_another() -> None:
    async with World() as world:
        await world.asset()
        ann, bob, carl = await world.wallet(10), await world.wallet(), await world.wallet()
        await world.engine.execute(Close(wallet_id=carl))
        world.gate.shut()
        await world.begin(transfer(ann, bob, 10))

        refused = await world.begin(transfer(ann, carl, 10))

        assert code_of(refused) is RefusalCode.WALLET_CLOSED
        world.gate.open()


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


async def test_an_unfreeze_in_flight_is_waited_for_even_where_a_later_wallet_is_poor() -> None:
    async with World() as world:
        await world.asset()
        ann, bob, cid = await world.wallet(10), await world.wallet(), await world.wallet()
        move = Move(legs=((ann, -5), (bob, -5), (cid, 10)))
        await world.engine.execute(Freeze(wallet_id=ann, reason="r"))
        world.gate.shut()
        unfreeze = await world.begin(Unfreeze(wallet_id=ann))
        both = await world.begin(move)
        assert not both.done(), "that bob is poor is the second reason, and nobody knows yet whether it is the first"

        await world.gate.give(Fate.FULL)
        world.gate.open()
        await quiet()

        assert code_of(unfreeze) is RefusalCode.READ_ONLY
        assert code_of(both) in (RefusalCode.READ_ONLY, RefusalCode.WALLET_FROZEN)


async def test_a_close_is_refused_at_once_while_durable_money_is_there_even_if_it_is_leaving() -> None:
    async with World() as world:
        treasury = await world.asset()
        ann = await world.wallet(10)
        world.gate.shut()
        last = await world.begin(transfer(ann, treasury, 10))

        refusal = await world.refused(Close(wallet_id=ann))

        assert refusal.code is RefusalCode.WALLET_NOT_EMPTY
        assert (last.done(), world.engine.waiting) == (False, 0)
        world.gate.open()
        await last
        await world.engine.execute(Close(wallet_id=ann))
        assert world.at(ann).status == "closed"


async def test_a_close_of_an_empty_wallet_waits_for_what_is_in_flight_and_later_credits_are_refused() -> None:
    async with World() as world:
        treasury = await world.asset()
        ann = await world.wallet()
        world.gate.shut()
        through = await world.begin(Batch(moves=(transfer(treasury, ann, 10), transfer(ann, treasury, 10))))
        close = await world.begin(Close(wallet_id=ann))
        assert (close.done(), world.engine.in_flight, world.engine.waiting) == (False, 1, 1)
        await world.gate.give(Fate.DURABLE)
        assert (close.done(), world.engine.in_flight, world.engine.waiting) == (False, 1, 0)
        credit = await world.begin(transfer(treasury, ann, 1))
        assert (credit.done(), world.engine.waiting) == (False, 1)

        world.gate.open()
        await asyncio.wait([through, close, credit])

        assert through.exception() is close.exception() is None
        assert code_of(credit) is RefusalCode.WALLET_CLOSED
        assert world.at(ann).status == "closed"


async def test_a_credit_overtakes_a_close_that_waits() -> None:
    async with World() as world:
        treasury = await world.asset()
        ann = await world.wallet()
        world.gate.shut()
        await world.begin(Batch(moves=(transfer(treasury, ann, 10), transfer(ann, treasury, 10))))
        close = await world.begin(Close(wallet_id=ann))

        credit = await world.begin(transfer(treasury, ann, 1))

        assert (world.engine.in_flight, world.engine.waiting) == (2, 1)
        world.gate.open()
        await asyncio.wait([close, credit])
        assert credit.exception() is None
        assert code_of(close) is RefusalCode.WALLET_NOT_EMPTY


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
