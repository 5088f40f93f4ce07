"""Sending: an open loop counts from when a request was due, a closed one from when it was sent, and nothing sent is forgotten."""

import asyncio
import time

from walletd.loadtest.dialects import V1
from walletd.loadtest.driver import Driver
from walletd.loadtest.population import Population
from walletd.loadtest.recording import SECOND_NS, Recorded, Recorder
from walletd.loadtest.requests import Address
from walletd.loadtest.workloads import WORKLOADS, Kind, script_of

from .scripted import Reply, Scripted, json_answer

POPULATION = Population("v1", "USD", ("a", "b", "c"), "t", 1000)
STALL_S = 0.3


class Stalling:
    """Answers every transfer at once, but for one time without answers."""

    def __init__(self, stall_at_request: int) -> None:
        self._left = stall_at_request
        self._stalled_until = 0.0

    async def __call__(self, method: str, path: str, body: bytes) -> Reply:
        self._left -= 1
        if self._left == 0:
            self._stalled_until = time.monotonic() + STALL_S
        await asyncio.sleep(max(0.0, self._stalled_until - time.monotonic()))
        return json_answer(201, {"id": "1"})


async def driven(
    address: Address, *, seconds: float, rate: float, lanes: int, disconnects: bool = False, drain_s: float = 2.0
) -> Recorded:
    workload = WORKLOADS["retries" if disconnects else "random"]
    script = script_of(workload, POPULATION, V1(), address, seed=1, read_share=0.0, length=500)
    begin = time.monotonic_ns() + SECOND_NS // 50
    recorder = Recorder(script, begin, begin + int(seconds * SECOND_NS), 100, dialect_has_items=False)
    driver = Driver(address, recorder, lanes=lanes, rate=rate, has_keys=disconnects, disconnects=disconnects, seed=1)
    await driver.connect()
    await driver.run(begin, recorder.end, drain_s)
    return recorder.finish(time.monotonic_ns())


def slow(recorded: Recorded, above_ms: int) -> int:
    """How many requests took longer."""
    return sum(count for value, count in recorded.histograms[Kind.TRANSFER].buckets() if value > above_ms * 1000)


async def test_an_open_loop_counts_late_requests_from_when_they_were_due() -> None:
    async with Scripted(Stalling(20)) as server:
        recorded = await driven(server.address, seconds=1.0, rate=300, lanes=2)
    # Some 300 a second are due while nothing is answered; those of the stall's first half wait for its second.
    assert slow(recorded, int(STALL_S * 500)) > STALL_S / 2 * 300 * 0.5
    assert recorded.histograms[Kind.TRANSFER].highest >= STALL_S * 0.9 * 1e6
    assert recorded.dropped == recorded.unanswered == 0
    assert recorded.achieved == recorded.offered > 200


async def test_a_closed_loop_does_not_send_while_it_waits() -> None:
    async with Scripted(Stalling(20)) as server:
        recorded = await driven(server.address, seconds=0.6, rate=0, lanes=2)
    assert 1 <= slow(recorded, int(STALL_S * 500)) <= 2
    assert recorded.achieved == recorded.offered


async def test_a_silence_is_recorded_with_its_length() -> None:
    async with Scripted(Stalling(20)) as server:
        recorded = await driven(server.address, seconds=0.6, rate=0, lanes=2)
    longest = max(recorded.quiets, key=lambda quiet: quiet.end - quiet.start)
    assert STALL_S * 0.9 <= (longest.end - longest.start) / SECOND_NS <= STALL_S * 2


async def test_what_was_due_and_could_not_be_sent_is_reported_as_dropped() -> None:
    async def never(method: str, path: str, body: bytes) -> Reply:
        await asyncio.sleep(60)
        return None

    async with Scripted(never) as server:
        recorded = await driven(server.address, seconds=0.2, rate=500, lanes=3, drain_s=0.1)
    assert recorded.achieved == 0
    assert recorded.unanswered == recorded.unknown == 3
    assert recorded.offered == recorded.dropped + recorded.unanswered > 50


async def test_an_outcome_that_a_disconnect_hides_is_unknown() -> None:
    async def ends(method: str, path: str, body: bytes) -> Reply:
        return None

    async with Scripted(ends) as server:
        recorded = await driven(server.address, seconds=0.2, rate=0, lanes=1)
    assert recorded.unknown == sum(recorded.failures.values()) > 0
    assert recorded.acknowledged == {}


async def test_a_refusal_is_counted_by_its_status_and_moves_nothing() -> None:
    async def refuses(method: str, path: str, body: bytes) -> Reply:
        return json_answer(422, {"code": "insufficient_balance"})

    async with Scripted(refuses) as server:
        recorded = await driven(server.address, seconds=0.1, rate=0, lanes=1)
    assert recorded.refused[422] > 0
    assert recorded.achieved == 0
    assert recorded.acknowledged == {}


async def test_a_cut_request_is_sent_again_under_its_key_until_it_is_answered() -> None:
    keys: dict[bytes, int] = {}

    async def once(method: str, path: str, body: bytes) -> Reply:
        keys[body] = keys.get(body, 0) + 1
        return json_answer(201, {"id": "1"})

    async with Scripted(once) as server:
        recorded = await driven(server.address, seconds=0.5, rate=0, lanes=4, disconnects=True)
    assert recorded.cut > 0
    assert recorded.unknown == 0
    assert recorded.offered == sum(recorded.acknowledged.values()) == recorded.achieved
    assert sum(keys.values()) >= recorded.achieved
