"""Laws of the digital wallet where authentication is on: who may register, read, move and see what."""

import time
from typing import Any

from walletd.engine.commands import CreateAsset, CreateUser, Holding, transfer
from walletd.engine.identity import Holder, Scope

from .conftest import Client, Headers, Serve


async def guarded(serve: Serve) -> tuple[Client, Headers, Headers]:
    """A server that asks for credentials, whose users 1 and 2 hold 100.00 each, and their logins."""
    client = await serve(authentication=True)
    await client.engine.execute(CreateAsset(code="USD"))
    treasury = client.engine.ledger.asset("USD").treasury.id
    for user in (1, 2):
        await client.engine.execute(CreateUser(username=f"user_{user}", wallet_asset="USD"))
        await client.engine.execute(transfer(treasury, Holding("USD", user_id=user), 10_000))
    return client, await login(client, 1), await login(client, 2)


def now() -> int:
    return time.time_ns() // 1_000


async def login(client: Client, user: int) -> Headers:
    holder = Holder(user, client.engine.ledger.user(user).created_at)
    token = await client.server._services.access.open_session(holder, now(), now() + 10**9)
    return {"Authorization": f"Bearer {token}"}


async def key(client: Client, *scopes: Scope) -> Headers:
    _, secret = await client.server._services.access.create_key("key", scopes, now())
    return {"Authorization": f"Bearer {secret}"}


MONEY = {"amount": 1}
CREDIT = {"user_id": 1, "transaction_type": "CREDIT", "amount": 1}
TRANSFER = {"sender_user_id": 1, "recipient_user_id": 2, "amount": 1}

READS = ["/users/1", "/wallet/1/balance", "/transactions/1", "/transactions/detail/2", "/transfer/3"]
WRITES: list[tuple[str, str, Any]] = [
    ("PUT", "/users/1", {"phone_number": "1"}),
    ("POST", "/wallet/1/add-money", MONEY),
    ("POST", "/wallet/1/withdraw", MONEY),
    ("POST", "/transactions", CREDIT),
    ("POST", "/transfer", TRANSFER),
]


async def test_without_credentials_only_registration_is_open(serve: Serve) -> None:
    client, _, _ = await guarded(serve)
    for method, path, body in [*(("GET", path, None) for path in READS), *WRITES]:
        answer = await client.send(method, path, body)
        assert (path, answer.status, answer.code) == (path, 401, "unauthenticated")
        assert answer.json["error"] == answer.json["title"]
        assert "WWW-Authenticate" in answer.headers
    body = {"username": "new", "email": "new@example.com", "password": "password123"}
    assert (await client.post("/users", body)).status == 201


async def test_a_user_reads_and_sends_its_own(serve: Serve) -> None:
    client, ann, bob = await guarded(serve)
    made = await client.post("/transfer", TRANSFER, headers=ann)
    assert (made.status, made.json["sender_new_balance"], made.json["recipient_new_balance"]) == (201, 99, None)
    for path in READS:
        assert (await client.get(path, headers=ann)).status == 200
    assert (await client.send("PUT", "/users/1", {"phone_number": "1"}, headers=ann)).status == 200
    assert (await client.get("/transfer/3", headers=bob)).status == 200
    theirs = made.json["recipient_transaction_id"]
    assert (await client.get(f"/transactions/detail/{theirs}", headers=bob)).json["recipient_user_id"] == 1


async def test_a_user_reads_and_moves_nothing_of_another(serve: Serve) -> None:
    client, ann, bob = await guarded(serve)
    await client.post("/transfer", TRANSFER, headers=ann)
    await client.engine.execute(CreateUser(wallet_asset="USD"))
    stranger = await login(client, 3)
    before = client.engine.ledger.seq
    for method, path, body in [*(("GET", path, None) for path in READS), *WRITES]:
        answer = await client.send(method, path, body, headers=stranger)
        assert (path, answer.status) in [(path, 403), (path, 404)]
    for path in READS[:4]:
        assert (await client.get(path, headers=bob)).status in (403, 404)
    unknown = await client.get("/users/999", headers=ann)
    assert (unknown.status, unknown.code) == (403, "forbidden")
    assert client.engine.ledger.seq == before


async def test_a_user_can_neither_credit_nor_debit_itself_from_outside(serve: Serve) -> None:
    client, ann, _ = await guarded(serve)
    before = client.engine.ledger.seq
    for method, path, body in WRITES[1:4]:
        answer = await client.send(method, path, body, headers=ann)
        assert (path, answer.status, answer.code) == (path, 403, "forbidden")
    assert client.engine.ledger.seq == before


async def test_a_key_acts_within_its_scopes(serve: Serve) -> None:
    client, _, _ = await guarded(serve)
    reader, writer = await key(client, Scope.READ), await key(client, Scope.WRITE)
    for method, path, body in WRITES:
        assert (await client.send(method, path, body, headers=reader)).status == 403
        answer = await client.send(method, path, body, headers=writer)
        assert (path, answer.status) in [(path, 200), (path, 201)]
    for path in READS[:4]:
        assert (await client.get(path, headers=writer)).status == 403
        assert (await client.get(path, headers=reader)).status == 200


async def test_an_idempotency_key_belongs_to_its_caller(serve: Serve) -> None:
    client, ann, bob = await guarded(serve)
    first = await client.post("/transfer", TRANSFER, headers={**ann, "Idempotency-Key": "k"})
    again = await client.post("/transfer", TRANSFER, headers={**ann, "Idempotency-Key": "k"})
    back = {"sender_user_id": 2, "recipient_user_id": 1, "amount": 1}
    other = await client.post("/transfer", back, headers={**bob, "Idempotency-Key": "k"})
    assert (first.status, again.body, again.headers["Idempotency-Replayed"]) == (201, first.body, "true")
    assert (other.status, "Idempotency-Replayed" in other.headers) == (201, False)
