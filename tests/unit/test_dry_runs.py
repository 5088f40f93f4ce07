"""A dry run answers what would happen, and changes nothing at all."""

import asyncio

import msgspec
import pytest

from walletd.engine import (
    Batch,
    Close,
    Command,
    CreateAsset,
    CreateUser,
    Freeze,
    Holding,
    Move,
    OpenWallet,
    Outcome,
    Refusal,
    RefusalCode,
    Unfreeze,
    UpdateUser,
    transfer,
)
from walletd.engine.ledger import User
from walletd.engine.records import Record
from walletd.engine.wallet import Asset, Wallet
from walletd.tests.builders import Fate, World, keyed, quiet


async def a_world(world: World) -> None:
    """Wallets 2 (posted 100), 3 (empty), 4 (frozen) of users 1, 2, 3; user 4 without one. The ids are those of `Ids`."""
    await world.asset()
    await world.wallet(100)
    await world.wallet()
    frozen = await world.wallet()
    await world.engine.execute(Freeze(wallet_id=frozen, reason="r"))
    await world.engine.execute(CreateUser(username="dan", email="dan@x.org"))


def wallet_id(number: int) -> str:
    """The id of a wallet in `a_world`."""
    return f"00000000-0000-4000-8000-{number:012d}"


TREASURY, RICH, EMPTY, FROZEN = map(wallet_id, (1, 2, 3, 4))
NEW = Holding("USD", external_id="zoe", open_user=True)

COMMANDS: dict[str, Command] = {
    "transfer": transfer(RICH, EMPTY, 30),
    "transfer of everything": transfer(RICH, EMPTY, 100),
    "credit": transfer(TREASURY, EMPTY, 30),
    "transaction": Move(legs=((RICH, -30), (EMPTY, 20), (TREASURY, 10))),
    "opening of a wallet": transfer(TREASURY, Holding("USD", user_id=4), 5),
    "opening of a user": transfer(TREASURY, NEW, 5),
    "batch": Batch(moves=(transfer(RICH, EMPTY, 60), transfer(RICH, EMPTY, 60), transfer(EMPTY, RICH, 50))),
    "batch with an opening": Batch(moves=(transfer(TREASURY, NEW, 5), transfer(NEW, RICH, 5))),
    "atomic batch": Batch(moves=(transfer(RICH, EMPTY, 60), transfer(EMPTY, RICH, 50)), atomic=True),
    "asset": CreateAsset(code="EUR", aliases=("EURO",)),
    "user": CreateUser(external_id="ext", username="eve", email="eve@x.org"),
    "user with a wallet": CreateUser(wallet_asset="USD"),
    "update": UpdateUser(user_id=4, username="daniel", email=None),
    "wallet": OpenWallet(user_id=4, asset="USD"),
    "freeze": Freeze(wallet_id=RICH, reason="why"),
    "unfreeze": Unfreeze(wallet_id=FROZEN),
    "close": Close(wallet_id=EMPTY),
}


def test_every_command_is_among_the_dry_runs() -> None:
    assert {type(command) for command in COMMANDS.values()} == set(Command.__args__)


def said(outcome: Outcome) -> object:
    """What an outcome says, as plain values; wallet ids are drawn anew in each run, so openings are compared without them."""
    record = outcome.record
    assert isinstance(record, Record)
    wallets = tuple(msgspec.structs.replace(wallet, id="") for wallet in record.body.wallets)
    subject = msgspec.structs.asdict(outcome.subject) if isinstance(outcome.subject, User) else None
    if isinstance(outcome.subject, Wallet):
        names = ("number", "user_id", "posted", "version", "debits_frozen", "credits_frozen", "closed", "reason")
        subject = {name: getattr(outcome.subject, name) for name in (*names, "created_at", "updated_at", "held")}
    if isinstance(outcome.subject, Asset):
        subject = {
            name: getattr(outcome.subject, name) for name in ("id", "code", "name", "scale", "aliases", "created_at")
        }
        subject["treasury"] = outcome.subject.treasury.number
    if isinstance(outcome.subject, User) and subject is not None:
        wallet = subject.pop("wallet")
        subject["wallet"] = None if wallet is None else (wallet.number, wallet.asset.code, wallet.posted)
    items = tuple(item.code if isinstance(item, Refusal) else item for item in outcome.items)
    return (
        msgspec.structs.replace(record, body=msgspec.structs.replace(record.body, wallets=wallets)),
        outcome.transactions,
        items,
        subject,
    )


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
async def test_a_dry_run_changes_nothing_and_says_what_the_real_run_then_does(command: Command) -> None:
    async with World() as world:
        await a_world(world)
        before = world.state()

        dry = await world.engine.execute(command, dry_run=True)
        dry_said = said(dry)
        assert world.state() == before
        again = said(await world.engine.execute(command, dry_run=True))
        real = await world.engine.execute(command)

        assert (dry.dry_run, real.dry_run) == (True, False)
        assert dry_said == again == said(real)
        assert world.ledger.seq == before["seq"] + 1
        assert len(world.gate.groups) == before["seq"] + 1


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
async def test_a_dry_run_between_records_in_flight_disturbs_none_of_them(command: Command) -> None:
    async with World() as world:
        await a_world(world)
        world.gate.shut()
        first = await world.begin(transfer(TREASURY, RICH, 1))
        user = await world.begin(CreateUser())
        dry = asyncio.create_task(world.engine.execute(command, dry_run=True))
        await quiet()
        second = await world.begin(transfer(TREASURY, FROZEN, 2))

        await world.gate.give(Fate.DURABLE, Fate.DURABLE)

        assert [task.exception() for task in (first, user, dry, second)] == [None] * 4
        assert world.posted(TREASURY, RICH, EMPTY, FROZEN) == [-103, 101, 0, 2]
        assert world.ledger.user_count == 5
        assert world.at(RICH).held == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (transfer(RICH, EMPTY, 101), RefusalCode.INSUFFICIENT_BALANCE),
        (transfer(FROZEN, EMPTY, 1), RefusalCode.WALLET_FROZEN),
        (CreateUser(username="dan"), RefusalCode.USER_EXISTS),
        (CreateAsset(code="USD"), RefusalCode.ASSET_EXISTS),
        (Close(wallet_id=RICH), RefusalCode.WALLET_NOT_EMPTY),
        (
            Batch(moves=(transfer(RICH, EMPTY, 100), transfer(RICH, EMPTY, 1)), atomic=True),
            RefusalCode.INSUFFICIENT_BALANCE,
        ),
    ],
)
async def test_a_dry_run_is_refused_as_the_real_run_is(command: Command, code: RefusalCode) -> None:
    async with World() as world:
        await a_world(world)
        before = world.state()

        assert (await world.refused(command, dry_run=True)).code is code
        assert (await world.refused(command)).code is code
        assert world.state() == before


async def test_a_dry_run_of_a_batch_of_which_every_item_is_refused_says_so() -> None:
    async with World() as world:
        await a_world(world)

        outcome = await world.engine.execute(Batch(moves=(transfer(EMPTY, RICH, 1),)), dry_run=True)

        assert outcome.record is None
        assert outcome.dry_run
        assert isinstance(outcome.items[0], Refusal)


async def test_a_dry_run_binds_no_key() -> None:
    async with World() as world:
        await a_world(world)

        await world.engine.execute(transfer(RICH, EMPTY, 1), key=keyed("k", amount=1), dry_run=True)
        outcome = await world.engine.execute(transfer(RICH, EMPTY, 2), key=keyed("k", amount=2))

        assert not outcome.replayed
        assert world.posted(RICH, EMPTY) == [98, 2]


async def test_a_dry_run_waits_for_money_in_flight_like_the_real_run() -> None:
    async with World() as world:
        await a_world(world)
        world.gate.shut()
        await world.begin(transfer(TREASURY, RICH, 10))
        await world.begin(transfer(RICH, EMPTY, 100))

        dry = asyncio.create_task(world.engine.execute(transfer(RICH, EMPTY, 10), dry_run=True))
        await asyncio.sleep(0)
        assert not dry.done()
        await world.gate.give(Fate.DURABLE)

        assert (await dry).transactions[0].entries[0].balance_after == 0
        assert world.posted(RICH, EMPTY) == [110, 0]
        assert world.at(RICH).held == 100
