"""Workloads: the same seed gives the same requests, the skew is the one that was asked for, and nobody pays himself."""

import random
from collections import Counter

import pytest

from walletd.loadtest.dialects import TREASURY, V1, DigitalWallet
from walletd.loadtest.population import Population
from walletd.loadtest.requests import Address, post, with_key
from walletd.loadtest.workloads import WORKLOADS, Kind, pairs, script_of

ADDRESS = Address("127.0.0.1", 8000)
POPULATION = Population("v1", "USD", tuple(f"w{number}" for number in range(100)), "t", 1000)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_script_is_made_from_its_seed(name: str) -> None:
    one, same, other = (
        script_of(WORKLOADS[name], POPULATION, V1(), ADDRESS, seed=seed, read_share=0.5, length=200)
        for seed in (1, 1, 2)
    )
    assert one.requests == same.requests
    assert one.requests != other.requests
    assert len(one.requests) == len(one.kinds) == len(one.moves)


@pytest.mark.parametrize("name", WORKLOADS)
def test_source_and_destination_are_never_the_same(name: str) -> None:
    draw = pairs(name, 2, random.Random(1))
    assert all(source != destination for source, destination in (draw() for _ in range(200)))


def test_zipf_gives_the_most_popular_wallet_its_share() -> None:
    wallets, draws = 1000, 20_000
    harmonic = sum(1 / rank for rank in range(1, wallets + 1))
    draw = pairs("zipf1", wallets, random.Random(1))
    (_, most), (_, second) = Counter(draw()[0] for _ in range(draws)).most_common(2)
    assert abs(most / draws - 1 / harmonic) < 0.02
    assert abs(second / draws - 0.5 / harmonic) < 0.02


def test_every_process_finds_the_same_wallets_popular() -> None:
    popular = set()
    for seed in range(3):
        draw = pairs("zipf2", 1000, random.Random(seed))
        popular.add(Counter(draw()[0] for _ in range(500)).most_common(1)[0][0])
    assert len(popular) == 1


def test_the_hot_pair_pays_both_ways_and_the_treasury_only_gives() -> None:
    hot = pairs("hot", 100, random.Random(1))
    assert {hot() for _ in range(100)} == {(0, 1), (1, 0)}
    treasury = pairs("treasury", 100, random.Random(1))
    assert {treasury()[0] for _ in range(100)} == {TREASURY}


def test_reads_take_the_share_that_was_asked_for() -> None:
    script = script_of(WORKLOADS["mixed"], POPULATION, V1(), ADDRESS, seed=1, read_share=0.25, length=4000)
    reads = sum(kind in (Kind.BALANCE, Kind.HISTORY) for kind in script.kinds)
    assert abs(reads / 4000 - 0.25) < 0.03
    assert all(
        (kind in (Kind.BALANCE, Kind.HISTORY)) == (not moves)
        for kind, moves in zip(script.kinds, script.moves, strict=True)
    )


def test_a_request_is_what_the_contract_says() -> None:
    assert V1().transfer(ADDRESS, "a", "b", 7) == (
        b"POST /v1/transfers HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\nContent-Length: 43\r\n\r\n"
        b'{"source":"a","destination":"b","amount":7}'
    )
    assert (
        DigitalWallet()
        .transfer(ADDRESS, "1", "2", 1050)
        .endswith(b'{"sender_user_id":1,"recipient_user_id":2,"amount":10.5}')
    )


def test_a_key_can_be_added_to_a_request() -> None:
    assert with_key(post(ADDRESS, "/x", {}), "k") == post(ADDRESS, "/x", {}, "k")
