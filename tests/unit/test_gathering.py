"""Who was in flight together is flushed together: a group waits for as many as there were, and only so long."""

from walletd.engine import EngineOptions, transfer
from walletd.tests.builders import Fate, World, quiet

NEVER_S = 3_600.0


async def _one_flush_of_two(world: World) -> tuple[str, str]:
    await world.asset()
    ann, bob = await world.wallet(10), await world.wallet(10)
    world.gate.shut()
    await world.begin(transfer(ann, bob, 1))
    await world.begin(transfer(bob, ann, 1))
    assert len(world.gate.waiting) == 1
    return ann, bob


async def test_after_a_flush_the_next_waits_until_as_many_are_in_flight() -> None:
    async with World(options=EngineOptions(room_poll_s=0, gather_s=NEVER_S)) as world:
        ann, bob = await _one_flush_of_two(world)

        await world.gate.give(Fate.DURABLE)
        assert (world.gate.waiting, world.engine.in_flight) == ((), 1)
        await world.begin(transfer(ann, bob, 1))

        assert len(world.gate.waiting) == 2


async def test_it_waits_no_longer_than_the_limit() -> None:
    async with World(options=EngineOptions(room_poll_s=0, gather_s=0)) as world:
        await _one_flush_of_two(world)

        await world.gate.give(Fate.DURABLE)

        assert (len(world.gate.waiting), world.engine.in_flight) == (1, 1)


async def test_who_comes_alone_waits_for_nobody() -> None:
    async with World(options=EngineOptions(room_poll_s=0, gather_s=NEVER_S)) as world:
        await world.asset()
        ann, bob = await world.wallet(10), await world.wallet(10)
        for _ in range(3):
            await world.engine.execute(transfer(ann, bob, 1))
            await quiet()

        assert world.at(bob).posted == 13
