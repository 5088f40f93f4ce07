"""Refusals: each code, and the order of the ladder in which they are found."""

import asyncio
from typing import Any

import pytest

from walletd.engine import (
    Batch,
    Close,
    Command,
    CreateAsset,
    EngineOptions,
    Freeze,
    Holding,
    Move,
    OpenWallet,
    Refusal,
    RefusalCode,
    Unfreeze,
    UpdateUser,
    transfer,
)
from walletd.engine.limits import AMOUNT_MAX, BATCH_MAX
from walletd.engine.refusals import ADVICE
from walletd.tests.builders import Fate, World, code_of

C = RefusalCode


@pytest.mark.parametrize("amount", [0, -1])
def test_a_transfer_of_nothing_or_less_is_not_even_built(amount: int) -> None:
    with pytest.raises(Refusal) as caught:
        transfer("a", "b", amount)

    assert caught.value.code is C.AMOUNT_NOT_POSITIVE


def test_every_code_says_what_may_be_done_about_it() -> None:
    for code in RefusalCode:
        assert ADVICE[code].title
        assert ADVICE[code].remedy.endswith(".")
        assert Refusal(code).detail == f"{ADVICE[code].title}."


async def ladder(world: World) -> dict[str, str]:
    """A world in which every step of the ladder can be missed; its wallets by what is wrong with them."""
    await world.asset("USD", min_amount=10, max_amount=1_000_000)
    await world.asset("EUR", min_amount=10, max_amount=1_000_000)
    await world.asset("OLD", active=False, transferable=False, min_amount=10)
    await world.asset("GOLD", transferable=False, min_amount=10, max_amount=1_000)
    names = {"rich": await world.wallet(1_000), "poor": await world.wallet(50), "empty": await world.wallet()}
    names |= {"euro": await world.wallet(1_000, "EUR")}
    names |= {f"old{each}": await world.wallet(0, "OLD") for each in (1, 2)}
    names |= {f"gold{each}": await world.wallet(1_000, "GOLD") for each in (1, 2)}
    names |= {"frozen": await world.wallet(1_000), "closed": await world.wallet(), "shut": await world.wallet(1_000)}
    await world.engine.execute(Freeze(wallet_id=names["frozen"], reason="lost"))
    await world.engine.execute(Freeze(wallet_id=names["shut"], reason="fraud", debits=False, credits=True))
    await world.engine.execute(Close(wallet_id=names["closed"]))
    names |= {"treasury": world.treasury("USD"), "gold_treasury": world.treasury("GOLD")}
    return names


LADDER: list[tuple[str, tuple[tuple[str, int], ...], RefusalCode]] = [
    ("no legs", (), C.INVALID_REQUEST),
    ("one leg of an unknown wallet", (("nobody", 0),), C.INVALID_REQUEST),
    ("an unknown wallet twice", (("nobody", -5), ("nobody", 5)), C.WALLET_NOT_FOUND),
    ("an unknown destination, insufficient", (("empty", -50), ("nobody", 50)), C.WALLET_NOT_FOUND),
    ("one wallet, frozen, to itself, unbalanced", (("frozen", -5), ("frozen", 4)), C.SAME_WALLET),
    ("two assets, unbalanced", (("rich", -5), ("euro", 4)), C.ASSET_MISMATCH),
    ("two assets, one inactive", (("rich", -5), ("old1", 5)), C.ASSET_MISMATCH),
    ("unbalanced in an inactive asset", (("old1", -50), ("old2", 40)), C.LEGS_UNBALANCED),
    ("unbalanced, one of three in another asset", (("rich", -50), ("poor", 30), ("euro", 20)), C.LEGS_UNBALANCED),
    ("inactive and not transferable, too little", (("old1", -5), ("old2", 5)), C.ASSET_INACTIVE),
    ("a leg of zero", (("rich", -50), ("poor", 50), ("empty", 0)), C.AMOUNT_NOT_POSITIVE),
    ("two legs of zero", (("rich", 0), ("poor", 0)), C.AMOUNT_NOT_POSITIVE),
    ("too little, from closed", (("closed", -9), ("rich", 9)), C.AMOUNT_BELOW_MINIMUM),
    ("too much, from closed", (("closed", -1_000_001), ("rich", 1_000_001)), C.AMOUNT_ABOVE_MAXIMUM),
    ("not transferable, insufficient", (("gold1", -1_000), ("gold2", 1_000)), C.ASSET_NOT_TRANSFERABLE),
    ("not transferable, too little", (("gold1", -9), ("gold2", 9)), C.ASSET_NOT_TRANSFERABLE),
    ("not transferable, too much", (("gold1", -1_001), ("gold2", 1_001)), C.ASSET_NOT_TRANSFERABLE),
    ("from closed, insufficient", (("closed", -50), ("rich", 50)), C.WALLET_CLOSED),
    ("to closed", (("rich", -50), ("closed", 50)), C.WALLET_CLOSED),
    ("from frozen, insufficient", (("frozen", -5_000), ("rich", 5_000)), C.WALLET_FROZEN),
    ("to frozen for credits", (("rich", -50), ("shut", 50)), C.WALLET_FROZEN),
    ("both wrong, the lower number closed", (("shut", 50), ("closed", -50)), C.WALLET_CLOSED),
    ("both wrong, the lower number frozen", (("closed", 50), ("frozen", -50)), C.WALLET_FROZEN),
    ("insufficient by one", (("poor", -51), ("rich", 51)), C.INSUFFICIENT_BALANCE),
]


@pytest.mark.parametrize(("legs", "code"), [step[1:] for step in LADDER], ids=[step[0] for step in LADDER])
async def test_the_first_step_of_the_ladder_that_is_missed_gives_the_code(
    legs: tuple[tuple[str, int], ...], code: RefusalCode
) -> None:
    async with World() as world:
        names = await ladder(world)
        before = world.state()

        refusal = await world.refused(Move(legs=tuple((names.get(name, name), amount) for name, amount in legs)))

        assert refusal.code is code
        assert world.state() == before


@pytest.mark.parametrize(
    "legs",
    [
        (("rich", -10), ("poor", 10)),
        (("poor", -50), ("rich", 50)),
        (("rich", -50), ("frozen", 50)),
        (("shut", -50), ("rich", 50)),
        (("gold_treasury", -1_000), ("gold1", 1_000)),
        (("gold1", -1_000), ("gold_treasury", 1_000)),
        (("gold_treasury", -2_000), ("gold1", 1_000), ("gold2", 1_000)),
        (("treasury", -10), ("rich", 10)),
    ],
)
async def test_what_misses_no_step_is_done(legs: tuple[tuple[str, int], ...]) -> None:
    async with World() as world:
        names = await ladder(world)

        await world.engine.execute(Move(legs=tuple((names[name], amount) for name, amount in legs)))


async def test_an_insufficient_balance_names_the_wallet_what_there_is_and_what_was_asked() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(50), await world.wallet()

        refusal = await world.refused(transfer(ann, bob, 51))

        assert refusal.facts == {
            "wallet": world.at(ann),
            "asset": "USD",
            "scale": 2,
            "available_minor": 50,
            "required_minor": 51,
        }


async def test_a_frozen_wallets_refusal_keeps_the_operators_reason_to_itself() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(50), await world.wallet()
        await world.engine.execute(Freeze(wallet_id=ann, reason="lost card"))

        refusal = await world.refused(transfer(ann, bob, 1))

        assert refusal.code is RefusalCode.WALLET_FROZEN
        assert "lost card" not in refusal.detail


ASSETS: list[tuple[dict[str, Any], str]] = [
    ({"scale": -1}, "/scale"),
    ({"scale": 19}, "/scale"),
    ({"min_amount": 0}, "/min_amount"),
    ({"min_amount": 11, "max_amount": 10}, "/min_amount"),
    ({"max_amount": AMOUNT_MAX + 1}, "/max_amount"),
    ({"id": 0}, "/id"),
    ({"id": AMOUNT_MAX + 1}, "/id"),
    ({"aliases": ("X",)}, "/aliases"),
    ({"aliases": ("Y", "Y")}, "/aliases"),
]


@pytest.mark.parametrize(("members", "pointer"), ASSETS)
async def test_an_impossible_asset_is_refused_and_the_member_named(members: dict[str, Any], pointer: str) -> None:
    async with World() as world:
        refusal = await world.refused(CreateAsset(code="X", **members))

        assert refusal.code is C.INVALID_REQUEST
        assert pointer in [field for field, _ in refusal.fields]
        assert world.ledger.seq == 0


async def test_commands_that_name_what_is_not_there_are_refused_by_its_own_code() -> None:
    async with World() as world:
        await world.asset()
        ann = await world.wallet(50)
        treasury = world.treasury()
        refused: list[tuple[Command, RefusalCode]] = [
            (Freeze(wallet_id="x", reason="r"), C.WALLET_NOT_FOUND),
            (Unfreeze(wallet_id="x"), C.WALLET_NOT_FOUND),
            (Close(wallet_id="x"), C.WALLET_NOT_FOUND),
            (Freeze(wallet_id=treasury, reason="r"), C.WALLET_IS_TREASURY),
            (Unfreeze(wallet_id=treasury), C.WALLET_IS_TREASURY),
            (Close(wallet_id=treasury), C.WALLET_IS_TREASURY),
            (Freeze(wallet_id=ann, reason="r", debits=False), C.INVALID_REQUEST),
            (Close(wallet_id=ann), C.WALLET_NOT_EMPTY),
            (OpenWallet(user_id=1, asset="USD"), C.WALLET_EXISTS),
            (OpenWallet(user_id=1, asset="EUR"), C.ASSET_NOT_FOUND),
            (OpenWallet(user_id=9, asset="USD"), C.USER_NOT_FOUND),
            (UpdateUser(user_id=9), C.USER_NOT_FOUND),
            (transfer(treasury, Holding("EUR", user_id=1), 1), C.ASSET_NOT_FOUND),
            (transfer(treasury, Holding("USD", user_id=9), 1), C.USER_NOT_FOUND),
            (transfer(treasury, Holding("USD", external_id="x"), 1), C.USER_NOT_FOUND),
            (Batch(moves=()), C.INVALID_REQUEST),
        ]
        for command, code in refused:
            before = world.state()
            refusal = await world.refused(command)
            assert (command, refusal.code) == (command, code)
            assert world.state() == before


async def test_a_batch_beyond_its_bound_is_refused_as_a_whole() -> None:
    async with World() as world:
        await world.asset()
        move = transfer(world.treasury(), await world.wallet(), 1)

        refusal = await world.refused(Batch(moves=(move,) * (BATCH_MAX + 1)))

        assert refusal.code is C.INVALID_REQUEST


async def test_past_the_bound_of_records_in_flight_a_command_is_refused_as_overloaded() -> None:
    async with World(options=EngineOptions(in_flight_max=3, gather_s=0)) as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(ann, bob, 1)) for _ in range(3)]

        refusal = await world.refused(transfer(ann, bob, 1))

        assert refusal.code is C.OVERLOADED
        assert not any(task.done() for task in tasks)
        world.gate.open()
        for task in tasks:
            await task
        await world.engine.execute(transfer(ann, bob, 1))
        assert world.posted(ann, bob) == [96, 4]


async def test_a_mailbox_takes_no_more_than_its_bound_and_refuses_the_next_as_overloaded() -> None:
    async with World(options=EngineOptions(mailbox_depth_max=2, gather_s=0)) as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        credit = await world.begin(transfer(world.treasury(), ann, 10))
        holding = await world.begin(transfer(ann, bob, 10))
        waiting = [await world.begin(transfer(ann, bob, 5)) for _ in range(2)]

        refusal = await world.refused(transfer(ann, bob, 5))

        assert refusal.code is C.OVERLOADED
        assert world.engine.waiting == world.engine.mailbox_depth_peak == 2
        world.gate.open()
        for task in (credit, holding, *waiting):
            await task
        assert world.posted(ann, bob) == [0, 20]


async def test_draining_a_mailbox_never_brings_more_records_in_flight_than_their_bound() -> None:
    async with World(options=EngineOptions(in_flight_max=3, gather_s=0)) as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(world.treasury(), ann, 10)), await world.begin(transfer(ann, bob, 10))]
        tasks += [await world.begin(transfer(ann, bob, 1)) for _ in range(5)]
        assert (world.engine.in_flight, world.engine.waiting) == (2, 5)

        await world.gate.give(Fate.DURABLE)

        assert world.engine.in_flight == 3
        world.gate.open()
        for task in tasks:
            await asyncio.wait([task])
            assert task.exception() is None or code_of(task) is C.OVERLOADED


async def test_a_mailbox_that_refuses_its_only_guest_is_taken_away_again() -> None:
    async with World(options=EngineOptions(mailbox_depth_max=0, gather_s=0)) as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet()
        world.gate.shut()
        holding = await world.begin(transfer(ann, bob, 10))
        assert (await world.refused(transfer(ann, bob, 5))).code is C.OVERLOADED

        await world.gate.give(Fate.DURABLE)

        assert holding.exception() is None
        assert world.at(ann).mailbox is None
