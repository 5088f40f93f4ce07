"""Idempotency: a key has one effect, whatever happens to callers, the process or memory."""

import asyncio

from walletd.engine import Batch, CreateUser, EngineOptions, Holding, MemoryImage, RefusalCode, transfer
from walletd.engine.limits import IDEMPOTENCY_KEY_LIFE_US
from walletd.engine.ports import Head
from walletd.tests.builders import Fate, World, code_of, keyed, quiet


async def test_the_same_key_and_request_give_the_first_outcome_again() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        move, key = transfer(ann, bob, 30, description="rent"), keyed("k", amount="30")

        first = await world.engine.execute(move, key=key)
        await world.engine.execute(transfer(bob, ann, 30))
        rows = len(world.store.rows)
        second = await world.engine.execute(move, key=key)

        assert (first.replayed, second.replayed) == (False, True)
        assert second.record == first.record
        assert second.transactions == first.transactions
        assert len(world.store.rows) == rows
        assert world.posted(ann, bob) == [100, 0]


async def test_a_batch_is_given_again_with_its_refused_items() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        batch = Batch(
            moves=(transfer(ann, bob, 60), transfer(ann, bob, 60), transfer("x", bob, 1), transfer(bob, ann, 1))
        )

        first = await world.engine.execute(batch, key=keyed("k"))
        second = await world.engine.execute(batch, key=keyed("k"))

        assert second.replayed
        told = [[(type(item), getattr(item, "code", None), getattr(item, "facts", None), str(item)) for item in each.items] for each in (first, second)]  # fmt: skip
        assert told[0] == told[1]
        assert world.posted(ann, bob) == [41, 59]


async def test_a_key_used_with_another_request_is_refused_and_the_members_named() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        await world.engine.execute(transfer(ann, bob, 30), key=keyed("k", amount=30, to=bob, note=None))
        before = world.state()

        refusal = await world.refused(transfer(ann, bob, 31), key=keyed("k", amount=31, to=bob, memo=None))

        assert refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED
        assert refusal.facts["members"] == ["amount", "memo", "note"]
        assert world.state() == before


async def test_one_key_in_two_scopes_is_two_keys() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()

        for scope in ("alice POST /a", "bob POST /a"):
            await world.engine.execute(transfer(ann, bob, 1), key=keyed("k", scope))

        assert world.posted(ann, bob) == [98, 2]


async def test_two_equal_requests_without_a_key_are_two_payments() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()

        for _ in range(2):
            await world.engine.execute(transfer(ann, bob, 1))

        assert world.posted(ann, bob) == [98, 2]


async def test_a_refusal_does_not_bind_the_key() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(), await world.wallet()
        move = transfer(ann, bob, 5)
        assert (await world.refused(move, key=keyed("k"))).code is RefusalCode.INSUFFICIENT_BALANCE
        assert (await world.engine.execute(Batch(moves=(move,)), key=keyed("k"))).record is None

        await world.engine.execute(transfer(world.treasury(), ann, 10))
        outcome = await world.engine.execute(transfer(ann, bob, 7), key=keyed("k", amount=7))

        assert not outcome.replayed
        assert world.posted(ann, bob) == [3, 7]


async def test_thirty_concurrent_duplicates_have_one_effect_and_one_answer() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        rows = len(world.store.rows)

        outcomes = await asyncio.gather(
            *(world.engine.execute(transfer(ann, bob, 1), key=keyed("k", amount=1)) for _ in range(30))
        )

        assert world.posted(ann, bob) == [99, 1]
        assert len(world.store.rows) == rows + 1
        assert [outcome.replayed for outcome in outcomes].count(False) == 1
        assert all(outcome.transactions == outcomes[0].transactions for outcome in outcomes)


async def test_a_concurrent_different_request_waits_and_is_then_refused_naming_the_members() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        first = await world.begin(transfer(ann, bob, 1), key=keyed("k", amount=1))
        other = await world.begin(transfer(ann, bob, 2), key=keyed("k", amount=2))
        assert not other.done()

        await world.gate.give(Fate.DURABLE)

        assert first.exception() is None
        assert code_of(other) is RefusalCode.IDEMPOTENCY_KEY_REUSED
        assert other.exception().facts["members"] == ["amount"]  # type: ignore[union-attr]


async def test_when_the_first_is_refused_its_duplicates_share_the_refusal_and_another_request_gets_its_own_turn() -> (
    None
):
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(11), await world.wallet()
        world.gate.shut()
        await world.begin(transfer(ann, bob, 1))
        tasks = [await world.begin(transfer(ann, bob, 11), key=keyed("k", amount=11)) for _ in range(3)]
        other = await world.begin(transfer(ann, bob, 10), key=keyed("k", amount=10))
        assert not any(task.done() for task in (*tasks, other))

        world.gate.open()
        await asyncio.wait([*tasks, other])

        assert [code_of(task) for task in tasks] == [RefusalCode.INSUFFICIENT_BALANCE] * 3
        assert other.exception() is None
        assert world.posted(ann, bob) == [0, 11]


async def test_a_cancelled_caller_leaves_its_key_bound_and_its_duplicates_are_answered() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        first = await world.begin(transfer(ann, bob, 1), key=keyed("k"))
        second, third = [await world.begin(transfer(ann, bob, 1), key=keyed("k")) for _ in range(2)]

        first.cancel()
        second.cancel()
        await quiet()
        await world.gate.give(Fate.DURABLE)

        assert third.result().replayed
        assert world.posted(ann, bob) == [99, 1]
        assert (await world.engine.execute(transfer(ann, bob, 1), key=keyed("k"))).replayed


async def test_a_key_whose_record_was_released_is_free() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        world.gate.shut()
        tasks = [await world.begin(transfer(ann, bob, 1), key=keyed("k", amount=1)) for _ in range(2)]

        await world.gate.give(Fate.FULL)
        world.gate.open()
        await quiet()

        assert [code_of(task) for task in tasks] == [RefusalCode.READ_ONLY] * 2
        outcome = await world.engine.execute(transfer(ann, bob, 2), key=keyed("k", amount=2))
        assert not outcome.replayed


async def test_keys_hold_after_a_restart_from_the_journal_from_the_image_and_from_both() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        for number in range(4):
            await world.engine.execute(transfer(ann, bob, 1), key=keyed(str(number), n=number))
        seq = world.ledger.seq

        for folded in (0, seq - 2, seq):
            await world.restart(await world.folded_to(folded))
            for number in range(4):
                assert (await world.engine.execute(transfer(ann, bob, 1), key=keyed(str(number), n=number))).replayed

        assert world.posted(ann, bob) == [96, 4]
        assert len(world.store.rows) == seq


async def test_the_key_of_an_unknown_outcome_tells_after_the_restart_whether_it_happened() -> None:
    for fate, happened in ((Fate.WRITTEN_UNKNOWN, True), (Fate.LOST_UNKNOWN, False)):
        async with World() as world:
            await world.asset()
            ann, bob = await world.wallet(100), await world.wallet()
            world.gate.shut()
            task = await world.begin(transfer(ann, bob, 1), key=keyed("k"))
            await world.gate.give(fate)
            assert code_of(task) is RefusalCode.OUTCOME_UNKNOWN

            await world.restart()
            retry = await world.engine.execute(transfer(ann, bob, 1), key=keyed("k"))

            assert retry.replayed is happened
            assert world.posted(ann, bob) == [99, 1]


async def test_a_key_beyond_memorys_bound_is_found_through_the_image() -> None:
    async with World(options=EngineOptions(keys_in_memory_max=2, gather_s=0)) as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        for number in range(5):
            await world.engine.execute(transfer(ann, bob, 1), key=keyed(str(number)))

        for number in range(5):
            assert (await world.engine.execute(transfer(ann, bob, 1), key=keyed(str(number)))).replayed

        assert world.posted(ann, bob) == [95, 5]
        await world.restart()
        assert (await world.engine.execute(transfer(ann, bob, 1), key=keyed("0"))).replayed


class LaggingImage(MemoryImage):
    """An image that folds no further than `limit`."""

    limit = 2**62

    async def fold(self, through: int) -> Head:
        """See Image."""
        return await super().fold(min(through, self.limit))


async def test_a_new_key_beyond_memorys_bound_waits_only_for_the_fold_of_what_was_pushed_out() -> None:
    async with World(options=EngineOptions(keys_in_memory_max=1, gather_s=0)) as world:
        image = LaggingImage(world.store)
        await world.restart(image)
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        for number in range(3):
            await world.engine.execute(transfer(ann, bob, 1), key=keyed(str(number)))
        await world.engine.transaction(1)  # the image has them all
        image.limit = world.ledger.seq

        await world.engine.execute(transfer(ann, bob, 1))
        outcome = await world.engine.execute(transfer(ann, bob, 1), key=keyed("new"))

        assert not outcome.replayed
        assert world.engine.folded_seq < world.ledger.seq
        image.limit = 2**62


async def test_concurrent_duplicates_of_a_key_beyond_memorys_bound_have_one_effect() -> None:
    async with World(options=EngineOptions(keys_in_memory_max=1, gather_s=0)) as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        for number in range(3):
            await world.engine.execute(transfer(ann, bob, 1), key=keyed(str(number)))

        await asyncio.gather(
            *(world.engine.execute(transfer(ann, bob, 1), key=keyed(str(number))) for number in (0, 0, 9, 9, 9, 2))
        )

        assert world.posted(ann, bob) == [96, 4]


async def test_a_key_holds_through_its_whole_life_and_may_be_bound_anew_after_it() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        start = world.clock.now
        await world.engine.execute(transfer(ann, bob, 1), key=keyed("old"))

        for number, now in enumerate((2_000_000, IDEMPOTENCY_KEY_LIFE_US)):
            world.clock.now = start + now
            await world.engine.execute(transfer(ann, bob, 1), key=keyed(str(number)))
        assert (await world.engine.execute(transfer(ann, bob, 1), key=keyed("old"))).replayed

        world.clock.now = start + IDEMPOTENCY_KEY_LIFE_US + 3_000_000
        await world.engine.execute(transfer(ann, bob, 1), key=keyed("later"))
        outcome = await world.engine.execute(transfer(ann, bob, 50), key=keyed("old", other=1))
        assert not outcome.replayed
        assert world.posted(ann, bob) == [46, 54]
        await world.restart()
        assert (await world.engine.execute(transfer(ann, bob, 50), key=keyed("old", other=1))).replayed


async def test_a_restart_forgets_keys_whose_life_is_over() -> None:
    async with World() as world:
        await world.asset()
        ann, bob = await world.wallet(100), await world.wallet()
        await world.engine.execute(transfer(ann, bob, 1), key=keyed("k"))
        world.clock.now += IDEMPOTENCY_KEY_LIFE_US
        await world.restart(await world.folded_to(0))
        assert (await world.engine.execute(transfer(ann, bob, 1), key=keyed("k"))).replayed

        world.clock.now += 1
        await world.restart(await world.folded_to(0))

        assert not (await world.engine.execute(transfer(ann, bob, 1), key=keyed("k"))).replayed


async def test_keys_count_for_movements_only() -> None:
    async with World() as world:
        for _ in range(2):
            outcome = await world.engine.execute(CreateUser(), key=keyed("k"))
            assert not outcome.replayed

        assert world.ledger.user_count == 2


async def test_a_keyed_opening_is_given_again_after_a_restart() -> None:
    async with World() as world:
        treasury = await world.asset()
        move = transfer(treasury, Holding("USD", external_id="zoe", open_user=True), 5)
        first = await world.engine.execute(move, key=keyed("k"))

        await world.restart()
        second = await world.engine.execute(move, key=keyed("k"))

        assert second.transactions == first.transactions
        assert world.ledger.user_count == 1
