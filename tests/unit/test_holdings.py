"""Holdings: the first credit opens the wallet, and the user where asked to; a debit never opens anything."""

import asyncio

import pytest

from walletd.engine import Close, CreateUser, Holding, Move, OpenWallet, RefusalCode, transfer
from walletd.tests.builders import Fate, World, code_of


def zoe(asset: str = "USD") -> Holding:
    """A user that a credit makes."""
    return Holding(asset, external_id="zoe", open_user=True)


async def test_the_first_credit_opens_the_user_and_the_wallet_in_its_own_record() -> None:
    async with World() as world:
        treasury = await world.asset()

        outcome = await world.engine.execute(transfer(treasury, zoe(), 5, type="topup"))

        user = world.ledger.find_user("zoe")
        [wallet] = world.ledger.wallets_of(user.id)
        assert (user.id, wallet.number, wallet.posted, world.ledger.seq) == (1, 2, 5, 2)
        assert outcome.transactions[0].entries[1].wallet == wallet.number
        await world.engine.execute(transfer(treasury, zoe(), 6))
        assert (wallet.posted, world.ledger.user_count, world.ledger.wallet_count) == (11, 1, 2)


async def test_a_credit_opens_the_missing_wallet_of_a_known_user() -> None:
    async with World() as world:
        treasury = await world.asset()
        await world.engine.execute(CreateUser(external_id="ann"))
        await world.engine.execute(CreateUser())

        await world.engine.execute(transfer(treasury, Holding("USD", external_id="ann"), 5))
        await world.engine.execute(transfer(treasury, Holding("USD", external_id="2"), 6))
        await world.engine.execute(transfer(treasury, Holding("USD", user_id=2), 7))

        assert [wallet.posted for user in (1, 2) for wallet in world.ledger.wallets_of(user)] == [5, 13]


@pytest.mark.parametrize("holding", [zoe(), Holding("USD", user_id=1)], ids=["new user", "new wallet"])
async def test_a_debit_of_what_is_not_open_is_insufficient_and_opens_nothing(holding: Holding) -> None:
    async with World() as world:
        treasury = await world.asset()
        await world.engine.execute(CreateUser())
        before = world.state()

        refusal = await world.refused(transfer(holding, treasury, 5))

        assert refusal.code is RefusalCode.INSUFFICIENT_BALANCE
        assert refusal.facts == {"wallet": None, "asset": "USD", "scale": 2, "available_minor": 0, "required_minor": 5}
        assert world.state() == before


async def test_a_refused_credit_opens_nothing_and_leaves_no_gap() -> None:
    async with World() as world:
        treasury = await world.asset(min_amount=3)
        poor = await world.wallet()
        before = world.state()

        for move in (transfer(poor, zoe(), 5), transfer(treasury, zoe(), 2), transfer("x", zoe(), 5)):
            await world.refused(move)

        assert world.state() == before
        outcome = await world.engine.execute(transfer(treasury, zoe(), 5))
        assert outcome.record is not None
        assert [user.id for user in outcome.record.body.users] == [before["next"][0]]
        assert [wallet.number for wallet in outcome.record.body.wallets] == [before["next"][1]]


async def test_concurrent_openings_make_one_user_and_one_wallet() -> None:
    async with World() as world:
        treasury = await world.asset()

        await asyncio.gather(*(world.engine.execute(transfer(treasury, zoe(), 1)) for _ in range(30)))

        assert (world.ledger.user_count, world.ledger.wallet_count) == (1, 2)
        assert world.ledger.wallets_of(1)[0].posted == 30
        assert sum("opened" in row.kind for row in world.store.rows) == 1


async def test_an_opening_waits_for_the_user_or_wallet_that_another_record_is_making() -> None:
    async with World() as world:
        treasury = await world.asset()
        await world.engine.execute(CreateUser())
        world.gate.shut()
        tasks = [
            await world.begin(CreateUser(external_id="zoe")),
            await world.begin(transfer(treasury, zoe(), 5)),
            await world.begin(OpenWallet(user_id=1, asset="USD")),
            await world.begin(transfer(treasury, Holding("USD", user_id=1), 6)),
        ]
        assert (world.engine.in_flight, world.engine.waiting) == (2, 2)

        world.gate.open()
        await asyncio.gather(*tasks)

        assert [wallet.posted for user in (1, 2) for wallet in world.ledger.wallets_of(user)] == [6, 5]


async def test_a_debit_waits_for_the_opening_that_is_in_flight_before_it_is_refused_or_done() -> None:
    async with World() as world:
        treasury = await world.asset()
        world.gate.shut()
        credit = await world.begin(transfer(treasury, zoe(), 5))
        debit = await world.begin(transfer(zoe(), treasury, 5))
        assert not debit.done()

        await world.gate.give(Fate.DURABLE, Fate.DURABLE)

        assert credit.exception() is debit.exception() is None
        assert world.ledger.wallets_of(1)[0].posted == 0


async def test_an_opening_whose_record_was_released_is_made_by_the_next_one_with_the_same_numbers() -> None:
    async with World() as world:
        treasury = await world.asset()
        world.gate.shut()
        before = world.ledger.next_user, world.ledger.next_wallet
        tasks = [await world.begin(transfer(treasury, zoe(), 5)) for _ in range(2)]

        await world.gate.give(Fate.FULL)
        world.gate.open()

        assert [code_of(task) for task in tasks] == [RefusalCode.READ_ONLY] * 2
        assert (world.ledger.next_user, world.ledger.next_wallet) == before
        outcome = await world.engine.execute(transfer(treasury, zoe(), 5))
        assert outcome.record is not None
        assert (outcome.record.body.users[0].id, outcome.record.body.wallets[0].number) == before


async def test_a_holding_whose_wallet_is_closed_is_refused_and_not_opened_again() -> None:
    async with World() as world:
        treasury = await world.asset()
        ann = await world.wallet()
        await world.engine.execute(Close(wallet_id=ann))

        for move in (
            transfer(treasury, Holding("USD", user_id=1), 5),
            transfer(Holding("USD", user_id=1), treasury, 5),
        ):
            assert (await world.refused(move)).code is RefusalCode.WALLET_CLOSED

        assert world.ledger.wallet_count == 2


async def test_one_movement_may_open_several_wallets() -> None:
    async with World() as world:
        treasury = await world.asset()
        legs = tuple((Holding("USD", external_id=f"user {number}", open_user=True), 1) for number in range(5))

        await world.engine.execute(Move(legs=((treasury, -5), *legs)))

        assert [world.ledger.find_user(f"user {number}").id for number in range(5)] == [1, 2, 3, 4, 5]
        assert world.posted(treasury) == [-5]


async def test_naming_one_new_holding_twice_is_the_same_wallet() -> None:
    async with World() as world:
        await world.asset()
        before = world.state()

        refusal = await world.refused(Move(legs=((zoe(), 5), (zoe(), -5))))

        assert refusal.code is RefusalCode.SAME_WALLET
        assert world.state() == before
