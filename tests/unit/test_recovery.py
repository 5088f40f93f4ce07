"""Recovery: whatever the image is, a start brings back exactly what the journal says, or refuses and names the record."""

from typing import Any

import msgspec
import pytest

from walletd.engine import (
    Batch,
    Close,
    CreateUser,
    Engine,
    Freeze,
    Holding,
    MemoryImage,
    MemoryJournal,
    UpdateUser,
    transfer,
)
from walletd.engine.ports import Head, ImageCounters, StorageUnusable
from walletd.engine.records import GENESIS, Body, BrokenJournal, Row, chained, decode_unchained
from walletd.tests.builders import START_US, World, keyed, ledger_state


async def a_story(world: World) -> None:
    """One record of every kind, and more."""
    treasury = await world.asset(aliases=("DOLLAR",))
    await world.asset("GOLD", transferable=False)
    ann, bob, carl = await world.wallet(100), await world.wallet(), await world.wallet()
    world.clock.now += 1_000
    for command in (
        CreateUser(external_id="x", username="eve", email="Eve@x.org", wallet_asset="GOLD"),
        UpdateUser(user_id=4, username="eva", phone_number="+1"),
        transfer(treasury, Holding("USD", external_id="zoe", open_user=True), 5),
        Batch(moves=(transfer(ann, bob, 10), transfer(ann, bob, 100), transfer(bob, ann, 10), transfer(ann, bob, 30))),
        Freeze(wallet_id=ann, reason="why", debits=False, credits=True),
        Close(wallet_id=carl),
        transfer(bob, treasury, 30),
    ):
        await world.engine.execute(command)
        world.clock.now += 1_000
    await world.engine.execute(transfer(ann, bob, 1), key=keyed("k"))


async def test_a_restart_brings_back_the_same_state_whatever_the_image_holds() -> None:
    async with World() as world:
        await a_story(world)
        before = ledger_state(world.ledger)

        for seq in range(before["seq"] + 1):
            await world.kill()
            await world.start(await world.folded_to(seq))
            assert (seq, ledger_state(world.ledger)) == (seq, before)
            assert (await world.engine.execute(transfer("x", "y", 1), key=keyed("k"))).replayed


async def test_a_stop_in_good_order_leaves_no_tail() -> None:
    async with World() as world:
        await a_story(world)
        before = ledger_state(world.ledger)
        await world.engine.stop()

        head, counters = await world.image.open()
        assert head.seq == before["seq"]
        assert (counters.users + 1, counters.wallets + 1, counters.transactions + 1, counters.entries + 1) == before[
            "next"
        ]
        await world.start()
        assert ledger_state(world.ledger) == before
        assert world.engine.folded_seq == head.seq


async def test_numbers_and_times_go_on_after_a_restart() -> None:
    async with World() as world:
        await a_story(world)
        before = ledger_state(world.ledger)
        at = world.store.rows[-1].at
        world.clock.now = START_US - 1

        await world.restart()
        outcome = await world.engine.execute(transfer(world.treasury(), world.ledger.wallet_at(4).id, 1))

        assert outcome.record is not None
        assert (outcome.record.seq, outcome.record.at) == (before["seq"] + 1, at)
        assert (outcome.transactions[0].id, outcome.transactions[0].entries[0].id) == before["next"][2:]


def rechained(rows: list[Row]) -> list[Row]:
    """The rows with a chain that fits, as somebody would write them who knows how."""
    made: list[Row] = []
    chain = GENESIS
    for row in rows:
        made.append(msgspec.structs.replace(row, chain=chained(chain, row.seq, row.at, row.kind, row.body)))
        chain = made[-1].chain
    return made


def with_leg(row: Row, index: int, **members: Any) -> Row:
    """A row one of whose legs was changed."""
    body = decode_unchained(row).body
    legs = list(body.legs)
    legs[index] = msgspec.structs.replace(legs[index], **members)
    return with_body(row, legs=tuple(legs))


def with_body(row: Row, **members: Any) -> Row:
    """A row whose body was changed."""
    body: Body = msgspec.structs.replace(decode_unchained(row).body, **members)
    return msgspec.structs.replace(row, body=msgspec.json.encode(body))


async def refused_start(rows: list[Row], image: MemoryImage | None = None) -> BrokenJournal:
    """How a start on these rows is refused."""
    store = MemoryJournal()
    store.rows = rows
    image = image or MemoryImage(store)
    with pytest.raises(BrokenJournal) as caught:
        await Engine.start(store, image, image)
    return caught.value


async def moves(world: World) -> list[Row]:
    """Ten rows, of which the last four are transfers."""
    await world.asset()
    ann, bob = await world.wallet(100), await world.wallet(100)
    assert world.ledger.seq == 5
    for amount in (1, 2, 3, 4, 5):
        await world.engine.execute(transfer(ann, bob, amount))
    return list(world.store.rows)


async def test_a_hole_is_refused_by_name() -> None:
    async with World() as world:
        rows = await moves(world)

        error = await refused_start([*rows[:6], *rows[7:]])

        assert (error.seq, "missing" in str(error)) == (7, True)


async def test_a_journal_that_ends_before_its_head_is_refused() -> None:
    class Short(MemoryJournal):
        async def read(self, after: int, limit: int) -> list[Row]:
            return (await super().read(after, limit))[: max(0, 8 - after)]

    async with World() as world:
        rows = await moves(world)
        store = Short()
        store.rows = rows
        image = MemoryImage(store)

        with pytest.raises(BrokenJournal, match="journal record 9: missing"):
            await Engine.start(store, image, image)


@pytest.mark.parametrize("seq", [1, 6, 10])
async def test_a_changed_body_is_refused_by_name(seq: int) -> None:
    async with World() as world:
        rows = await moves(world)
        rows[seq - 1] = msgspec.structs.replace(rows[seq - 1], body=rows[seq - 1].body + b" ")

        error = await refused_start(rows)

        assert (error.seq, "chain" in str(error)) == (seq, True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda row: with_leg(row, 0, balance_after=98), "balance 99, recorded 98"),
        (lambda row: with_leg(row, 0, amount=-2, balance_after=98), "do not sum to zero"),
        (lambda row: with_leg(row, 0, ordinal=3), "entry 3 after 1 entries"),
        (lambda row: with_leg(row, 0, wallet=77), "unknown"),
        (lambda row: with_body(row, first_entry=6), "numbering starts at entry 6"),
        (lambda row: with_body(row, first_transaction=4), "transaction 4"),
        (lambda row: msgspec.structs.replace(row, at=1), "is dated before the record before it"),
    ],
    ids=["balance", "sum", "ordinal", "wallet", "entries", "transactions", "time"],
)
async def test_a_contradiction_is_refused_by_name_even_where_the_chain_was_made_to_fit(
    change: Any, sentence: str
) -> None:
    async with World() as world:
        rows = await moves(world)
        rows[5] = change(rows[5])

        error = await refused_start(rechained(rows))

        assert error.seq == 6
        assert sentence in str(error)


async def test_an_unknown_kind_is_refused_by_name() -> None:
    async with World() as world:
        rows = await moves(world)
        rows[7] = msgspec.structs.replace(rows[7], kind="moved_sideways")

        error = await refused_start(rechained(rows))

        assert (error.seq, "moved_sideways" in str(error)) == (8, True)


async def test_an_image_ahead_of_its_journal_is_refused() -> None:
    async with World() as world:
        rows = await moves(world)
        image = await world.folded_to(10)

        error = await refused_start(rows[:8], image)

        assert error.seq == 10
        assert "ends at record 8" in str(error)


async def test_an_image_of_another_journal_is_refused() -> None:
    async with World() as world, World() as other:
        rows = await moves(world)
        other.clock.now += 1
        await moves(other)

        error = await refused_start(rows, await other.folded_to(7))

        assert error.seq == 7
        assert "do not belong together" in str(error)


class Damaged(MemoryImage):
    """An image that is damaged in one way until it is reset."""

    def __init__(self, journal: MemoryJournal, how: str) -> None:
        super().__init__(journal)
        self.how = how
        self.resets = 0

    async def open(self) -> tuple[Head, ImageCounters]:
        """See Image."""
        if self.how == "unusable":
            raise StorageUnusable("a malformed file")
        head, counters = await super().open()
        if self.how in ("users", "wallets", "entries"):
            counters = msgspec.structs.replace(counters, **{self.how: getattr(counters, self.how) + 1})
        if self.how == "balance":
            self._wallets[2] = self._wallets[2]._replace(posted=self._wallets[2].posted + 1)
        if self.how == "below zero":
            self._wallets[2] = self._wallets[2]._replace(posted=-1)
        if self.how == "order":
            self._wallets.reverse()
        if self.how.startswith("treasury"):
            asset = msgspec.structs.replace(self._assets[0].asset, treasury=int(self.how[-1]))
            self._assets[0] = msgspec.structs.replace(self._assets[0], asset=asset)
        return head, counters

    async def reset(self) -> None:
        """See Image."""
        self.how = ""
        self.resets += 1
        await super().reset()


@pytest.mark.parametrize(
    "how",
    [
        "unusable",
        "users",
        "wallets",
        "entries",
        "balance",
        "below zero",
        "order",
        "treasury 9",
        "treasury 3",
        "treasury 2",
    ],
)
async def test_an_image_that_cannot_be_trusted_is_made_anew_from_the_journal(how: str) -> None:
    async with World() as world:
        await a_story(world)
        before = ledger_state(world.ledger)
        image = Damaged(world.store, "")
        await image.fold(before["seq"])
        image.how = how

        await world.restart(image)

        assert image.resets == 1
        assert ledger_state(world.ledger) == before
        await world.engine.stop()
        assert (await image.open())[0].seq == before["seq"]


async def test_a_start_that_is_refused_closes_what_it_was_given() -> None:
    async with World() as world:
        await moves(world)
        await world.kill()
        world.store.rows[5] = msgspec.structs.replace(world.store.rows[5], body=b"{}")

        with pytest.raises(BrokenJournal):
            await world.start(MemoryImage(world.store))

        assert world.gate.closed


async def test_a_start_tells_how_it_goes() -> None:
    async with World() as world:
        await a_story(world)
        seq, wallets = world.ledger.seq, world.ledger.wallet_count
        await world.kill()
        told: list[tuple[str, int, int]] = []
        image = await world.folded_to(seq - 3)

        engine = await Engine.start(
            world.store, image, image, on_progress=lambda what, done, total: told.append((what, done, total))
        )

        assert told[0] == ("loading wallets", wallets, wallets)
        assert told[-1] == ("replaying the journal", seq, seq)
        await engine.stop()
