"""Laws of mass assignment: members that a caller has no business with change nothing, whichever operation they are sent to."""

import json
from typing import Any

import pytest

from .attack import check_documented
from .conftest import Town
from .operations import Operation, every
from .people import last_sequence
from .raw import asked

EXTRAS: dict[str, Any] = {
    "balance": 10**9,
    "posted": "1000000000",
    "available": 10**9,
    "amount_minor": 10**9,
    "new_balance": 10**9,
    "fee": -1000,
    "role": "admin",
    "roles": ["admin"],
    "is_admin": True,
    "isAdmin": True,
    "scopes": ["read", "write", "admin"],
    "status": "completed",
    "treasury": True,
    "is_treasury": True,
    "created_at": "1970-01-01T00:00:00Z",
    "version": 0,
    "held": 0,
    "password_hash": "x",
    "sequence": 1,
    "__proto__": {"is_admin": True},
}
"""What many a program has taken from a body because its model has it."""

TAKING = [operation for operation in every() if operation.takes_body and operation.name != "credit_login"]


@pytest.fixture(scope="module")
def answers(town: Town) -> list[tuple[Operation, Any, list[dict[str, Any]]]]:
    """Each operation sent by the operator with all extras in its body: the answer, and what was recorded of it."""
    found = []
    for operation in TAKING:
        before = last_sequence(town.target)
        body = {**EXTRAS, **(operation.body(town.mallory, town.ann) or {})}
        always = operation.endpoint.always_authenticated
        authorization = f"Token {town.mallory.token}" if always else town.target.operator
        answer = asked(town.target.address, operation.bytes(town.mallory, town.ann, authorization, body))
        check_documented(operation.endpoint.method, operation.path(town.mallory), answer)
        found.append((operation, answer, town.target.get(f"/v1/events?after={before}")["data"]))
    return found


def test_the_native_api_refuses_members_that_it_does_not_have(answers: list[Any]) -> None:
    for operation, answer, events in answers:
        if operation.route.startswith("/v1/"):
            assert (answer.status, answer.code) == (422, "invalid_request"), (operation.name, answer)
            pointers = {error["pointer"] for error in answer.json["errors"]}
            assert {"/balance", "/role", "/is_admin"} <= pointers
            assert events == [], operation.name


def test_what_the_other_apis_ignore_is_in_no_record_and_no_answer(answers: list[Any]) -> None:
    taken = [found for found in answers if not found[0].route.startswith("/v1/")]
    assert any(answer.status < 300 for _, answer, _ in taken)
    for operation, answer, events in taken:
        recorded = json.dumps(events)
        for word in ("admin", 'treasury": true', "password_hash", "1970-01-01", "scopes", "1000000000"):
            assert word not in recorded, (operation.name, word)
            assert word not in answer.body.decode() or answer.status >= 400, (operation.name, word)


def test_a_movement_moves_the_amount_that_it_names_and_nothing_else(town: Town, answers: list[Any]) -> None:
    moved = 0
    for operation, answer, events in answers:
        amount = (operation.body(town.mallory, town.ann) or {}).get("amount", 0)
        for transaction in (transaction for event in events for transaction in event.get("transactions", ())):
            minor = {abs(int(leg["amount"])) for leg in transaction["legs"]}
            assert answer.status < 300
            assert minor == {round(float(amount) * 100)}, (operation.name, amount, minor)
            moved += 1
    assert moved >= 5


def test_a_user_that_calls_itself_an_operator_is_none(town: Town) -> None:
    body = {**EXTRAS, "username": "would-be", "email": "would-be@example.com", "password": "correct horse"}
    (register,) = (operation for operation in TAKING if operation.name == "digital_wallet_user_create")
    answer = asked(town.target.address, register.bytes(town.mallory, town.ann, "", body))
    assert answer.status == 201, answer
    wallets = town.target.get(f"/v1/wallets?user_id={answer.json['user_id']}")["data"]
    assert [wallet["posted"] for wallet in wallets] == ["0"]
    token = town.target.post("/api/auth/login", {"username": "would-be", "password": "correct horse"})["token"]
    for operation in every():
        if operation.name in ("user_list", "event_list", "metrics", "asset_create", "internal_wallet_users"):
            data = operation.bytes(town.mallory, town.ann, f"Token {token}")
            assert asked(town.target.address, data).status == 403, operation.name
