"""Hundreds at once: debits of one wallet, and more requests in flight than the server takes."""

import json
from contextlib import ExitStack
from random import Random
from typing import Final

from .raw import Answer, Connection, request
from .target import Target

AT_ONCE: Final = 300
AFFORDED: Final = 100
"""Debits of one that the wallet has money for."""


def at_once(target: Target, requests: list[bytes]) -> list[Answer]:
    """The answers to requests that are all there before the first answer is read, each on a connection of its own."""
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(target.address)) for _ in requests]
        for connection, data in zip(connections, requests, strict=True):
            connection.send(data)
        answers = [connection.answer() for connection in connections]
    assert None not in answers
    return [answer for answer in answers if answer is not None]


def turned_away(target: Target) -> int:
    """How many of hundreds of debits at once are refused because there are too many."""
    body = json.dumps({"source": target.wallet(AFFORDED), "destination": target.wallet(0), "amount": 1}).encode()
    answers = at_once(target, [request("POST", "/v1/transfers", body, close=False)] * AT_ONCE)
    return [answer.code for answer in answers if answer.status == 503].count("overloaded")


def debits_of_one_wallet(target: Target, chance: Random) -> int:
    """More debits at once than there is money: as many as there is money for are done, the others are refused, and none is in between."""
    source, destination = target.wallet(AFFORDED), target.wallet(0)
    body = json.dumps({"source": source, "destination": destination, "amount": 1}).encode()
    answers = at_once(target, [request("POST", "/v1/transfers", body, close=False)] * AT_ONCE)
    told = [(answer.status, answer.code) for answer in answers]
    paid = told.count((201, ""))
    assert set(told) <= {(201, ""), (422, "insufficient_balance"), (503, "overloaded")}, set(told)
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 503)
    assert (target.posted(source), target.posted(destination)) == (AFFORDED - paid, paid)
    assert paid == AFFORDED or (503, "overloaded") in told
    return AT_ONCE


def one_key_many_times(target: Target, chance: Random) -> int:
    """One debit sent hundreds of times at once with one key: done once, and every answer tells of that one."""
    source, destination = target.wallet(AFFORDED), target.wallet(0)
    body = json.dumps({"source": source, "destination": destination, "amount": 1}).encode()
    key = {"Idempotency-Key": f"flood-{chance.getrandbits(64):x}"}
    answers = at_once(target, [request("POST", "/v1/transfers", body, key, close=False)] * AT_ONCE)
    assert {answer.status for answer in answers} <= {201, 503}, answers
    assert len({answer.json["id"] for answer in answers if answer.status == 201}) == 1
    assert target.posted(destination) == 1
    return AT_ONCE


def batches_of_everything(target: Target, chance: Random) -> int:
    """Batches as large as a body may be, all of debits that one wallet cannot pay."""
    source, destination = target.wallet(1), target.wallet(0)
    item = {"source": source, "destination": destination, "amount": 2}
    body = json.dumps({"transfers": [item] * 450}).encode()
    answers = at_once(target, [request("POST", "/v1/transfers/batch", body, close=False)] * 20)
    assert all(answer.status in (200, 503) for answer in answers), answers
    assert target.posted(destination) == 0
    return 450 * 20
