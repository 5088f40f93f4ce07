"""The internal wallet service where authentication is on: who may read, make, credit and spend what."""

from typing import Any

import pytest

from walletd.engine.commands import Holding, Move, transfer
from walletd.engine.identity import Scope

from .conftest import Client, Serve
from .test_application_credits_access import guarded, key

TRANSACTIONS = "/api/v1/transactions"
WALLETS = "/api/v1/wallets"


def body(user: str, **members: Any) -> dict[str, Any]:
    return {"user_id": user, "asset_type": "GOLD", "amount": 5, "idempotency_key": "k", **members}


async def pay(client: Client, source: str, destination: str, amount: int) -> int:
    """The number of a transfer between two users."""
    move = transfer(Holding("GOLD", external_id=source), Holding("GOLD", external_id=destination), amount)
    return (await client.engine.execute(move)).transactions[0].id


async def test_without_credentials_nothing_but_health_is_open(serve: Serve) -> None:
    client, _, _ = await guarded(serve)

    answers = [await client.post(f"{TRANSACTIONS}/{what}", body("ann")) for what in ("topup", "bonus", "spend")]
    answers.append(await client.post("/api/v1/users", {"user_id": "zoe"}))
    paths = (
        f"{TRANSACTIONS}/txn_1", f"{WALLETS}/ann/balance", f"{WALLETS}/ann/transactions", "/api/v1/users",
        "/api/v1/users/ann/accounts",
    )  # fmt: skip
    answers += [await client.get(path) for path in paths]

    assert {(answer.status, answer.code) for answer in answers} == {(401, "unauthenticated")}
    assert (await client.get("/health")).status == 200


async def test_a_user_reads_and_spends_its_own(serve: Serve) -> None:
    client, ann, _ = await guarded(serve)

    spent = await client.post(f"{TRANSACTIONS}/spend", body("ann"), headers=ann)
    reads = [
        await client.get(path, headers=ann)
        for path in (
            f"{WALLETS}/ann/balance", f"{WALLETS}/ann/transactions", "/api/v1/users/ann/accounts",
            spent.headers["Location"],
        )
    ]  # fmt: skip

    assert spent.status == 201
    assert [answer.status for answer in reads] == [200] * 4
    assert reads[0].json["balances"][0]["balance"] == "95.00"
    assert reads[1].json[0] == reads[3].json == spent.json


async def test_a_user_is_told_no_balance_but_its_own(serve: Serve) -> None:
    client, ann, bob = await guarded(serve)
    number = await pay(client, "ann", "bob", 1_000)

    told = [(await client.get(f"{TRANSACTIONS}/txn_{number}", headers=login)).json for login in (ann, bob)]

    assert [transaction["user_id"] for transaction in told] == ["ann", "bob"]
    assert [[entry["balance_after"] for entry in each["ledger_entries"]] for each in told] == [
        ["90.00", None],
        [None, "110.00"],
    ]


async def test_a_user_among_many_payees_is_told_its_own_side_only(serve: Serve) -> None:
    client, ann, _ = await guarded(serve)
    treasury = client.engine.ledger.asset("GOLD").treasury.id
    legs = ((treasury, -300), (Holding("GOLD", external_id="ann"), 100), (Holding("GOLD", external_id="bob"), 200))
    number = (await client.engine.execute(Move(legs=legs))).transactions[0].id

    told = await client.get(f"{TRANSACTIONS}/txn_{number}", headers=ann)
    all_told = await client.get(f"{TRANSACTIONS}/txn_{number}", headers=await key(client, Scope.READ))

    assert (told.json["user_id"], told.json["amount"]) == ("ann", "1.00")
    assert [entry["amount"] for entry in told.json["ledger_entries"]] == ["1.00"]
    assert [entry["amount"] for entry in all_told.json["ledger_entries"]] == ["3.00", "1.00", "2.00"]


@pytest.mark.parametrize("what", ["topup", "bonus"])
async def test_a_user_cannot_give_itself_credits(serve: Serve, what: str) -> None:
    client, ann, _ = await guarded(serve)

    answer = await client.post(f"{TRANSACTIONS}/{what}", body("ann"), headers=ann)

    assert (answer.status, answer.code) == (403, "forbidden")
    assert client.engine.ledger.wallets_of(1)[0].posted == 10_000


@pytest.mark.parametrize("name", ["bob", "nobody"])
async def test_other_names_are_forbidden_to_a_user_whether_somebody_has_them_or_not(serve: Serve, name: str) -> None:
    client, ann, _ = await guarded(serve)

    answers = [
        await client.get(path, headers=ann)
        for path in (f"{WALLETS}/{name}/balance", f"{WALLETS}/{name}/transactions", f"/api/v1/users/{name}/accounts")
    ]
    answers.append(await client.post(f"{TRANSACTIONS}/spend", body(name), headers=ann))

    assert {(answer.status, answer.code) for answer in answers} == {(403, "forbidden")}
    assert client.engine.ledger.wallets_of(2)[0].posted == 10_000


async def test_the_transactions_of_others_are_as_if_they_did_not_exist(serve: Serve) -> None:
    client, ann, bob = await guarded(serve)
    of_ann = await client.get(f"{TRANSACTIONS}/txn_1", headers=ann)

    answers = [await client.get(f"{TRANSACTIONS}/txn_{number}", headers=bob) for number in (1, 99)]

    assert of_ann.status == 200
    assert [(answer.status, answer.code) for answer in answers] == [(404, "transaction_not_found")] * 2
    assert answers[0].json["detail"] == answers[1].json["detail"]


async def test_a_user_neither_lists_nor_makes_users(serve: Serve) -> None:
    client, ann, _ = await guarded(serve)

    answers = [
        await client.get("/api/v1/users", headers=ann),
        await client.post("/api/v1/users", {"user_id": "zoe"}, headers=ann),
        await client.post("/api/v1/users", {"user_id": "ann"}, headers=ann),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(403, "forbidden")] * 3
    assert client.engine.ledger.user_count == 2


async def test_a_key_acts_within_its_scopes(serve: Serve) -> None:
    client, _, _ = await guarded(serve)

    async def statuses(number: int, *scopes: Scope) -> list[int]:
        headers = await key(client, *scopes)
        paths = (
            "/transactions/txn_1",
            "/wallets/ann/balance",
            "/wallets/ann/transactions",
            "/users",
            "/users/ann/accounts",
        )
        answers = [await client.get(f"/api/v1{path}", headers=headers) for path in paths]
        asked = body(f"new-{number}", idempotency_key=f"k{number}")
        answers += [
            await client.post(f"{TRANSACTIONS}/{what}", asked, headers=headers) for what in ("topup", "bonus", "spend")
        ]
        answers.append(await client.post("/api/v1/users", {"user_id": f"newer-{number}"}, headers=headers))
        return [answer.status for answer in answers]

    assert await statuses(1, Scope.READ) == [200] * 5 + [403] * 4
    assert await statuses(2, Scope.WRITE) == [403] * 5 + [201] * 4
    assert await statuses(3, Scope.ADMIN) == [403] * 9


async def test_a_payee_is_not_told_the_payers_idempotency_key(serve: Serve) -> None:
    client, ann, bob = await guarded(serve)
    spent = await client.post(f"{TRANSACTIONS}/spend", body("ann"), headers=ann)
    given = await client.post(f"{TRANSACTIONS}/bonus", body("bob"), headers=await key(client, Scope.WRITE))

    own = await client.get(spent.headers["Location"], headers=ann)
    others = await client.get(given.headers["Location"], headers=bob)

    assert own.json["idempotency_key"] == spent.json["idempotency_key"] is not None
    assert given.json["idempotency_key"] is not None
    assert others.json["idempotency_key"] is None
