"""Laws of the wallet service where authentication is on: who may open, read and move what."""

import time
from typing import Any

from walletd.engine.commands import CreateAsset, CreateUser, Holding, transfer
from walletd.engine.identity import Holder, Scope

from .conftest import Client, Headers, Serve

Wallets = tuple[str, str]


async def guarded(serve: Serve) -> tuple[Client, Wallets, list[Headers]]:
    """A server that asks for credentials, the wallets of its users `ann` and `bob`, which hold 100.00 each, and their logins."""
    client = await serve(authentication=True)
    await client.engine.execute(CreateAsset(code="USD"))
    ledger = client.engine.ledger
    logins, wallets = [], []
    for name in ("ann", "bob"):
        await client.engine.execute(CreateUser(external_id=name, wallet_asset="USD"))
        await client.engine.execute(transfer(ledger.asset("USD").treasury.id, Holding("USD", external_id=name), 10_000))
        user = ledger.find_user(name)
        now = time.time_ns() // 1_000
        token = await client.server._services.access.open_session(Holder(user.id, user.created_at), now, now + 10**9)
        logins.append({"Authorization": f"Token {token}"})
        wallets.append(ledger.wallets_of(user.id)[0].id)
    return client, (wallets[0], wallets[1]), logins


async def key(client: Client, *scopes: Scope) -> Headers:
    _, secret = await client.server._services.access.create_key("key", scopes, time.time_ns() // 1_000)
    return {"Authorization": f"Bearer {secret}"}


def writes(wallets: Wallets) -> list[tuple[str, Any]]:
    return [
        ("/wallet/create", {"userId": "zoe"}),
        ("/wallet/add", {"walletId": wallets[0], "amount": 1}),
        ("/wallet/deduct", {"walletId": wallets[0], "amount": 1}),
        ("/wallet/transfer", {"fromWalletId": wallets[0], "toWalletId": wallets[1], "amount": 1}),
    ]


async def test_without_credentials_nothing_is_open(serve: Serve) -> None:
    client, wallets, _ = await guarded(serve)
    answers = [await client.post(path, body) for path, body in writes(wallets)]
    answers += [await client.get(f"/wallet/{wallets[0]}"), await client.get(f"/wallet/{wallets[0]}/transactions")]
    for answer in answers:
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert (answer.json["error"], answer.json["message"]) == (answer.json["title"], answer.json["detail"])


async def test_a_user_reads_and_spends_its_own_and_is_told_no_other_balance(serve: Serve) -> None:
    client, wallets, (ann, bob) = await guarded(serve)
    path, body = writes(wallets)[3]
    made = await client.post(path, body, headers=ann)
    assert (made.status, made.json["debit"]["balanceAfter"], made.json["credit"]["balanceAfter"]) == (201, 99, None)
    for login, wallet, balance in [(ann, wallets[0], 99), (bob, wallets[1], 101)]:
        assert (await client.get(f"/wallet/{wallet}", headers=login)).json["balance"] == balance
        rows = (await client.get(f"/wallet/{wallet}/transactions", headers=login)).json["transactions"]
        assert rows[0]["balanceAfter"] == balance
    again = await client.post("/wallet/create", {"userId": "ann"}, headers=ann)
    assert (again.status, again.json["walletId"]) == (409, wallets[0])


async def test_another_users_wallet_is_as_if_it_did_not_exist(serve: Serve) -> None:
    client, wallets, (_, bob) = await guarded(serve)
    before = client.engine.ledger.seq
    path, body = writes(wallets)[3]
    answers = [
        await client.get(f"/wallet/{wallets[0]}", headers=bob),
        await client.get(f"/wallet/{wallets[0]}/transactions", headers=bob),
        await client.post(path, body, headers=bob),
    ]
    for answer in answers:
        assert (answer.status, answer.code) == (404, "wallet_not_found")
        assert answer.json["message"] == f"There is no wallet '{wallets[0]}'."
    assert client.engine.ledger.seq == before


async def test_a_user_makes_no_users_and_no_money(serve: Serve) -> None:
    client, wallets, (ann, _) = await guarded(serve)
    before = client.engine.ledger.seq
    for path, body in [*writes(wallets)[:3], ("/wallet/create", {"userId": "bob"})]:
        answer = await client.post(path, body, headers=ann)
        assert (path, answer.status, answer.code) == (path, 403, "forbidden")
        assert "walletId" not in answer.json
    assert client.engine.ledger.seq == before


async def test_a_key_acts_within_its_scopes(serve: Serve) -> None:
    client, wallets, _ = await guarded(serve)
    reader, writer = await key(client, Scope.READ), await key(client, Scope.WRITE)
    for path, body in writes(wallets):
        assert (path, (await client.post(path, body, headers=reader)).status) == (path, 403)
        assert (path, (await client.post(path, body, headers=writer)).status) == (path, 201)
    for path in (f"/wallet/{wallets[0]}", f"/wallet/{wallets[0]}/transactions"):
        assert (await client.get(path, headers=writer)).status == 403
        assert (await client.get(path, headers=reader)).status == 200
