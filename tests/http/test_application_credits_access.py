"""Application credits where authentication is on: who may read, credit and spend what."""

import time
from typing import Any

import pytest

from walletd.engine.commands import CreateAsset, CreateUser, Holding, transfer
from walletd.engine.identity import Holder, Scope

from .conftest import Client, Headers, Serve

USERS = "/api/v1/wallets/users"
BODY = {"amount": 5, "asset_type_id": 1}


async def guarded(serve: Serve) -> tuple[Client, Headers, Headers]:
    """A server that asks for credentials, and the logins of its users `ann` and `bob`, who hold 100.00 GOLD each."""
    client = await serve(authentication=True)
    engine = client.engine
    await engine.execute(CreateAsset(code="GOLD", id=1, aliases=("GOLD_COINS",)))
    logins = []
    for name in ("ann", "bob"):
        await engine.execute(CreateUser(external_id=name))
        await engine.execute(
            transfer(engine.ledger.asset("GOLD").treasury.id, Holding("GOLD", external_id=name), 10_000)
        )
        user = engine.ledger.find_user(name)
        now = time.time_ns() // 1_000
        token = await client.server._services.access.open_session(Holder(user.id, user.created_at), now, now + 10**9)
        logins.append({"Authorization": f"Bearer {token}"})
    return client, logins[0], logins[1]


async def key(client: Client, *scopes: Scope) -> Headers:
    """The credentials of an operator with these scopes."""
    _, secret = await client.server._services.access.create_key("key", scopes, time.time_ns() // 1_000)
    return {"Authorization": f"Bearer {secret}"}


async def test_without_credentials_nothing_is_open(serve: Serve) -> None:
    client, _, _ = await guarded(serve)

    answers = [await client.post(f"{USERS}/ann/{what}", BODY) for what in ("top-up", "bonus", "spend")]
    answers.append(await client.get(f"{USERS}/ann/balance?asset_type_id=1"))

    assert {(answer.status, answer.code) for answer in answers} == {(401, "unauthenticated")}


async def test_a_user_reads_and_spends_its_own_credits(serve: Serve) -> None:
    client, ann, _ = await guarded(serve)

    spent = await client.post(f"{USERS}/ann/spend", BODY, headers=ann)
    read = await client.get(f"{USERS}/ann/balance?asset_type_id=1", headers=ann)

    assert (spent.status, spent.json["new_balance"]) == (200, "95.00")
    assert (read.status, read.json["balance"]) == (200, "95.00")


@pytest.mark.parametrize("what", ["top-up", "bonus"])
async def test_a_user_cannot_give_itself_credits(serve: Serve, what: str) -> None:
    client, ann, _ = await guarded(serve)

    answer = await client.post(f"{USERS}/ann/{what}", BODY, headers=ann)

    assert (answer.status, answer.code) == (403, "forbidden")
    assert client.engine.ledger.wallets_of(1)[0].posted == 10_000


@pytest.mark.parametrize("name", ["bob", "nobody"])
async def test_other_names_are_forbidden_to_a_user_whether_somebody_has_them_or_not(serve: Serve, name: str) -> None:
    client, ann, _ = await guarded(serve)

    answers = [
        await client.get(f"{USERS}/{name}/balance?asset_type_id=1", headers=ann),
        await client.post(f"{USERS}/{name}/spend", BODY, headers=ann),
    ]

    assert {(answer.status, answer.code) for answer in answers} == {(403, "forbidden")}
    assert client.engine.ledger.wallets_of(2)[0].posted == 10_000


async def test_a_key_acts_within_its_scopes(serve: Serve) -> None:
    client, _, _ = await guarded(serve)

    async def statuses(*scopes: Scope) -> list[int]:
        headers = await key(client, *scopes)
        answers = [await client.get(f"{USERS}/ann/balance?asset_type_id=1", headers=headers)]
        answers += [
            await client.post(f"{USERS}/ann/{what}", BODY, headers=headers) for what in ("top-up", "bonus", "spend")
        ]
        return [answer.status for answer in answers]

    assert await statuses(Scope.READ) == [200, 403, 403, 403]
    assert await statuses(Scope.WRITE) == [403, 200, 200, 200]
    assert await statuses(Scope.ADMIN) == [403, 403, 403, 403]


async def test_callers_have_keys_of_their_own(serve: Serve) -> None:
    client, ann, _ = await guarded(serve)
    body: dict[str, Any] = {**BODY, "idempotency_key": "k"}

    by_user = await client.post(f"{USERS}/ann/spend", body, headers=ann)
    by_operator = await client.post(f"{USERS}/ann/spend", body, headers=await key(client, Scope.WRITE))

    assert (by_user.status, by_operator.status) == (200, 200)
    assert by_user.json["transaction_id"] != by_operator.json["transaction_id"]
