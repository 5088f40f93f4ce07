"""Batches: many movements in one record, as if sent one after another."""

import gc
from types import TracebackType

from walletd.engine import Batch, Holding, Move, Refusal, RefusalCode, transfer
from walletd.engine.ports import Transaction
from walletd.tests.builders import Fate, World, code_of


async def test_each_item_of_a_batch_is_done_or_refused_by_itself_in_one_record() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        rows = len(world.store.rows)

        outcome = await world.engine.execute(
            Batch(moves=(transfer(ann, bob, 60), transfer(ann, bob, 60), transfer(ann, bob, 40)))
        )

        first, second, third = outcome.items
        assert isinstance(first, Transaction)
        assert isinstance(second, Refusal)
        assert isinstance(third, Transaction)
        assert second.code is RefusalCode.INSUFFICIENT_BALANCE
        assert second.facts == {"wallet": ann, "asset": "USD", "scale": 2, "available_minor": 40, "required_minor": 60}
        assert third.id == first.id + 1
        assert outcome.transactions == (first, third)
        assert world.posted(ann, bob) == [0, 100]
        assert len(world.store.rows) == rows + 1
        assert world.at(ann).held == 0


async def test_money_that_an_item_brings_in_a_later_item_may_take_out() -> None:
    async with World() as world:
        await world.asset()
        ann, bob, carl = await world.wallet(100), await world.wallet(), await world.wallet()

        outcome = await world.engine.execute(
            Batch(
                moves=(transfer(ann, bob, 100), transfer(bob, carl, 70), transfer(bob, ann, 31), transfer(bob, ann, 30))
            )
        )

        assert [isinstance(item, Refusal) for item in outcome.items] == [False, False, True, False]
        assert world.posted(ann, bob, carl) == [30, 0, 70]


async def test_an_item_cannot_spend_what_only_a_later_item_brings_in() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()

        outcome = await world.engine.execute(Batch(moves=(transfer(bob, ann, 1), transfer(ann, bob, 1))))

        assert [isinstance(item, Refusal) for item in outcome.items] == [True, False]


async def test_a_refused_item_says_what_was_available_after_the_items_before_it() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet(5)

        outcome = await world.engine.execute(Batch(moves=(transfer(ann, bob, 10), transfer(bob, ann, 16))))

        assert isinstance(outcome.items[1], Refusal)
        assert outcome.items[1].facts == {
            "wallet": bob,
            "asset": "USD",
            "scale": 2,
            "available_minor": 15,
            "required_minor": 16,
        }


async def test_a_refused_item_rests_on_durable_money_and_on_the_items_before_it_whatever_is_in_flight() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet(5)
        world.gate.shut()
        credit = await world.begin(transfer(world.treasury(), bob, 50))
        holding = await world.begin(transfer(ann, bob, 60))

        task = await world.begin(Batch(moves=(transfer(ann, bob, 10), transfer(bob, ann, 16), transfer(ann, bob, 91))))

        assert world.engine.waiting == 0
        world.gate.open()
        items = (await task).items
        assert credit.exception() is holding.exception() is None
        assert [isinstance(item, Refusal) for item in items] == [False, True, True]
        assert [item.facts["available_minor"] for item in items if isinstance(item, Refusal)] == [15, 90]
        assert world.posted(ann, bob) == [30, 125]


async def test_an_atomic_batch_is_all_or_nothing_and_names_the_first_item_that_fails() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        before = world.state()
        moves = (transfer(ann, bob, 60), transfer(ann, bob, 40), transfer(ann, bob, 1), transfer("x", bob, 1))

        refusal = await world.refused(Batch(moves=moves, atomic=True))

        assert refusal.code is RefusalCode.INSUFFICIENT_BALANCE
        assert refusal.facts["index"] == 2
        assert world.state() == before
        await world.engine.execute(Batch(moves=moves[:2], atomic=True))
        assert world.posted(ann, bob) == [0, 100]


async def test_a_batch_of_which_every_item_is_refused_writes_nothing() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(), await world.wallet()
        before = world.state()

        outcome = await world.engine.execute(Batch(moves=(transfer(ann, bob, 1), transfer("x", bob, 1))))

        assert outcome.record is None
        assert outcome.transactions == ()
        codes = [item.code for item in outcome.items if isinstance(item, Refusal)]
        assert codes == [RefusalCode.INSUFFICIENT_BALANCE, RefusalCode.WALLET_NOT_FOUND]
        assert world.state() == before


async def test_an_item_of_several_legs_that_fails_late_gives_back_what_its_earlier_legs_held() -> None:
    async with World() as world:
        await world.asset()
        ann, bob, carl = await world.wallet(100), await world.wallet(5), await world.wallet()

        outcome = await world.engine.execute(
            Batch(
                moves=(
                    transfer(ann, carl, 10),
                    Move(legs=((ann, -50), (bob, -6), (carl, 56))),
                    transfer(ann, carl, 90),
                    transfer(bob, carl, 5),
                )
            )
        )

        assert [isinstance(item, Refusal) for item in outcome.items] == [False, True, False, False]
        assert world.posted(ann, bob, carl) == [0, 0, 105]


async def test_a_batch_that_must_wait_holds_nothing_meanwhile() -> None:
    async with World() as world:
        await world.asset()
        ann, bob, carl = await world.wallet(100), await world.wallet(10), await world.wallet()
        world.gate.shut()
        credit = await world.begin(transfer(world.treasury(), bob, 10))
        holding = await world.begin(transfer(bob, carl, 10))
        batch = await world.begin(Batch(moves=(transfer(ann, carl, 100), transfer(bob, carl, 10))))

        assert (world.engine.waiting, world.at(ann).held, world.at(ann).available) == (1, 0, 100)
        between = await world.begin(transfer(ann, carl, 1))
        await world.gate.give(Fate.DURABLE, Fate.DURABLE, Fate.DURABLE)

        assert [task.exception() for task in (credit, holding, between)] == [None] * 3
        items = (await batch).items
        assert isinstance(items[0], Refusal)
        assert isinstance(items[1], Transaction)
        assert world.posted(ann, bob, carl) == [99, 0, 21]


async def test_a_batch_is_whole_in_a_journal_that_fails() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        before = world.state()
        world.gate.shut()
        task = await world.begin(Batch(moves=(transfer(ann, bob, 60), transfer(ann, bob, 60), transfer(bob, ann, 60))))

        await world.gate.give(Fate.FULL)

        assert code_of(task) is RefusalCode.READ_ONLY
        assert world.state() == before


async def test_several_credits_of_one_batch_open_one_wallet_for_a_new_user() -> None:
    async with World() as world:
        treasury = await world.asset()
        new = Holding("USD", external_id="zoe", open_user=True)

        outcome = await world.engine.execute(
            Batch(moves=(transfer(treasury, new, 5), transfer(treasury, new, 7), transfer(new, treasury, 12)))
        )

        zoe = world.ledger.find_user("zoe")
        [wallet] = world.ledger.wallets_of(zoe.id)
        assert (wallet.posted, wallet.entry_count, wallet.in_flight) == (0, 3, 0)
        assert [item.entries[0].id for item in outcome.transactions] == [1, 3, 5]
        assert world.store.rows[-1].kind == "opened_and_moved"
        await world.engine.execute(transfer(treasury, wallet.id, 3))
        assert world.posted(wallet.id) == [3]


async def test_a_refused_item_opens_nothing_and_leaves_no_gap_in_the_numbers() -> None:
    async with World() as world:
        treasury = await world.asset()
        poor = await world.wallet()
        ann, bob = (Holding("USD", external_id=name, open_user=True) for name in ("ann", "bob"))

        outcome = await world.engine.execute(
            Batch(moves=(transfer(poor, ann, 1), transfer(treasury, bob, 1), transfer(treasury, ann, 0 + 2)))
        )

        assert [isinstance(item, Refusal) for item in outcome.items] == [True, False, False]
        assert world.ledger.find_user("bob").id == 2
        assert world.ledger.find_user("ann").id == 3
        assert [wallet.number for user in (2, 3) for wallet in world.ledger.wallets_of(user)] == [3, 4]
        assert (world.ledger.next_user, world.ledger.next_wallet) == (4, 5)


async def test_an_atomic_batch_that_fails_opens_nothing() -> None:
    async with World() as world:
        treasury = await world.asset()
        poor = await world.wallet()
        before = world.state()
        new = Holding("USD", external_id="ann", open_user=True)

        await world.refused(Batch(moves=(transfer(treasury, new, 1), transfer(poor, new, 1)), atomic=True))

        assert world.state() == before
        await world.engine.execute(transfer(treasury, new, 1))
        assert world.ledger.find_user("ann").id == before["next"][0]


async def test_a_new_user_may_be_paid_in_several_assets_by_one_batch() -> None:
    async with World() as world:
        treasury, other = await world.asset(), await world.asset("EUR")

        await world.engine.execute(
            Batch(
                moves=(
                    transfer(treasury, Holding("USD", external_id="zoe", open_user=True), 5),
                    transfer(other, Holding("EUR", external_id="zoe", open_user=True), 6),
                )
            )
        )

        assert world.ledger.user_count == 1
        assert [wallet.posted for wallet in world.ledger.wallets_of(1)] == [5, 6]


async def test_refused_items_leave_nothing_behind() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        batch = Batch(moves=(transfer(ann, bob, 1), *(transfer(bob, ann, 1_000) for _ in range(20))))
        await world.engine.execute(batch)
        before = _tracebacks()

        for _ in range(5):
            await world.engine.execute(batch)
            await world.engine.execute(Batch(moves=batch.moves[1:]))

        assert _tracebacks() <= before


def _tracebacks() -> int:
    gc.collect()
    return sum(isinstance(each, TracebackType) for each in gc.get_objects())
