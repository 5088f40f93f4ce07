"""Laws under attack: each attack gets the answers that are documented, others are served with right ones, memory is bounded, and money conserved."""

from random import Random

import pytest

from walletd.engine.limits import MAILBOX_DEPTH_MAX

from . import floods, framing, injection, mutation
from .attack import Attack, suffered, unharmed
from .attacks import ATTACKS
from .bystander import Bystander
from .conftest import Start
from .people import POOR_MINOR, settle
from .raw import Connection, asked, request
from .target import Target

MUTATED_S = 0.5


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_answered_as_documented_and_others_are_served(
    target: Target, bystander: Bystander, chance: Random, attack: Attack
) -> None:
    assert suffered(target, attack, chance, bystander).inputs > 0


def test_requests_broken_at_random_break_nothing(target: Target, chance: Random) -> None:
    payee = target.wallet(0)
    ann, bob = settle(target, "mutated-a", POOR_MINOR, payee), settle(target, "mutated-b", POOR_MINOR, payee)
    with unharmed(target):
        tally, found = mutation.fuzz(target, chance, mutation.originals(ann, bob), MUTATED_S)
    assert not found, found[0]
    assert tally.inputs > 0
    assert tally.statuses[400] > 0
    assert target.get("/v1/assets/USD")["active"] is True


def test_a_request_ends_in_one_place_to_the_other_parser_too(pure: Target, chance: Random) -> None:
    with unharmed(pure):
        for name, answers in framing.answered(pure.address, chance).items():
            # The two parsers differ in what they take, never in where it ends: what is refused ends the connection.
            statuses = [answer.status for answer in answers]
            assert statuses[1:] in ([], [404]), (name, answers)
            assert not any(status >= 500 for status in statuses), (name, answers)
            assert len(statuses) < 2 or 404 in framing.SHAPES[name].statuses or name in framing.TAKEN_BY_PURE, (
                name,
                answers,
            )


@pytest.mark.parametrize("rest", [b"zz\r\n{}\r\n", b"-2\r\n{}\r\n", b"2\r\n{}XX0\r\n\r\n"])
def test_chunks_that_break_on_their_way_are_refused_at_once_by_either_parser(
    target: Target, pure: Target, rest: bytes
) -> None:
    head = b"POST /v1/users HTTP/1.1\r\nHost: walletd\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for each in (target, pure):
        with unharmed(each), Connection(each.address, 10.0) as connection:  # a body has fifteen seconds
            connection.send(head)
            assert asked(each.address, request("GET", "/livez")).status == 200
            connection.send(rest)
            answer = connection.answer()
            assert answer is not None
            assert (answer.status, answer.code) == (400, "malformed_request")


def test_bytes_that_are_no_utf8_are_refused_by_either_parser(target: Target, pure: Target) -> None:
    for each in (target, pure):
        with unharmed(each):
            for path in (b"/v1/users?\xff=1", b"/v1/users/\xff", b"/v1/users?limit=\xff", b"/\xff"):
                answer = asked(each.address, request("GET", path))
                assert answer.status in (400, 404, 422), answer


def test_requests_past_the_bound_are_turned_away_and_come_in_later(started: Start, chance: Random) -> None:
    target = started(in_flight_max=2)
    wallet = target.wallet(floods.AFFORDED)
    with unharmed(target):
        assert floods.turned_away(target) > 0
        floods.debits_of_one_wallet(target, chance)
        floods.one_key_many_times(target, chance)
    assert target.posted(wallet) == floods.AFFORDED
    assert MAILBOX_DEPTH_MAX > floods.AT_ONCE, "else some of these would have been refused for their wallet's mailbox"


def test_each_request_is_one_line_of_the_log_whatever_it_is_called(target: Target) -> None:
    injection.log_lines(target)


def test_heads_of_other_methods_and_hosts_are_not_reflected(target: Target) -> None:
    for line in (b"Host: evil.example", b"X-Forwarded-Host: evil.example", b"Forwarded: host=evil.example;proto=https"):
        host = b"" if line.startswith(b"Host") else b"Host: w\r\n"
        for method in (b"GET", b"POST", b"OPTIONS", b"TRACE", b"DELETE", b"CONNECT"):
            data = b"%b /v1/users HTTP/1.1\r\n%b%b\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
            answer = asked(target.address, data % (method, host, line))
            assert b"evil" not in answer.head + answer.body, answer
            assert answer.status < 500
