"""Laws of problems: the table is total, every code has its page, nothing internal leaks."""

import logging
from typing import Any

import pytest

from walletd.engine.refusals import RefusalCode
from walletd.http.amounts import decimal_number
from walletd.http.problem import ADVICE, STATUS, Dialect, HttpCode, HttpFault, problem_body, problem_of

from .conftest import Client, Serve


def test_every_code_has_a_status_and_advice() -> None:
    assert set(STATUS) == set(ADVICE) == {*map(str, RefusalCode), *map(str, HttpCode)}
    assert all(400 <= status <= 599 for status in STATUS.values())


@pytest.mark.parametrize("code", sorted(STATUS))
async def test_every_code_has_its_page(client: Client, code: str) -> None:
    answer = await client.get(f"/problems/{code}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert code in answer.body.decode()


async def test_an_unknown_code_has_no_page(client: Client) -> None:
    answer = await client.get("/problems/nothing_of_the_kind")
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_problem_has_all_its_members(client: Client) -> None:
    answer = await client.get("/v1/users/99?", headers={"X-Request-Id": "abc-1"})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json == {
        "type": "/problems/user_not_found",
        "title": "User not found",
        "status": 404,
        "detail": "There is no user 99.",
        "instance": "/v1/users/99",
        "code": "user_not_found",
        "request_id": "abc-1",
    }


async def test_a_bug_tells_nothing_of_the_inside(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(number: int) -> Any:
        raise RuntimeError("secret of the inside")

    client.engine.transaction = broken  # type: ignore[method-assign]
    with caplog.at_level(logging.CRITICAL, "walletd.http"):
        answer = await client.get("/v1/transactions/txn_1")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body
    assert b"RuntimeError" not in answer.body
    assert answer.headers["X-Request-Id"] == answer.json["request_id"]


def test_a_dialect_overlays_statuses_amounts_and_members() -> None:
    dialect = Dialect("x", {HttpCode.NOT_FOUND: 400}, decimal_number, lambda problem, fault: {"error": problem.title})
    fault = HttpFault(HttpCode.NOT_FOUND, "Gone.")
    problem = problem_of(dialect, fault, "/x", "1")
    assert problem.status == 400
    assert b'"error":"Not found"' in problem_body(dialect, problem, fault)
    assert dialect.status(HttpCode.RATE_LIMITED) == 429


async def test_an_overloaded_server_says_when_to_come_back(serve: Serve) -> None:
    client = await serve(in_flight_max=0)
    answer = await client.get("/v1/users")
    assert (answer.status, answer.code) == (503, "overloaded")
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await client.get("/livez")).status == 200
