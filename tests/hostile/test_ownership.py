"""Laws of ownership, for every operation that there is: the list is read from the routes, so a new one is held to them, or has to be named here.

A user with a good token sends each of them about somebody else, then about itself; nobody, and holders of forged tokens, send all of them.
"""

import base64
import hashlib
import hmac
import json
import secrets

import pytest

from .attack import check_documented
from .conftest import Town
from .operations import Operation, every
from .people import books
from .raw import asked
from .target import PASSWORD

ANSWERED_THOUGH_FOREIGN = {
    "asset_get": "assets are everybody's to read",
    "asset_list": "assets are everybody's to read",
    "credit_logout": "it names nobody: the token's own login ends",
    "credit_transfer_balance": "it names nobody: the token's own balance",
    "credit_transfer_create": "it names the payee alone, which is the sender itself here, and so refused otherwise",
    "transfer_batch": "each of its items is refused by itself",
    "wallet_list": "it names nobody: the token's own wallets",
}
"""Operations that a user may send with another user's names in them, and why that is no harm."""

USERS_MAY = ANSWERED_THOUGH_FOREIGN.keys() | {
    "application_credits_balance",
    "application_credits_spend",
    "credit_transfer_receipt",
    "digital_wallet_balance",
    "digital_wallet_transaction_get",
    "digital_wallet_transactions",
    "digital_wallet_transfer_create",
    "digital_wallet_transfer_get",
    "digital_wallet_user_get",
    "digital_wallet_user_update",
    "entry_list",
    "internal_wallet_accounts",
    "internal_wallet_balance",
    "internal_wallet_spend",
    "internal_wallet_transaction",
    "internal_wallet_transactions",
    "transaction_create",
    "transaction_get",
    "transfer_create",
    "transfer_get",
    "user_get",
    "user_update",
    "wallet_get",
    "wallet_service_create",
    "wallet_service_get",
    "wallet_service_transactions",
    "wallet_service_transfer",
}
"""Operations that are for users too, about themselves; every other is for operators."""

GUARDED = [operation for operation in every() if not operation.endpoint.public]


def named(operation: Operation) -> str:
    return f"{operation.endpoint.method} {operation.route}"


def test_the_lists_of_exceptions_name_operations_that_there_are() -> None:
    assert {operation.name for operation in GUARDED} >= USERS_MAY


@pytest.mark.parametrize("method", ["", "HEAD"])
def test_whatever_is_anothers_is_refused_or_does_not_exist_on_every_path(town: Town, method: str) -> None:
    before = books(town.target)
    for operation in GUARDED:
        if operation.name == "credit_logout" or (method and operation.endpoint.method != "GET"):
            continue
        data = operation.bytes(town.ann, town.mallory, f"Token {town.mallory.token}", method=method)
        answer = asked(town.target.address, data, to_head=method == "HEAD")
        if operation.name not in ANSWERED_THOUGH_FOREIGN:
            assert answer.status in (403, 404), (named(operation), answer)
        assert not any(mark in answer.head + answer.body for mark in town.ann.marks), (named(operation), answer)
        assert answer.code != "internal_error"
    assert books(town.target) == before


def test_what_is_for_operators_is_forbidden_to_users_on_every_path(town: Town) -> None:
    for operation in GUARDED:
        if operation.name == "credit_logout":
            continue
        data = operation.bytes(town.mallory, town.ann, f"Token {town.mallory.token}")
        answer = asked(town.target.address, data)
        if operation.name in USERS_MAY:
            assert answer.status not in (401, 403), (named(operation), answer)
        else:
            assert (answer.status, answer.code) == (403, "forbidden"), (named(operation), answer)


def test_without_credentials_no_path_is_open_but_those_that_say_so(town: Town) -> None:
    before = books(town.target)
    for operation in GUARDED:
        answer = asked(town.target.address, operation.bytes(town.ann, town.mallory, ""))
        check_documented(operation.endpoint.method, operation.path(town.ann), answer)
        assert (answer.status, answer.code) == (401, "unauthenticated"), (named(operation), answer)
        assert "www-authenticate" in answer.headers, named(operation)
    assert books(town.target) == before


def _json_web_token(key: bytes, algorithm: str) -> str:
    def part(text: bytes) -> bytes:
        return base64.urlsafe_b64encode(text).rstrip(b"=")

    head = part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    text = head + b"." + part(b'{"sub":"1","scope":"admin","admin":true}')
    mark = b"" if algorithm == "none" else part(hmac.digest(key, text, hashlib.sha256))
    return (text + b"." + mark).decode()


def forgeries(town: Town) -> list[str]:
    """Authorization headers that nobody was given."""
    token, key = town.mallory.token, town.target.operator.removeprefix("Bearer ")
    basic = base64.b64encode(f"mallory:{PASSWORD}".encode()).decode()
    return [
        "Token",
        "Bearer ",
        f"Token {token[:-1]}",
        f"Token {token}x",
        f"Token {token[:-1]}{'A' if token[-1] != 'A' else 'B'}",
        f"Token {token.swapcase()}",
        f"Token wdk_{token[4:]}",
        f"Bearer wdt_{key[4:]}",
        f"Bearer {key[:12]}",
        f"Bearer wdk_{secrets.token_urlsafe(32)}",
        f"Bearer {_json_web_token(b'', 'none')}",
        f"Bearer {_json_web_token(b'secret', 'HS256')}",
        f"Token {token} {token}",
        f"Token {token},Bearer {key[:20]}",
        f"Token '{token}' OR 1=1--",
        f"Token {'a' * 7_000}",
        "Token é\udcff",
        f"Digest {token}",
        f"Basic {basic}",
        "Basic " + base64.b64encode(b"operator:").decode(),
        "Basic ====",
        "Bearer null",
        "Bearer undefined",
        "Bearer 0",
        f"{token}",
    ]


def test_forged_credentials_open_nothing(town: Town) -> None:
    for number, forged in enumerate(forgeries(town)):
        for path in ("/v1/wallets", "/v1/events", f"/users/{town.ann.user_id}", "/metrics"):
            data = f"GET {path} HTTP/1.1\r\nHost: w\r\nConnection: close\r\nAuthorization: {forged}\r\n\r\n"
            answer = asked(town.target.address, data.encode("utf-8", "surrogateescape"))
            assert answer.status in (400, 401, 429), (number, answer)
            assert not any(mark in answer.body for mark in town.ann.marks)


def test_two_authorizations_are_none(town: Town) -> None:
    lines = f"Authorization: Token {town.mallory.token}\r\nAuthorization: {town.target.operator}\r\n"
    for order in (lines, "".join(reversed(lines.splitlines(keepends=True)))):
        data = f"GET /v1/users HTTP/1.1\r\nHost: w\r\nConnection: close\r\n{order}\r\n".encode()
        assert asked(town.target.address, data).status == 401


def test_a_token_in_the_query_or_the_body_or_another_header_is_none(town: Town) -> None:
    key = town.target.operator.removeprefix("Bearer ")
    for lines in (f"X-Api-Key: {key}", f"Cookie: token={key}", f"Proxy-Authorization: Bearer {key}", "X-User-Id: 1"):
        data = f"GET /v1/users?access_token={key} HTTP/1.1\r\nHost: w\r\nConnection: close\r\n{lines}\r\n\r\n"
        assert asked(town.target.address, data.encode()).status == 401
