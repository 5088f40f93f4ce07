"""Workloads: which wallets the requests are about. Everything is drawn from a seed and encoded before a run begins.

A Script is a list of requests that a process sends from the front to the end and again from the front. Beside each stands what it
moves, so that counting which were acknowledged is enough to know what every wallet must hold afterwards.
"""

import random
from collections.abc import Callable, Iterator
from enum import IntEnum
from itertools import accumulate
from typing import Final

import msgspec

from .dialects import TREASURY, Dialect
from .population import Population
from .requests import Address

AMOUNT_MAX_MINOR: Final = 100
SCRIPT_LENGTH: Final = 100_000
BATCHES: Final = 48
BATCH_SIZE: Final = 1000

Move = tuple[int, int, int]
"""(source, destination, amount in minor units); wallets by index."""


class Kind(IntEnum):
    """What a request is, which decides the histogram that its latency goes to."""

    TRANSFER = 0
    BATCH = 1
    BALANCE = 2
    HISTORY = 3


class Script(msgspec.Struct, frozen=True):
    """Requests in order; `kinds` and `moves` stand beside them. A read moves nothing."""

    requests: list[bytes]
    kinds: list[Kind]
    moves: list[tuple[Move, ...]]


class Workload(msgspec.Struct, frozen=True):
    """One way of choosing wallets."""

    name: str
    title: str
    is_batch: bool = False
    has_reads: bool = False
    has_keys: bool = False
    disconnects: bool = False


WORKLOADS: Final = {
    workload.name: workload
    for workload in (
        Workload("random", "random pairs"),
        Workload("zipf1", "pairs with Zipf skew, s = 1"),
        Workload("zipf2", "pairs with Zipf skew, s = 2"),
        Workload("hot", "one hot pair"),
        Workload("treasury", "everything from one Treasury"),
        Workload("mixed", "reads mixed with writes", has_reads=True),
        Workload("batch", "batches of 1000", is_batch=True),
        Workload("keyed", "random pairs, each with an idempotency key", has_keys=True),
        Workload("retries", "idempotent retries over cut connections", has_keys=True, disconnects=True),
    )
}

Draw = Callable[[], tuple[int, int]]


def pairs(name: str, wallets: int, rng: random.Random) -> Draw:
    """A source of (source, destination) for a workload, never one wallet twice."""
    assert wallets >= 2
    if name == "hot":
        return lambda: (0, 1) if rng.random() < 0.5 else (1, 0)
    if name == "treasury":
        return lambda: (TREASURY, rng.randrange(wallets))
    if name in ("zipf1", "zipf2"):
        skewed = _zipf(wallets, float(name[-1]), rng)
        return lambda: _two(skewed)
    return lambda: _two(lambda: rng.randrange(wallets))


def script_of(
    workload: Workload,
    population: Population,
    dialect: Dialect,
    address: Address,
    *,
    seed: int,
    read_share: float,
    length: int,
) -> Script:
    """The requests of one process. The same arguments give the same script."""
    rng = random.Random(seed)
    draw = pairs(workload.name, len(population.ids), rng)
    script = Script([], [], [])
    if workload.is_batch:
        for _ in range(BATCHES):
            moves = tuple(_move(draw, rng) for _ in range(BATCH_SIZE))
            named = [
                (population.id_of(source), population.id_of(destination), amount)
                for source, destination, amount in moves
            ]
            _add(script, dialect.batch(address, named), Kind.BATCH, moves)
        return script
    for _ in range(length):
        if workload.has_reads and rng.random() < read_share:
            wallet = population.ids[rng.randrange(len(population.ids))]
            if rng.random() < 0.2:
                _add(script, dialect.history(address, wallet), Kind.HISTORY, ())
            else:
                _add(script, dialect.balance(address, wallet), Kind.BALANCE, ())
            continue
        source, destination, amount = move = _move(draw, rng)
        if source == TREASURY:
            request = dialect.credit(address, population.treasury, population.ids[destination], amount)
        else:
            request = dialect.transfer(address, population.ids[source], population.ids[destination], amount)
        _add(script, request, Kind.TRANSFER, (move,))
    return script


def deltas(script: Script, acknowledged: dict[int, int]) -> Iterator[tuple[int, int]]:
    """(wallet, change in minor units) for each side of what was acknowledged: how often, by place in the script."""
    for place, times in acknowledged.items():
        for source, destination, amount in script.moves[place]:
            yield source, -amount * times
            yield destination, amount * times


def _add(script: Script, request: bytes, kind: Kind, moves: tuple[Move, ...]) -> None:
    script.requests.append(request)
    script.kinds.append(kind)
    script.moves.append(moves)


def _move(draw: Draw, rng: random.Random) -> Move:
    source, destination = draw()
    return source, destination, rng.randint(1, AMOUNT_MAX_MINOR)


def _two(draw: Callable[[], int]) -> tuple[int, int]:
    source = destination = draw()
    while destination == source:
        destination = draw()
    return source, destination


def _zipf(wallets: int, exponent: float, rng: random.Random) -> Callable[[], int]:
    """Draws wallets so that the k-th most popular one comes with a weight of 1/k^exponent."""
    weights = list(accumulate(1 / rank**exponent for rank in range(1, wallets + 1)))
    ranked = list(range(wallets))
    # Every process must find the same wallets popular, so this order does not depend on the seed.
    random.Random(wallets).shuffle(ranked)
    return lambda: rng.choices(ranked, cum_weights=weights)[0]
