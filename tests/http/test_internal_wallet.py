"""The internal wallet service: transactions with double entry, for users by external id."""

import asyncio
import itertools
import re
from typing import Any

import pytest

from .conftest import Answer, Client, Serve
from .test_application_credits import BAD_AMOUNTS

TRANSACTIONS = "/api/v1/transactions"
WALLETS = "/api/v1/wallets"

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

_keys = itertools.count()


async def move(
    client: Client, what: str, amount: Any, user: str = "ann", asset: str = "GOLD", **options: Any
) -> Answer:
    body = {
        "user_id": user,
        "asset_type": asset,
        "amount": amount,
        "idempotency_key": options.pop("key", f"key-{next(_keys)}"),
    }
    headers = options.pop("headers", None)
    return await client.post(f"{TRANSACTIONS}/{what}", body | options, headers=headers)


async def done(client: Client, what: str, amount: Any, **options: Any) -> dict[str, Any]:
    answer = await move(client, what, amount, **options)
    assert answer.status == 201, answer.body
    return dict(answer.json)


async def balances(client: Client, user: str = "ann") -> dict[str, str]:
    answer = await client.get(f"{WALLETS}/{user}/balance")
    assert answer.status == 200, answer.body
    return {row["asset_type"]: row["balance"] for row in answer.json["balances"]}


async def listed(client: Client, query: str = "", user: str = "ann") -> tuple[list[dict[str, Any]], int]:
    answer = await client.get(f"{WALLETS}/{user}/transactions{query}")
    assert answer.status == 200, answer.body
    return answer.json, int(answer.headers["X-Total-Count"])


# ----------------------------------------------------------------------------------------------------- transactions


@pytest.mark.parametrize(
    ("what", "name", "noun", "own_type", "own_after", "other_type", "other_after"),
    [
        ("topup", "TOPUP", "Top-up", "DEBIT", "150.50", "CREDIT", "-150.50"),
        ("bonus", "BONUS", "Bonus", "DEBIT", "150.50", "CREDIT", "-150.50"),
        ("spend", "SPEND", "Spend", "CREDIT", "49.50", "DEBIT", "-49.50"),
    ],
)
async def test_a_transaction_is_answered_201_with_every_member_in_its_type(
    credits_client: Client,
    what: str,
    name: str,
    noun: str,
    own_type: str,
    own_after: str,
    other_type: str,
    other_after: str,
) -> None:
    await done(credits_client, "bonus", 100)

    answer = await move(credits_client, what, "50.50", key="k-1")

    assert (answer.status, answer.headers["Content-Type"]) == (201, "application/json")
    assert answer.headers["Location"] == "/api/v1/transactions/txn_2"
    at = answer.json["created_at"]
    assert INSTANT.fullmatch(at)
    own = f'"account_id":"4","entry_type":"{own_type}","amount":"50.50","balance_after":"{own_after}"'
    other = f'"account_id":"2","entry_type":"{other_type}","amount":"50.50","balance_after":"{other_after}"'
    first, second = (own, other) if what == "spend" else (other, own)
    assert (
        answer.body
        == (
            f'{{"id":"txn_2","transaction_type":"{name}","status":"COMPLETED","user_id":"ann","asset_type_code":"GOLD_COINS",'
            f'"amount":"50.50","description":"{noun} of 50.50 GOLD_COINS","metadata":null,"idempotency_key":"k-1",'
            f'"created_at":"{at}","updated_at":"{at}","ledger_entries":[{{"id":"ent_3",{first}}},{{"id":"ent_4",{second}}}]}}'
        ).encode()
    )
    read = await credits_client.get(answer.headers["Location"])
    assert (read.status, read.body) == (200, answer.body)
    assert read.headers["Cache-Control"] == "no-store"


async def test_the_description_and_metadata_are_the_callers(credits_client: Client) -> None:
    metadata = {"order": {"id": 7, "lines": ["a", None, 1.5]}}

    made = await done(credits_client, "topup", 1, description="Order 7", metadata=metadata)
    plain = await done(credits_client, "topup", 1, description=None, metadata=None)

    assert (made["description"], made["metadata"]) == ("Order 7", metadata)
    assert (plain["description"], plain["metadata"]) == ("Top-up of 1.00 GOLD_COINS", None)


@pytest.mark.parametrize("name", ["GOLD", "GOLD_COINS"])
async def test_an_asset_goes_by_code_or_alias_and_is_answered_by_its_alias(credits_client: Client, name: str) -> None:
    made = await done(credits_client, "topup", 1, asset=name)

    assert made["asset_type_code"] == "GOLD_COINS"
    assert await balances(credits_client) == {"GOLD_COINS": "1.00"}


async def test_an_asset_without_alias_is_answered_by_its_code(credits_client: Client) -> None:
    assert (await done(credits_client, "topup", 1, asset="USD"))["asset_type_code"] == "USD"


@pytest.mark.parametrize("what", ["topup", "bonus"])
async def test_a_credit_for_an_unknown_user_opens_user_and_wallet(credits_client: Client, what: str) -> None:
    made = await done(credits_client, what, 5, user="zoe")

    assert made["user_id"] == "zoe"
    assert await balances(credits_client, "zoe") == {"GOLD_COINS": "5.00"}
    assert credits_client.engine.ledger.user_count == 2


async def test_a_spend_by_an_unknown_user_is_insufficient_and_opens_nothing(credits_client: Client) -> None:
    before = credits_client.engine.ledger.seq

    answer = await move(credits_client, "spend", 5, user="zoe")

    assert (answer.status, answer.code) == (400, "insufficient_balance")
    members = ("error", "current_balance", "required_amount")
    assert [answer.json[name] for name in members] == ["Insufficient balance", "0.00", "5.00"]
    assert credits_client.engine.ledger.seq == before
    assert (await credits_client.get(f"{WALLETS}/zoe/balance")).status == 404


async def test_insufficient_balance_is_400_with_both_amounts(credits_client: Client) -> None:
    await done(credits_client, "topup", 10)

    answer = await move(credits_client, "spend", "10.01")

    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    members = ("error", "current_balance", "required_amount")
    assert [answer.json[name] for name in members] == ["Insufficient balance", "10.00", "10.01"]
    assert isinstance(answer.json["detail"], str)
    assert await balances(credits_client) == {"GOLD_COINS": "10.00"}


async def test_the_entries_of_each_transaction_sum_to_zero_per_asset(credits_client: Client) -> None:
    legs = []
    for asset, sign in (("GOLD", 1), ("DMND", -1)):
        await done(credits_client, "topup", 10, asset=asset)
        wallet = credits_client.engine.ledger.wallets_of(1)[-1].id
        treasury = await credits_client.treasury(asset)
        legs += [{"wallet_id": wallet, "amount": 5 * sign}, {"wallet_id": treasury, "amount": -5 * sign}]
    await credits_client.post("/v1/transactions", {"legs": legs})

    rows, total = await listed(credits_client)

    assert total == 4
    assert [(row["transaction_type"], row["asset_type_code"], row["amount"]) for row in rows[:2]] == [
        ("TRANSACTION", "DIAMONDS", "0.05"),
        ("TRANSACTION", "GOLD_COINS", "0.05"),
    ]
    asset_of = {wallet["id"]: wallet["asset"] for wallet in (await credits_client.get("/v1/wallets")).json["data"]}
    by_number = {str(number + 1): asset for number, asset in enumerate(asset_of.values())}
    for row in rows:
        sums: dict[str, float] = {}
        for entry in row["ledger_entries"]:
            sign = {"DEBIT": 1, "CREDIT": -1}[entry["entry_type"]]
            asset = by_number[entry["account_id"]]
            sums[asset] = sums.get(asset, 0) + sign * round(float(entry["amount"]) * 100)
        assert set(sums.values()) == {0}


# --------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
async def test_what_is_no_amount_is_refused_and_moves_nothing(credits_client: Client, amount: bytes) -> None:
    body = b'{"user_id":"ann","asset_type":"GOLD","idempotency_key":"k","amount":%b}' % amount

    answer = await credits_client.post(f"{TRANSACTIONS}/topup", data=body)

    assert answer.status == 422, answer.body
    assert isinstance(answer.json["detail"], str)
    assert await balances(credits_client) == {}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        *(({name: ...}, f"/{name}") for name in ("user_id", "asset_type", "amount", "idempotency_key")),
        *(({name: None}, f"/{name}") for name in ("user_id", "asset_type", "amount", "idempotency_key")),
        *(({name: 7}, f"/{name}") for name in ("user_id", "asset_type", "idempotency_key", "description", "metadata")),
        ({"user_id": ""}, "/user_id"),
        ({"user_id": "a b"}, "/user_id"),
        ({"user_id": "u" * 65}, "/user_id"),
        ({"asset_type": ""}, "/asset_type"),
        ({"idempotency_key": ""}, "/idempotency_key"),
        ({"idempotency_key": "a b"}, "/idempotency_key"),
        ({"idempotency_key": "k" * 256}, "/idempotency_key"),
        ({"description": "d" * 501}, "/description"),
        ({"metadata": []}, "/metadata"),
        ({"metadata": {"a": "x" * 9_000}}, "/metadata"),
    ],
)
@pytest.mark.parametrize("what", ["topup", "bonus", "spend"])
async def test_bad_members_are_named(credits_client: Client, what: str, change: dict[str, Any], pointer: str) -> None:
    body = {"user_id": "ann", "asset_type": "GOLD", "amount": "1.00", "idempotency_key": "k"} | change
    body = {name: value for name, value in body.items() if value is not ...}

    answer = await credits_client.post(f"{TRANSACTIONS}/{what}", body)

    assert (answer.status, answer.pointers) == (422, [pointer])
    assert isinstance(answer.json["detail"], str)


async def test_an_unknown_asset_is_404(credits_client: Client) -> None:
    for what in ("topup", "bonus", "spend"):
        answer = await move(credits_client, what, 1, asset="SILVER")
        assert (answer.status, answer.code) == (404, "asset_not_found")


async def test_the_limits_of_the_asset_are_422(credits_client: Client) -> None:
    await done(credits_client, "topup", 1_000_000)

    for what in ("topup", "bonus", "spend"):
        answer = await move(credits_client, what, "1000000.01")
        assert (answer.status, answer.code) == (422, "amount_above_maximum")

    await done(credits_client, "spend", "0.01")


async def test_a_frozen_or_closed_wallet_is_403(credits_client: Client) -> None:
    await done(credits_client, "topup", 5)
    wallet = credits_client.engine.ledger.wallets_of(1)[0].id
    await credits_client.post(f"/v1/wallets/{wallet}/freeze", {"reason": "lost phone"})
    frozen = await move(credits_client, "spend", 5)
    await credits_client.post(f"/v1/wallets/{wallet}/unfreeze")
    await done(credits_client, "spend", 5)
    await credits_client.post(f"/v1/wallets/{wallet}/close")
    closed = await move(credits_client, "bonus", 5)

    assert [(answer.status, answer.code) for answer in (frozen, closed)] == [
        (403, "wallet_frozen"),
        (403, "wallet_closed"),
    ]


async def test_bodies_that_are_no_json_and_methods_that_are_not_there_are_refused(credits_client: Client) -> None:
    path = f"{TRANSACTIONS}/topup"
    refused = [
        await credits_client.post(path, data=b"{"),
        await credits_client.post("/api/v1/users", data=b"{"),
        await credits_client.post(path, data=b"a=1", headers={"Content-Type": "application/x-www-form-urlencoded"}),
        await credits_client.get(path),
        await credits_client.send("DELETE", f"{TRANSACTIONS}/txn_1"),
        await credits_client.post(f"{WALLETS}/ann/balance", {}),
    ]

    assert [answer.status for answer in refused] == [400, 400, 415, 405, 405, 405]
    assert all(isinstance(answer.json["detail"], str) for answer in refused)


@pytest.mark.parametrize(
    "name", ["txn_2", "txn_0", "txn_01", "txn_", "1", "tfr_1", "TXN_1", f"txn_{'9' * 30}", "txn_%31%20"]
)
async def test_an_id_that_no_transaction_has_is_404(credits_client: Client, name: str) -> None:
    await done(credits_client, "topup", 1)

    answer = await credits_client.get(f"{TRANSACTIONS}/{name}")

    assert (answer.status, answer.code) == (404, "transaction_not_found")


# ------------------------------------------------------------------------------------------------------ idempotency


async def test_a_repeated_key_answers_the_original_transaction_byte_by_byte(credits_client: Client) -> None:
    first = await move(credits_client, "topup", 10, key="k", metadata={"a": 1, "b": 2})
    await done(credits_client, "topup", 5)

    again = await move(credits_client, "topup", "10.00", key="k", asset="GOLD_COINS", metadata={"b": 2, "a": 1})

    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert await balances(credits_client) == {"GOLD_COINS": "15.00"}


async def test_the_header_may_give_the_key_alone_or_say_the_same(credits_client: Client) -> None:
    body = {"user_id": "ann", "asset_type": "GOLD", "amount": 10}
    header = {"Idempotency-Key": "k"}

    answers = [
        await credits_client.post(f"{TRANSACTIONS}/bonus", body, headers=header),
        await move(credits_client, "bonus", 10, key="k"),
        await move(credits_client, "bonus", 10, key="k", headers=header),
    ]
    unequal = await move(credits_client, "bonus", 10, key="k2", headers=header)

    assert [answer.status for answer in answers] == [201] * 3
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].json["idempotency_key"] == "k"
    assert (unequal.status, unequal.pointers) == (422, ["/idempotency_key"])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": 11}, "/amount"),
        ({"user": "bob"}, "/user_id"),
        ({"asset": "DMND"}, "/asset_type"),
        ({"description": "x"}, "/description"),
        ({"metadata": {"a": 2}}, "/metadata"),
    ],
)
async def test_a_key_with_another_request_is_409_and_names_what_differs(
    credits_client: Client, change: dict[str, Any], pointer: str
) -> None:
    asked: dict[str, Any] = {"amount": 10, "key": "k", "metadata": {"a": 1}}
    await done(credits_client, "topup", **asked)

    answer = await move(credits_client, "topup", **(asked | change))

    assert (answer.status, answer.code, answer.pointers) == (409, "idempotency_key_reused", [pointer])
    assert await balances(credits_client) == {"GOLD_COINS": "10.00"}


async def test_a_refusal_binds_no_key(credits_client: Client) -> None:
    assert (await move(credits_client, "spend", 10, key="k")).status == 400
    await done(credits_client, "topup", 10)

    assert (await move(credits_client, "spend", 10, key="k")).status == 201


# ----------------------------------------------------------------------------------------------- balances and lists


async def test_balances_have_every_member_in_its_type(credits_client: Client) -> None:
    await done(credits_client, "topup", 10)
    await done(credits_client, "topup", "2.50", asset="DIAMONDS")

    answer = await credits_client.get(f"{WALLETS}/ann/balance")

    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    timestamp = answer.json["timestamp"]
    assert INSTANT.fullmatch(timestamp)
    assert (
        answer.body
        == (
            '{"user_id":"ann","balances":[{"asset_type":"GOLD_COINS","balance":"10.00","account_id":"4"},'
            f'{{"asset_type":"DIAMONDS","balance":"2.50","account_id":"5"}}],"timestamp":"{timestamp}"}}'
        ).encode()
    )


@pytest.mark.parametrize(
    ("asset", "row"),
    [
        ("GOLD", {"asset_type": "GOLD_COINS", "balance": "10.00", "account_id": "4"}),
        ("GOLD_COINS", {"asset_type": "GOLD_COINS", "balance": "10.00", "account_id": "4"}),
        ("DMND", {"asset_type": "DIAMONDS", "balance": "0.00", "account_id": None}),
        ("USD", {"asset_type": "USD", "balance": "0.00", "account_id": None}),
    ],
)
async def test_one_asset_may_be_asked_for_held_or_not(credits_client: Client, asset: str, row: dict[str, Any]) -> None:
    await done(credits_client, "topup", 10)

    answer = await credits_client.get(f"{WALLETS}/ann/balance?asset_type={asset}")

    assert answer.json["balances"] == [row]


async def test_a_user_without_wallets_has_no_balances_transactions_or_accounts(credits_client: Client) -> None:
    assert (await credits_client.get(f"{WALLETS}/ann/balance")).json["balances"] == []
    assert await listed(credits_client) == ([], 0)
    assert (await credits_client.get("/api/v1/users/ann/accounts")).json == []


async def test_a_list_is_a_bare_array_newest_first_with_the_exact_total(credits_client: Client) -> None:
    made = [await done(credits_client, "topup", number, asset=("GOLD", "DMND")[number % 2]) for number in range(1, 8)]
    await done(credits_client, "topup", 1, user="zoe")

    rows, total = await listed(credits_client)

    assert rows == made[::-1]
    assert total == 7
    assert await listed(credits_client, "?limit=3&offset=2") == (made[::-1][2:5], 7)
    assert await listed(credits_client, "?limit=100&offset=6") == (made[:1], 7)
    assert await listed(credits_client, "?offset=7") == ([], 7)
    assert await listed(credits_client, f"?offset={10**17}") == ([], 7)


async def test_the_default_limit_is_fifty(credits_client: Client) -> None:
    for _ in range(51):
        await done(credits_client, "bonus", 1)

    rows, total = await listed(credits_client)

    assert (len(rows), total) == (50, 51)


async def test_filters_choose_and_count_alike(credits_client: Client) -> None:
    for asset in ("GOLD", "DMND"):
        for what, amount in (("topup", 10), ("bonus", 5), ("spend", 3)):
            await done(credits_client, what, amount, asset=asset)
    await credits_client.transfer(
        await credits_client.treasury("GOLD"), credits_client.engine.ledger.wallets_of(1)[0].id, 100
    )

    for query, names in {
        "?type=SPEND": ["SPEND", "SPEND"],
        "?type=BONUS&asset_type=GOLD": ["BONUS"],
        "?asset_type=DIAMONDS": ["SPEND", "BONUS", "TOPUP"],
        "?asset_type=GOLD_COINS": ["CREDIT", "SPEND", "BONUS", "TOPUP"],
        "?type=CREDIT": ["CREDIT"],
        "?type=TRANSFER": [],
        "?asset_type=USD": [],
    }.items():
        rows, total = await listed(credits_client, query)
        assert [row["transaction_type"] for row in rows] == names, query
        assert total == len(names)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        *(
            (f"{path}?{query}", 422, "invalid_request")
            for path in (f"{WALLETS}/ann/transactions", "/api/v1/users")
            for query in (
                "limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1.0", "limit=%D9%A1", "offset=-1", "offset=x",
                "offset=", "offset=1e3", f"offset={'9' * 30}", "limit=1&limit=2",
            )
        ),
        (f"{WALLETS}/ann/transactions?type=GIFT", 422, "invalid_request"),
        (f"{WALLETS}/ann/transactions?type=topup", 422, "invalid_request"),
        (f"{WALLETS}/ann/transactions?type=", 422, "invalid_request"),
        (f"{WALLETS}/ann/transactions?asset_type=SILVER", 404, "asset_not_found"),
        (f"{WALLETS}/ann/balance?asset_type=SILVER", 404, "asset_not_found"),
        (f"{WALLETS}/ann/balance?asset_type=", 404, "asset_not_found"),
        (f"{WALLETS}/nobody/balance", 404, "user_not_found"),
        (f"{WALLETS}/nobody/transactions", 404, "user_not_found"),
        ("/api/v1/users/nobody/accounts", 404, "user_not_found"),
        (f"{WALLETS}/ann", 404, "not_found"),
    ],
)  # fmt: skip
async def test_a_list_that_cannot_be_told_is_refused(credits_client: Client, path: str, status: int, code: str) -> None:
    answer = await credits_client.get(path)

    assert (answer.status, answer.code) == (status, code)
    assert isinstance(answer.json["detail"], str)


async def test_a_list_answers_head_alike(credits_client: Client) -> None:
    await done(credits_client, "topup", 1)

    answer = await credits_client.send("HEAD", f"{WALLETS}/ann/transactions")

    assert (answer.status, answer.headers["X-Total-Count"], answer.body) == (200, "1", b"")


# ------------------------------------------------------------------------------------------------------------ users


async def test_users_are_listed_newest_first_without_the_system(credits_client: Client) -> None:
    await done(credits_client, "topup", 1, user="zoe")
    await done(credits_client, "topup", 1, user="zoe", asset="DMND")
    await credits_client.user(username="carl")

    answer = await credits_client.get("/api/v1/users")

    assert (answer.status, answer.headers["X-Total-Count"]) == (200, "3")
    assert answer.body == (
        b'[{"user_id":"3","account_count":0},{"user_id":"zoe","account_count":2},{"user_id":"ann","account_count":0}]'
    )


async def test_pages_of_users_have_no_gaps_and_no_repeats(credits_client: Client) -> None:
    for number in range(7):
        await credits_client.user(external_id=f"u{number}")

    pages = [
        [row["user_id"] for row in (await credits_client.get(f"/api/v1/users?limit=3&offset={offset}")).json]
        for offset in (0, 3, 6, 8, 9, 10**17)
    ]

    assert pages == [["u6", "u5", "u4"], ["u3", "u2", "u1"], ["u0", "ann"], [], [], []]


async def test_a_user_is_made_once(credits_client: Client) -> None:
    made = await credits_client.post("/api/v1/users", {"user_id": "zoe", "name": "Zoe"})
    again = await credits_client.post("/api/v1/users", {"user_id": "zoe"})

    assert (made.status, made.headers["Location"]) == (201, "/api/v1/users/zoe/accounts")
    at = made.json["created_at"]
    assert made.body == (
        f'{{"user_id":"zoe","name":"Zoe","account_count":0,"created_at":"{at}","updated_at":"{at}"}}'.encode()
    )
    assert (again.status, again.code) == (409, "user_exists")
    assert (await credits_client.get(made.headers["Location"])).json == []
    assert (await credits_client.get("/v1/users/2")).json["external_id"] == "zoe"


async def test_a_name_by_which_a_user_is_known_already_is_not_given_again(credits_client: Client) -> None:
    carl = await credits_client.user(username="carl")

    answer = await credits_client.post("/api/v1/users", {"user_id": str(carl["id"])})

    assert (answer.status, answer.code) == (409, "user_exists")


async def test_thirty_makings_of_one_user_at_once_make_one(credits_client: Client) -> None:
    answers = await asyncio.gather(*(credits_client.post("/api/v1/users", {"user_id": "zoe"}) for _ in range(30)))

    assert sorted(answer.status for answer in answers) == [201] + [409] * 29


@pytest.mark.parametrize(
    "body", [{}, {"user_id": None}, {"user_id": 7}, {"user_id": ""}, {"user_id": "a b"}, {"user_id": "u" * 65}]
)
async def test_a_user_needs_an_id_of_visible_characters(credits_client: Client, body: dict[str, Any]) -> None:
    answer = await credits_client.post("/api/v1/users", body)

    assert (answer.status, answer.pointers) == (422, ["/user_id"])


async def test_accounts_have_every_member_in_its_type(credits_client: Client) -> None:
    await done(credits_client, "topup", 1)
    made = await done(credits_client, "topup", 1)

    answer = await credits_client.get("/api/v1/users/ann/accounts")

    [account] = answer.json
    assert (
        answer.body
        == (
            f'[{{"id":"4","user_id":"ann","asset_type_code":"GOLD_COINS","account_type":"USER","version":2,'
            f'"created_at":"{account["created_at"]}","updated_at":"{made["created_at"]}"}}]'
        ).encode()
    )
    assert INSTANT.fullmatch(account["created_at"])
    assert account["created_at"] < account["updated_at"]


@pytest.mark.parametrize("name", ["users", "balance", "transactions"])
async def test_a_user_may_have_a_name_that_stands_in_other_paths(credits_client: Client, name: str) -> None:
    made = await done(credits_client, "topup", 5, user=name)

    assert await balances(credits_client, name) == {"GOLD_COINS": "5.00"}
    assert await listed(credits_client, user=name) == ([made], 1)
    there = await credits_client.get(f"/api/v1/wallets/users/{name}/balance?asset_type_id=1")
    assert there.json["balance"] == "5.00"


# ------------------------------------------------------------------------------------------------------------ health


async def test_health_says_that_writes_are_taken(credits_client: Client) -> None:
    answer = await credits_client.get("/health")

    assert answer.status == 200
    assert set(answer.json) == {"status", "timestamp", "version"}
    assert (answer.json["status"], answer.json["version"]) == ("healthy", "1.2.3")
    assert INSTANT.fullmatch(answer.json["timestamp"])


async def test_health_is_503_when_no_writes_are_taken(serve: Serve) -> None:
    client = await serve(rows_max=2)
    await client.asset("GOLD", id=1)
    await client.user(external_id="ann")
    refused = await move(client, "topup", 5)

    answer = await client.get("/health")

    assert (refused.status, refused.code) == (503, "read_only")
    assert int(refused.headers["Retry-After"]) > 0
    assert (answer.status, answer.json["status"]) == (503, "unhealthy")


# ------------------------------------------------------------------------------------------------------------ races


async def test_of_fifty_spends_at_once_exactly_those_that_fit_are_done(credits_client: Client) -> None:
    await done(credits_client, "topup", 100)

    answers = await asyncio.gather(*(move(credits_client, "spend", 10) for _ in range(50)))

    assert sorted(answer.status for answer in answers) == [201] * 10 + [400] * 40
    assert await balances(credits_client) == {"GOLD_COINS": "0.00"}
    assert (await listed(credits_client))[1] == 11


async def test_one_key_thirty_times_at_once_is_one_transaction(credits_client: Client) -> None:
    answers = await asyncio.gather(*(move(credits_client, "topup", 10, user="zoe", key="k") for _ in range(30)))

    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 29
    assert await balances(credits_client, "zoe") == {"GOLD_COINS": "10.00"}


async def test_first_credits_of_a_new_user_at_once_make_one_user_and_one_wallet(credits_client: Client) -> None:
    await asyncio.gather(*(done(credits_client, "bonus", 1, user="zoe") for _ in range(30)))

    assert credits_client.engine.ledger.user_count == 2
    assert await balances(credits_client, "zoe") == {"GOLD_COINS": "30.00"}


# ------------------------------------------------------------------------------------------------- the other APIs


async def test_a_transfer_made_elsewhere_is_shown_to_both_users_as_their_own(credits_client: Client) -> None:
    await done(credits_client, "topup", 50, asset="USD")
    await done(credits_client, "topup", 50, asset="USD", user="zoe")
    [ann], [zoe] = (credits_client.engine.ledger.wallets_of(user_id) for user_id in (1, 2))
    await credits_client.transfer(ann.id, zoe.id, 1234, key="rent", description="Rent")

    [[sent, _], [received, _]] = [(await listed(credits_client, user=user))[0] for user in ("ann", "zoe")]

    assert {**sent, "user_id": "zoe"} == received
    members = ("transaction_type", "status", "user_id", "amount", "description", "idempotency_key")
    assert [sent[name] for name in members] == ["TRANSFER", "COMPLETED", "ann", "12.34", "Rent", "rent"]
    assert [(entry["entry_type"], entry["balance_after"]) for entry in sent["ledger_entries"]] == [
        ("CREDIT", "37.66"),
        ("DEBIT", "62.34"),
    ]
    for user, row in (("ann", sent), ("zoe", received)):
        assert await listed(credits_client, "?type=TRANSFER", user=user) == ([row], 1)
    # Asked for by its id alone, it is the payer's.
    assert (await credits_client.get(f"{TRANSACTIONS}/{sent['id']}")).json == sent


async def test_what_moves_here_is_seen_in_application_credits_and_v1(credits_client: Client) -> None:
    await done(credits_client, "topup", 30)
    await done(credits_client, "spend", "12.50")

    there = await credits_client.get("/api/v1/wallets/users/ann/balance?asset_type_id=1")
    wallet = credits_client.engine.ledger.wallets_of(1)[0].id
    entries = (await credits_client.get(f"/v1/wallets/{wallet}/entries")).json["data"]

    assert there.json["balance"] == "17.50"
    assert [(entry["type"], entry["amount"]) for entry in entries] == [("spend", "-1250"), ("topup", "3000")]


async def test_a_user_without_external_id_goes_by_its_decimal_id(credits_client: Client) -> None:
    carl = await credits_client.user(username="carl")

    made = await done(credits_client, "bonus", 5, user=str(carl["id"]))

    assert made["user_id"] == str(carl["id"])
    assert credits_client.engine.ledger.user_count == 2


async def test_an_application_runs_its_credits_through_a_day(credits_client: Client) -> None:
    """As a service's client would call it: it makes a user, moves credits with keys of its own, and reads everything back."""
    client = credits_client
    assert (await client.post("/api/v1/users", {"user_id": "user_9", "name": "Nina"})).status == 201
    signup = await done(client, "bonus", "50.00", user="user_9", asset="GOLD_COINS", key="signup-9")
    bought = await done(
        client,
        "topup",
        "200.00",
        user="user_9",
        asset="GOLD_COINS",
        key="order-1",
        description="Starter pack",
        metadata={"order": 1},
    )
    assert (await done(client, "topup", 200, user="user_9", asset="GOLD_COINS", key="order-1",
                       description="Starter pack", metadata={"order": 1})) == bought  # fmt: skip
    spent = await done(client, "spend", "120.00", user="user_9", asset="GOLD_COINS", key="cart-1")
    refused = await move(client, "spend", "130.01", user="user_9", asset="GOLD_COINS", key="cart-2")
    assert (refused.status, refused.json["current_balance"]) == (400, "130.00")
    assert await balances(client, "user_9") == {"GOLD_COINS": "130.00"}
    assert await listed(client, user="user_9") == ([spent, bought, signup], 3)
    assert await listed(client, "?type=TOPUP&asset_type=GOLD_COINS&limit=1", user="user_9") == ([bought], 1)
    [account] = (await client.get("/api/v1/users/user_9/accounts")).json
    assert spent["ledger_entries"][0]["account_id"] == account["id"]
    assert (await client.get("/api/v1/users?limit=1")).json == [{"user_id": "user_9", "account_count": 1}]
