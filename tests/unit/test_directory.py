"""Assets, users and wallets: names are unique, also between records in flight, and changes are what was asked for."""

import asyncio

import pytest

from walletd.engine import (
    Close,
    Command,
    CreateAsset,
    CreateUser,
    Freeze,
    OpenWallet,
    RefusalCode,
    Unfreeze,
    UpdateUser,
    transfer,
)
from walletd.engine.ledger import User
from walletd.engine.limits import ASSET_AMOUNT_MAX_DEFAULT
from walletd.engine.wallet import Asset, Wallet
from walletd.tests.builders import START_US, Fate, World, code_of, quiet


async def test_an_asset_comes_with_its_treasury_and_its_defaults() -> None:
    async with World() as world:
        outcome = await world.engine.execute(CreateAsset(code="GOLD", aliases=("GOLD_COINS",)))

        asset = outcome.subject
        assert isinstance(asset, Asset)
        assert asset is world.ledger.asset("GOLD_COINS")
        assert (asset.id, asset.name, asset.scale, asset.transferable, asset.active) == (1, "GOLD", 2, True, True)
        assert (asset.min_amount, asset.max_amount, asset.created_at) == (1, ASSET_AMOUNT_MAX_DEFAULT, START_US)
        assert asset.treasury.is_treasury
        assert world.at(asset.treasury.id) is asset.treasury


async def test_an_asset_takes_the_smallest_free_id_or_the_one_that_was_asked_for() -> None:
    async with World() as world:
        for asset_id in (2, None, None, 840):
            await world.engine.execute(CreateAsset(code=f"A{world.ledger.seq}", id=asset_id))

        assert [asset.id for asset in world.ledger.assets()] == [1, 2, 3, 840]


@pytest.mark.parametrize(
    "second",
    [
        CreateAsset(code="USD"),
        CreateAsset(code="DOLLAR"),
        CreateAsset(code="X", aliases=("USD",)),
        CreateAsset(code="X", aliases=("DOLLAR",)),
        CreateAsset(code="X", id=840),
    ],
)
@pytest.mark.parametrize("racing", [False, True], ids=["later", "at once"])
async def test_codes_aliases_and_ids_of_assets_are_one_name_space(second: CreateAsset, racing: bool) -> None:
    first = CreateAsset(code="USD", aliases=("DOLLAR",), id=840)
    async with World() as world:
        await one_of_two(world, first, second, RefusalCode.ASSET_EXISTS, racing)

        assert len(world.ledger.assets()) == 1


USERS = [
    (CreateUser(username="ann"), CreateUser(username="ann")),
    (CreateUser(external_id="ann"), CreateUser(external_id="ann")),
    (CreateUser(email="Ann@x.org"), CreateUser(email="aNN@X.ORG")),
]


@pytest.mark.parametrize(("first", "second"), USERS, ids=["username", "external id", "e-mail"])
@pytest.mark.parametrize("racing", [False, True], ids=["later", "at once"])
async def test_names_of_users_are_unique(first: Command, second: Command, racing: bool) -> None:
    async with World() as world:
        await one_of_two(world, first, second, RefusalCode.USER_EXISTS, racing)

        assert world.ledger.user_count == 1
        assert world.ledger.next_user == 2


async def one_of_two(world: World, first: Command, second: Command, code: RefusalCode, racing: bool) -> None:
    """The first succeeds and the second is refused by `code`, whether it comes while the first is in flight or after it."""
    if racing:
        world.gate.shut()
    made = await world.begin(first)
    late = await world.begin(second)
    if racing:
        assert not late.done()
        await world.gate.give(Fate.DURABLE)
    assert made.exception() is None
    assert code_of(late) is code
    assert world.engine.in_flight == 0


@pytest.mark.parametrize(("first", "second"), USERS, ids=["username", "external id", "e-mail"])
async def test_a_name_whose_record_is_released_is_free_again(first: Command, second: Command) -> None:
    async with World() as world:
        world.gate.shut()
        made = await world.begin(first)
        late = await world.begin(second)

        await world.gate.give(Fate.FULL)
        world.gate.open()
        await quiet()

        assert [code_of(task) for task in (made, late)] == [RefusalCode.READ_ONLY] * 2
        await world.engine.execute(second)
        assert world.ledger.user_count == 1


async def test_usernames_differ_by_case() -> None:
    async with World() as world:
        await world.engine.execute(CreateUser(username="ann"))
        await world.engine.execute(CreateUser(username="Ann"))

        assert world.ledger.user_count == 2


async def test_many_users_at_once_are_numbered_without_gaps() -> None:
    async with World() as world:
        await world.asset()

        outcomes = await asyncio.gather(
            *(world.engine.execute(CreateUser(username=f"u{number}", wallet_asset="USD")) for number in range(20))
        )

        users = [outcome.subject for outcome in outcomes]
        assert [user.id for user in users if isinstance(user, User)] == list(range(1, 21))
        assert [wallet.number for user in range(1, 21) for wallet in world.ledger.wallets_of(user)] == list(
            range(2, 22)
        )


async def test_an_update_changes_the_named_members_clears_with_none_and_leaves_the_rest() -> None:
    async with World() as world:
        await world.engine.execute(
            CreateUser(external_id="x", username="ann", email="a@x.org", phone_number="+1", name="Ann")
        )
        world.clock.now += 5

        outcome = await world.engine.execute(UpdateUser(user_id=1, username="anna", phone_number=None))

        user = world.ledger.user(1)
        assert outcome.subject == user
        assert (user.external_id, user.username, user.email, user.phone_number, user.name) == (
            "x",
            "anna",
            "a@x.org",
            None,
            "Ann",
        )
        assert (user.created_at, user.updated_at) == (START_US, START_US + 5)
        await world.engine.execute(CreateUser(username="ann"))


async def test_a_user_may_keep_its_own_names_in_an_update() -> None:
    async with World() as world:
        await world.engine.execute(CreateUser(username="ann", email="a@x.org"))

        await world.engine.execute(UpdateUser(user_id=1, username="ann", email="A@X.org"))

        assert world.ledger.user(1).email == "A@X.org"
        assert world.ledger.user_with_email("a@x.org") == world.ledger.user(1)


async def test_two_updates_of_one_user_at_once_both_count() -> None:
    async with World() as world:
        await world.engine.execute(CreateUser(username="ann", name="Ann"))

        await asyncio.gather(
            world.engine.execute(UpdateUser(user_id=1, username="anna")),
            world.engine.execute(UpdateUser(user_id=1, name="Anna")),
        )

        assert (world.ledger.user(1).username, world.ledger.user(1).name) == ("anna", "Anna")


async def test_an_update_and_a_creation_that_want_one_name_are_one_success() -> None:
    async with World() as world:
        await world.engine.execute(CreateUser(username="ann"))

        await one_of_two(
            world,
            UpdateUser(user_id=1, username="bob"),
            CreateUser(username="bob"),
            RefusalCode.USER_EXISTS,
            racing=True,
        )


async def test_opening_one_wallet_twice_at_once_makes_one() -> None:
    async with World() as world:
        await world.asset()
        await world.engine.execute(CreateUser())

        command = OpenWallet(user_id=1, asset="USD")
        await one_of_two(world, command, command, RefusalCode.WALLET_EXISTS, racing=True)

        assert world.ledger.wallet_count == 2


async def test_a_refusal_of_a_second_wallet_names_the_first() -> None:
    async with World() as world:
        await world.asset()
        ann = await world.wallet()

        refusal = await world.refused(OpenWallet(user_id=1, asset="USD"))

        assert refusal.facts["wallet"] is world.at(ann)


async def test_freezing_again_replaces_what_was_frozen_and_why() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet(10)
        await world.engine.execute(Freeze(wallet_id=ann, reason="first"))

        outcome = await world.engine.execute(Freeze(wallet_id=ann, reason="second", debits=False, credits=True))

        assert isinstance(outcome.subject, Wallet)
        assert (outcome.subject.reason, outcome.subject.status) == ("second", "frozen")
        await world.engine.execute(transfer(ann, bob, 10))
        assert (await world.refused(transfer(bob, ann, 1))).code is RefusalCode.WALLET_FROZEN


async def test_a_closed_wallet_stays_closed() -> None:
    async with World() as world:
        await world.asset()
        ann = await world.wallet()
        await world.engine.execute(Freeze(wallet_id=ann, reason="r"))
        await world.engine.execute(Close(wallet_id=ann))

        for command in (Close(wallet_id=ann), Unfreeze(wallet_id=ann), Freeze(wallet_id=ann, reason="r")):
            assert (await world.refused(command)).code is RefusalCode.WALLET_CLOSED

        assert world.at(ann).status == "closed"
        assert (await world.refused(OpenWallet(user_id=1, asset="USD"))).code is RefusalCode.WALLET_EXISTS
