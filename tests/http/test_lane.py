"""Long work is done a piece at a time: whoever comes with something short is served in between."""

import asyncio
from itertools import pairwise

from walletd.http.lane import LONG_BODY_BYTES, LONG_LIST, Lane

from .conftest import Client


async def test_between_two_pieces_of_long_work_everyone_else_has_a_turn() -> None:
    lane = Lane()
    done: list[str] = []

    async def long(pieces: int) -> None:
        for _ in range(pieces):
            await lane.turn()
            done.append("long")

    async def short() -> None:
        while done.count("long") < 15:
            done.append("short")
            await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await asyncio.gather(*(long(3) for _ in range(5)), short())
    assert done.count("long") == 15
    assert ("long", "long") not in pairwise(done)


async def test_who_gives_up_waiting_leaves_the_lane_to_the_next() -> None:
    lane = Lane()
    await lane.turn()
    waiting = [asyncio.ensure_future(lane.turn()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting[1:])


class Counting(Lane):
    """A lane that counts its turns."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    async def turn(self) -> None:
        self.turns += 1
        await super().turn()


async def test_a_large_batch_takes_a_turn_for_each_portion_and_a_transfer_none(client: Client) -> None:
    source, destination = await client.wallet(amount=1), await client.wallet()
    item = {"source": source, "destination": destination, "amount": "1"}
    batch = {"transfers": [item] * (2 * LONG_LIST + 1)}
    assert len(str(batch)) > LONG_BODY_BYTES
    lane = client.server._services.lane = Counting()

    assert (await client.post("/v1/transfers", item)).status == 201
    assert lane.turns == 0
    answer = await client.post("/v1/transfers/batch", batch)
    assert [result["status"] for result in answer.json["results"]] == [422] * (2 * LONG_LIST + 1)
    assert lane.turns == 1 + 2 + 2  # its body, and before each portion but the first its reading and its answer
