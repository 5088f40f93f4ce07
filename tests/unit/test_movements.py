"""Movements between wallets: what is acknowledged is durable, balanced and numbered without gaps."""

from walletd.engine import EngineState, Move, RefusalCode, transfer
from walletd.engine.limits import AMOUNT_MAX, LEGS_MAX
from walletd.engine.ports import Entry
from walletd.tests.builders import START_US, World, ledger_state


async def test_a_transfer_takes_from_the_source_and_gives_to_the_destination() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()

        outcome = await world.engine.execute(
            transfer(ann, bob, 30, description="rent", category="home", reference="r-1", metadata={"month": 3})
        )

        assert world.posted(ann, bob) == [70, 30]
        [transaction] = outcome.transactions
        assert transaction.entries == (
            Entry(3, world.at(ann).number, -30, 70, 2),
            Entry(4, world.at(bob).number, 30, 30, 1),
        )
        assert (transaction.id, transaction.seq, transaction.at) == (2, 5, START_US)
        assert (transaction.type, transaction.description, transaction.category) == ("transfer", "rent", "home")
        assert (transaction.reference, transaction.metadata) == ("r-1", {"month": 3})
        assert not outcome.replayed
        assert outcome.record is not None
        assert world.store.rows[-1].seq == outcome.record.seq == 5


async def test_after_a_movement_nothing_is_held_and_the_wallet_is_settled() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()

        await world.engine.execute(transfer(ann, bob, 100))

        for wallet in map(world.at, (ann, bob)):
            assert (wallet.held, wallet.in_flight, wallet.appended) == (0, 0, wallet.posted)
            assert wallet.mailbox is None


async def test_a_transfer_out_of_a_treasury_is_a_credit_and_one_into_it_a_debit() -> None:
    async with World() as world:
        treasury = await world.asset()
        ann = await world.wallet()

        credit = await world.engine.execute(transfer(treasury, ann, 50))
        debit = await world.engine.execute(transfer(ann, treasury, 20))
        named = await world.engine.execute(transfer(treasury, ann, 5, type="topup"))

        assert [outcome.transactions[0].type for outcome in (credit, debit, named)] == ["credit", "debit", "topup"]
        assert world.posted(treasury, ann) == [-35, 35]


async def test_a_transaction_moves_many_wallets_in_several_assets_at_once() -> None:
    async with World() as world:
        await world.asset("USD")
        await world.asset("EUR")
        ann, bob = await world.wallet(100), await world.wallet()
        anna, bert, carl = await world.wallet(200, "EUR"), await world.wallet(0, "EUR"), await world.wallet(0, "EUR")

        outcome = await world.engine.execute(
            Move(legs=((ann, -60), (bert, 40), (bob, 60), (anna, -90), (carl, 50)), type="exchange")
        )

        assert world.posted(ann, bob, anna, bert, carl) == [40, 60, 110, 40, 50]
        [transaction] = outcome.transactions
        assert transaction.type == "exchange"
        assert [entry.amount for entry in transaction.entries] == [-60, 40, 60, -90, 50]


async def test_a_wallet_may_be_named_in_several_legs_of_one_movement() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()

        outcome = await world.engine.execute(Move(legs=((ann, -60), (ann, -40), (bob, 100))))

        assert world.posted(ann, bob) == [0, 100]
        assert [(entry.balance_after, entry.ordinal) for entry in outcome.transactions[0].entries] == [
            (40, 2),
            (0, 3),
            (100, 1),
        ]


async def test_legs_of_one_wallet_are_judged_by_the_lowest_point_that_they_reach() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet(1_000)

        refusal = await world.refused(Move(legs=((ann, -60), (ann, -41), (bob, 101))))
        assert refusal.code is RefusalCode.INSUFFICIENT_BALANCE

        await world.engine.execute(Move(legs=((ann, 500), (bob, -500), (ann, -600), (bob, 600))))
        assert world.posted(ann, bob) == [0, 1_100]


async def test_the_largest_movement_has_the_most_legs_that_are_allowed() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(1_000_000), await world.wallet()
        legs = tuple((bob, 1) for _ in range(LEGS_MAX - 1))

        await world.engine.execute(Move(legs=((ann, -len(legs)), *legs)))

        assert world.posted(bob) == [LEGS_MAX - 1]
        refusal = await world.refused(Move(legs=((ann, -LEGS_MAX), *legs, (bob, 1))))
        assert refusal.code is RefusalCode.INVALID_REQUEST


async def test_a_balance_reaches_the_largest_and_never_passes_it() -> None:
    async with World() as world:
        treasury = await world.asset(max_amount=AMOUNT_MAX)
        ann = await world.wallet()

        await world.engine.execute(transfer(treasury, ann, AMOUNT_MAX))
        assert world.posted(treasury, ann) == [-AMOUNT_MAX, AMOUNT_MAX]

        bob = await world.wallet()
        assert (await world.refused(transfer(treasury, bob, 1))).code is RefusalCode.BALANCE_OVERFLOW
        await world.engine.execute(transfer(ann, treasury, 1))
        await world.engine.execute(transfer(treasury, bob, 1))
        await world.engine.execute(transfer(bob, ann, 1))
        assert world.posted(treasury, ann, bob) == [-AMOUNT_MAX, AMOUNT_MAX, 0]


async def test_a_credit_past_the_largest_balance_of_a_user_is_refused() -> None:
    async with World() as world:
        treasury = await world.asset(max_amount=AMOUNT_MAX)
        ann = await world.wallet()
        await world.engine.execute(transfer(treasury, ann, AMOUNT_MAX))
        before = world.state()

        refusal = await world.refused(transfer(treasury, ann, 1))

        assert refusal.code is RefusalCode.BALANCE_OVERFLOW
        assert world.state() == before


async def test_a_refused_movement_leaves_no_trace_and_no_gap() -> None:
    async with World() as world:
        await world.asset()
        await world.asset("EUR")
        ann, bob, euro = await world.wallet(100), await world.wallet(), await world.wallet(0, "EUR")
        before = world.state()

        for move in (
            transfer(ann, bob, 101),
            transfer(bob, ann, 1),
            transfer(ann, euro, 1),
            Move(legs=((ann, -100), (bob, 150), (bob, -50), (euro, -1), (world.treasury("EUR"), 1))),
        ):
            await world.refused(move)

        assert world.state() == before
        outcome = await world.engine.execute(transfer(ann, bob, 1))
        assert outcome.record is not None
        assert outcome.record.seq == before["seq"] + 1
        assert (outcome.record.body.first_transaction, outcome.record.body.first_entry) == before["next"][2:]


async def test_a_clock_that_jumps_backwards_never_dates_a_record_before_an_earlier_one() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        times = []

        for world.clock.now in (START_US + 5, START_US - 1_000_000, START_US + 3, START_US + 6):
            outcome = await world.engine.execute(transfer(ann, bob, 1))
            times.append(outcome.transactions[0].at - START_US)

        assert times == [5, 5, 5, 6]
        world.clock.now = START_US - 9_000_000
        await world.restart()
        outcome = await world.engine.execute(transfer(ann, bob, 1))
        assert outcome.transactions[0].at == START_US + 6
        assert [row.at for row in world.store.rows] == sorted(row.at for row in world.store.rows)


async def test_all_records_of_one_turn_of_the_loop_share_flushes() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(ann, bob, 1)) for _ in range(10)]
        assert world.at(ann).held == 10
        assert (world.posted(ann, bob), world.engine.in_flight) == ([100, 0], 10)

        world.gate.open()
        for task in tasks:
            await task

        assert world.gate.groups[-2:] == [1, 9]
        assert world.posted(ann, bob) == [90, 10]
        assert world.engine.stats.last_group_size == 9


async def test_nothing_is_visible_or_answered_before_it_is_durable() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        before = ledger_state(world.ledger)

        task = await world.begin(transfer(ann, bob, 40))

        assert not task.done()
        assert world.posted(ann, bob) == [100, 0]
        assert world.at(ann).available == 60
        assert world.at(bob).available == 0
        assert world.ledger.seq == before["seq"]
        assert await world.engine.events(before["seq"], 10) == []
        assert world.engine.state is EngineState.RUNNING
        world.gate.open()
        await task
        assert world.posted(ann, bob) == [60, 40]
