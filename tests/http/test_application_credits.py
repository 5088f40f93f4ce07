"""Application credits: users known by an application's own ids, whose credits are topped up, granted and spent."""

import asyncio
import json
from typing import Any

import pytest

from .conftest import Answer, Client, Serve

USERS = "/api/v1/wallets/users"

BAD_AMOUNTS = [
    b"0", b"-1", b"0.00", b"10.005", b"1e3", b"1E3", b"true", b"null", b"[]", b"{}", b'""', b'"0"', b'"-1"', b'"10.005"', b'"1e3"',
    b'"NaN"', b'"Infinity"', b'"1_000"', b'"+1"', b'" 1"', b'"1,5"', b'".5"', b'"5."', b'"0x1"', '"１０"'.encode(), b"1000000.01",
    b"92233720368547758.08", b'"' + b"9" * 65 + b'"',
]  # fmt: skip


async def move(client: Client, what: str, amount: Any, user: str = "ann", asset: int = 1, **options: Any) -> Answer:
    body = {"amount": amount, "asset_type_id": asset}
    if "key" in options:
        body["idempotency_key"] = options.pop("key")
    return await client.post(f"{USERS}/{user}/{what}", body, **options)


async def done(client: Client, what: str, amount: Any, **options: Any) -> dict[str, Any]:
    answer = await move(client, what, amount, **options)
    assert answer.status == 200, answer.body
    return dict(answer.json)


async def balance(client: Client, user: str = "ann", asset: int = 1) -> str:
    answer = await client.get(f"{USERS}/{user}/balance?asset_type_id={asset}")
    assert answer.status == 200, answer.body
    return str(answer.json["balance"])


# ---------------------------------------------------------------------------------------------------------- answers


async def test_a_balance_has_every_member_in_its_type(credits_client: Client) -> None:
    await done(credits_client, "top-up", 100)

    answer = await credits_client.get(f"{USERS}/ann/balance?asset_type_id=1")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert (
        answer.body
        == b'{"balance":"100.00","account_id":4,"asset_type_id":1,"external_user_id":"ann","asset_type":"GOLD"}'
    )


async def test_a_known_user_without_a_wallet_has_zero_and_no_account(credits_client: Client) -> None:
    answer = await credits_client.get(f"{USERS}/ann/balance?asset_type_id=2")

    assert (
        answer.body
        == b'{"balance":"0.00","account_id":null,"asset_type_id":2,"external_user_id":"ann","asset_type":"DMND"}'
    )
    assert credits_client.engine.ledger.wallet_count == 3


@pytest.mark.parametrize(
    ("what", "name", "balance_after"), [("top-up", "TOPUP", "150.50"), ("bonus", "BONUS", "150.50"), ("spend", "SPEND", "49.50")]
)  # fmt: skip
async def test_a_movement_is_answered_200_with_every_member_in_its_type(
    credits_client: Client, what: str, name: str, balance_after: str
) -> None:
    first = await done(credits_client, "bonus", 100)

    answer = await move(credits_client, what, "50.50", key="k-1")

    assert answer.status == 200
    number = first["transaction_id"] + 1
    assert (
        answer.body
        == (
            f'{{"transaction_id":{number},"new_balance":"{balance_after}","transaction_type":"{name}","external_user_id":"ann",'
            f'"asset_type_id":1,"amount":"50.50","idempotency_key":"k-1"}}'
        ).encode()
    )
    assert await balance(credits_client) == balance_after


async def test_a_movement_without_a_key_says_null(credits_client: Client) -> None:
    assert (await done(credits_client, "top-up", 1))["idempotency_key"] is None
    assert (await done(credits_client, "top-up", 1, key=None))["idempotency_key"] is None


@pytest.mark.parametrize("amount", [b"10", b"10.0", b"10.00", b'"10"', b'"10.0"', b'"10.00"', b'"010.00"'])
async def test_an_amount_may_be_a_number_or_a_decimal_string(credits_client: Client, amount: bytes) -> None:
    answer = await credits_client.post(f"{USERS}/ann/top-up", data=b'{"asset_type_id":1,"amount":%b}' % amount)

    assert (answer.status, answer.json["amount"], answer.json["new_balance"]) == (200, "10.00", "10.00")


async def test_amounts_have_the_decimals_of_their_asset(credits_client: Client) -> None:
    await credits_client.asset("TOKEN", id=5, scale=0)
    await credits_client.asset("WEI", id=6, scale=18, max_amount=2**63 - 1)

    assert (await done(credits_client, "top-up", 7, asset=5))["new_balance"] == "7"
    assert (await move(credits_client, "top-up", "7.0", asset=5)).status == 422
    assert (await done(credits_client, "top-up", "0.000000000000000001", asset=6))["amount"] == "0.000000000000000001"


async def test_members_that_are_not_known_are_ignored(credits_client: Client) -> None:
    answer = await credits_client.post(
        f"{USERS}/ann/top-up", {"amount": 1, "asset_type_id": 1, "note": "x", "currency": None}
    )

    assert answer.status == 200


# --------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
async def test_what_is_no_amount_is_refused_and_moves_nothing(credits_client: Client, amount: bytes) -> None:
    answer = await credits_client.post(f"{USERS}/ann/top-up", data=b'{"asset_type_id":1,"amount":%b}' % amount)

    assert answer.status == 422, answer.body
    assert isinstance(answer.json["detail"], str)
    assert await balance(credits_client) == "0.00"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/amount", "/asset_type_id"]),
        ({"amount": 1}, ["/asset_type_id"]),
        ({"asset_type_id": 1}, ["/amount"]),
        ({"amount": 1, "asset_type_id": "1"}, ["/asset_type_id"]),
        ({"amount": 1, "asset_type_id": None}, ["/asset_type_id"]),
        ({"amount": 1, "asset_type_id": 1.5}, ["/asset_type_id"]),
        ({"amount": True, "asset_type_id": True}, ["/amount", "/asset_type_id"]),
        ({"amount": 1, "asset_type_id": 1, "idempotency_key": ""}, ["/idempotency_key"]),
        ({"amount": 1, "asset_type_id": 1, "idempotency_key": "a b"}, ["/idempotency_key"]),
        ({"amount": 1, "asset_type_id": 1, "idempotency_key": "é"}, ["/idempotency_key"]),
        ({"amount": 1, "asset_type_id": 1, "idempotency_key": "k" * 256}, ["/idempotency_key"]),
        ({"amount": 1, "asset_type_id": 1, "idempotency_key": 7}, ["/idempotency_key"]),
        ([], [""]),
    ],
)
@pytest.mark.parametrize("what", ["top-up", "bonus", "spend"])
async def test_bad_members_are_named(credits_client: Client, what: str, body: Any, pointers: list[str]) -> None:
    answer = await credits_client.post(f"{USERS}/ann/{what}", body)

    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_request", pointers)
    assert isinstance(answer.json["detail"], str)


@pytest.mark.parametrize("what", ["top-up", "bonus", "spend"])
async def test_an_unknown_user_or_asset_is_404_and_nothing_is_opened(credits_client: Client, what: str) -> None:
    before = credits_client.engine.ledger.seq

    for user, asset, code in [
        ("nobody", 1, "user_not_found"),
        ("ann", 99, "asset_not_found"),
        ("ann", -1, "asset_not_found"),
    ]:
        answer = await move(credits_client, what, 1, user=user, asset=asset)
        assert (answer.status, answer.code) == (404, code)

    assert credits_client.engine.ledger.seq == before


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("nobody/balance?asset_type_id=1", 404, "user_not_found"),
        ("0/balance?asset_type_id=1", 404, "user_not_found"),
        ("ann/balance?asset_type_id=9", 404, "asset_not_found"),
        ("ann/balance?asset_type_id=0", 404, "asset_not_found"),
        ("ann/balance?asset_type_id=-1", 404, "asset_not_found"),
        (f"ann/balance?asset_type_id={'9' * 30}", 404, "asset_not_found"),
        ("ann/balance", 422, "invalid_request"),
        ("ann/balance?asset_type_id=", 422, "invalid_request"),
        ("ann/balance?asset_type_id=GOLD", 422, "invalid_request"),
        ("ann/balance?asset_type_id=1.0", 422, "invalid_request"),
        ("ann/balance?asset_type_id=1&asset_type_id=2", 422, "invalid_request"),
        ("ann/history", 404, "not_found"),
    ],
)
async def test_a_balance_that_cannot_be_told_is_refused(
    credits_client: Client, path: str, status: int, code: str
) -> None:
    answer = await credits_client.get(f"{USERS}/{path}")

    assert (answer.status, answer.code) == (status, code)
    assert isinstance(answer.json["detail"], str)


async def test_insufficient_balance_is_402_with_both_amounts(credits_client: Client) -> None:
    await done(credits_client, "top-up", 10)

    answer = await move(credits_client, "spend", "10.01")

    assert (answer.status, answer.headers["Content-Type"]) == (402, "application/problem+json")
    problem = answer.json
    assert (problem["status"], problem["code"], problem["error"]) == (
        402,
        "insufficient_balance",
        "Insufficient balance",
    )
    assert (problem["current_balance"], problem["required_amount"]) == ("10.00", "10.01")
    assert isinstance(problem["detail"], str)
    assert await balance(credits_client) == "10.00"


async def test_spending_without_a_wallet_is_402_and_opens_none(credits_client: Client) -> None:
    answer = await move(credits_client, "spend", 5)

    assert (answer.status, answer.json["error"]) == (402, "Insufficient balance")
    assert (answer.json["current_balance"], answer.json["required_amount"]) == ("0.00", "5.00")
    assert credits_client.engine.ledger.wallets_of(1) == []


async def test_the_limits_of_the_asset_are_422(credits_client: Client) -> None:
    await credits_client.asset("GEM", id=7, min_amount=500, max_amount=1_000)

    for amount, code in [("4.99", "amount_below_minimum"), ("10.01", "amount_above_maximum")]:
        answer = await move(credits_client, "top-up", amount, asset=7)
        assert (answer.status, answer.code) == (422, code)

    assert (await done(credits_client, "top-up", "5.00", asset=7))["new_balance"] == "5.00"
    assert (await done(credits_client, "top-up", "10.00", asset=7))["new_balance"] == "15.00"


async def test_a_credit_past_the_largest_balance_is_422(credits_client: Client) -> None:
    await credits_client.asset("BIG", id=17, scale=0, max_amount=2**63 - 1)
    await done(credits_client, "top-up", 2**63 - 1, asset=17)

    answer = await move(credits_client, "top-up", 1, asset=17)

    assert (answer.status, answer.code) == (422, "balance_overflow")


async def test_a_frozen_or_closed_wallet_and_an_inactive_asset_are_403(credits_client: Client) -> None:
    await done(credits_client, "top-up", 5)
    wallet = credits_client.engine.ledger.wallets_of(1)[0].id
    await credits_client.post(f"/v1/wallets/{wallet}/freeze", {"reason": "lost phone"})
    frozen = await move(credits_client, "spend", 5)
    await credits_client.post(f"/v1/wallets/{wallet}/unfreeze")
    await done(credits_client, "spend", 5)
    await credits_client.post(f"/v1/wallets/{wallet}/close")
    closed = await move(credits_client, "bonus", 5)
    await credits_client.asset("OLD", id=9, active=False)
    inactive = await move(credits_client, "bonus", 5, asset=9)

    assert [(answer.status, answer.code) for answer in (frozen, closed, inactive)] == [
        (403, "wallet_frozen"),
        (403, "wallet_closed"),
        (403, "asset_inactive"),
    ]


async def test_bodies_that_are_no_json_and_methods_that_are_not_there_are_refused(credits_client: Client) -> None:
    path = f"{USERS}/ann/top-up"
    refused = [
        await credits_client.post(path, data=b"{"),
        await credits_client.post(path, data=b""),
        await credits_client.post(path, data=b"amount=1", headers={"Content-Type": "text/plain"}),
        await credits_client.post(path, data=b" " * (8 * 2**20 + 1)),
        await credits_client.get(path),
        await credits_client.post(f"{USERS}/ann/balance", {}),
    ]

    assert [answer.status for answer in refused] == [400, 400, 415, 413, 405, 405]
    for answer in refused:
        assert isinstance(answer.json["detail"], str)
        assert answer.headers["X-Request-Id"] == answer.json["request_id"]


async def test_a_dry_run_is_not_taken_for_a_payment(credits_client: Client) -> None:
    answer = await credits_client.post(f"{USERS}/ann/top-up?dry_run=true", {"amount": 1, "asset_type_id": 1})

    assert (answer.status, answer.pointers) == (422, ["/dry_run"])
    assert await balance(credits_client) == "0.00"


async def test_without_room_writes_are_503_and_reads_go_on(serve: Serve) -> None:
    client = await serve(rows_max=3)
    await client.asset("GOLD", id=1)
    await client.user(external_id="ann")
    await done(client, "top-up", 5)

    answer = await move(client, "top-up", 5, key="k")

    assert (answer.status, answer.code) == (503, "read_only")
    assert int(answer.headers["Retry-After"]) > 0
    assert await balance(client) == "5.00"


# ------------------------------------------------------------------------------------------------------ idempotency


async def test_a_repeated_key_answers_the_same_transaction_with_the_current_balance(credits_client: Client) -> None:
    first = await done(credits_client, "top-up", 10, key="k")
    await done(credits_client, "top-up", 5)

    again = await move(credits_client, "top-up", 10, key="k")

    assert again.status == 200
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == {**first, "new_balance": "15.00"}
    assert await balance(credits_client) == "15.00"


@pytest.mark.parametrize("amount", [b"10", b"10.0", b'"10.00"', b'"010"'])
async def test_equal_amounts_are_one_request_however_they_are_written(credits_client: Client, amount: bytes) -> None:
    first = await done(credits_client, "top-up", 10, key="k")

    again = await credits_client.post(
        f"{USERS}/ann/top-up", data=b'{"idempotency_key":"k","amount":%b,"asset_type_id":1}' % amount
    )

    assert (again.status, again.json["transaction_id"]) == (200, first["transaction_id"])
    assert await balance(credits_client) == "10.00"


async def test_the_key_may_come_by_the_body_the_header_or_both_alike(credits_client: Client) -> None:
    header = {"Idempotency-Key": "k"}
    answers = [
        await move(credits_client, "bonus", 10, headers=header),
        await move(credits_client, "bonus", 10, key="k"),
        await move(credits_client, "bonus", 10, key="k", headers=header),
        await move(credits_client, "bonus", 10, key="k", headers={"Idempotency-Key": '"k"'}),
    ]

    assert [answer.status for answer in answers] == [200] * 4
    assert {answer.json["transaction_id"] for answer in answers} == {answers[0].json["transaction_id"]}
    assert {answer.json["idempotency_key"] for answer in answers} == {"k"}
    assert await balance(credits_client) == "10.00"


async def test_two_unequal_keys_are_422(credits_client: Client) -> None:
    answer = await move(credits_client, "bonus", 10, key="k", headers={"Idempotency-Key": "K"})

    assert (answer.status, answer.pointers) == (422, ["/idempotency_key"])
    assert await balance(credits_client) == "0.00"


async def test_a_key_with_another_request_is_409_and_names_what_differs(credits_client: Client) -> None:
    await credits_client.user(external_id="bob")
    await done(credits_client, "bonus", 10, key="k")

    refused = [
        await move(credits_client, "bonus", 11, key="k"),
        await move(credits_client, "bonus", 10, asset=2, key="k"),
        await move(credits_client, "bonus", 10, user="bob", key="k"),
    ]

    assert [(answer.status, answer.code) for answer in refused] == [(409, "idempotency_key_reused")] * 3
    assert [answer.pointers for answer in refused] == [["/amount"], ["/asset_type_id"], ["/external_user_id"]]
    assert (await balance(credits_client), await balance(credits_client, "bob")) == ("10.00", "0.00")


async def test_each_operation_has_keys_of_its_own(credits_client: Client) -> None:
    answers = [await done(credits_client, what, 10, key="k") for what in ("top-up", "bonus", "spend")]

    assert len({answer["transaction_id"] for answer in answers}) == 3
    assert await balance(credits_client) == "10.00"


async def test_a_refusal_binds_no_key(credits_client: Client) -> None:
    assert (await move(credits_client, "spend", 10, key="k")).status == 402
    await done(credits_client, "top-up", 10)

    assert (await done(credits_client, "spend", 10, key="k"))["new_balance"] == "0.00"


async def test_equal_requests_without_a_key_are_two_payments(credits_client: Client) -> None:
    first, second = [await done(credits_client, "top-up", 10) for _ in range(2)]

    assert first["transaction_id"] != second["transaction_id"]
    assert second["new_balance"] == "20.00"


# ------------------------------------------------------------------------------------------------------------ users


async def test_a_user_without_an_external_id_goes_by_its_decimal_id(credits_client: Client) -> None:
    user = await credits_client.user(username="carl")

    answer = await done(credits_client, "top-up", 5, user=str(user["id"]))

    assert answer["external_user_id"] == str(user["id"])
    assert (await move(credits_client, "top-up", 5, user=f"0{user['id']}")).status == 404
    # ann has an external id, and is not known by her decimal one.
    assert (await move(credits_client, "top-up", 5, user="1")).status == 404


async def test_an_external_id_goes_before_a_decimal_id(credits_client: Client) -> None:
    nameless = await credits_client.user()
    await credits_client.user(external_id=str(nameless["id"]))

    await done(credits_client, "top-up", 5, user=str(nameless["id"]))

    wallets = credits_client.engine.ledger.wallets_of(nameless["id"])
    assert wallets == []


@pytest.mark.parametrize("name", ["users", "balance", "a/b", "ü", "a%b", "..", "top-up"])
async def test_any_external_id_can_be_named_in_the_path(credits_client: Client, name: str) -> None:
    await credits_client.user(external_id=name)
    path = "".join(f"%{byte:02X}" for byte in name.encode())
    reader, writer = await asyncio.open_connection(credits_client.host, credits_client.port)
    target = f"{USERS}/{path}/balance?asset_type_id=1"

    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert json.loads(body)["external_user_id"] == name


# ------------------------------------------------------------------------------------------------------------ races


async def test_of_fifty_spends_at_once_exactly_those_that_fit_are_done(credits_client: Client) -> None:
    await done(credits_client, "top-up", 100)

    answers = await asyncio.gather(*(move(credits_client, "spend", 10) for _ in range(50)))

    assert sorted(answer.status for answer in answers) == [200] * 10 + [402] * 40
    balances = {answer.json["new_balance"] for answer in answers if answer.status == 200}
    assert balances == {f"{amount}.00" for amount in range(0, 100, 10)}
    assert await balance(credits_client) == "0.00"


async def test_one_key_thirty_times_at_once_is_one_movement(credits_client: Client) -> None:
    answers = await asyncio.gather(*(move(credits_client, "top-up", 10, key="k") for _ in range(30)))

    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 29
    assert await balance(credits_client) == "10.00"


async def test_first_credits_at_once_open_one_wallet(credits_client: Client) -> None:
    await asyncio.gather(*(done(credits_client, "bonus", 1) for _ in range(30)))

    [wallet] = credits_client.engine.ledger.wallets_of(1)
    assert wallet.posted == 30_00


# ------------------------------------------------------------------------------------------------- the other APIs


async def test_what_moves_here_is_seen_everywhere_and_sums_to_zero(credits_client: Client) -> None:
    made = await done(credits_client, "top-up", 30)
    await done(credits_client, "spend", "12.50")
    [wallet] = credits_client.engine.ledger.wallets_of(1)

    entries = (await credits_client.get(f"/v1/wallets/{wallet.id}/entries")).json["data"]
    there = (await credits_client.get(f"/api/v1/transactions/txn_{made['transaction_id']}")).json
    treasury = await credits_client.treasury("GOLD")

    assert [(entry["type"], entry["amount"]) for entry in entries] == [("spend", "-1250"), ("topup", "3000")]
    assert (there["transaction_type"], there["user_id"], there["amount"]) == ("TOPUP", "ann", "30.00")
    assert await credits_client.posted(treasury) == -1750


async def test_a_movement_made_elsewhere_is_seen_here(credits_client: Client) -> None:
    opened = await credits_client.post("/v1/wallets", {"user_id": 1, "asset": "GOLD"})
    await credits_client.transfer(await credits_client.treasury("GOLD"), opened.json["id"], 777)

    assert await balance(credits_client) == "7.77"


async def test_credits_do_not_move_between_users_whatever_the_api(credits_client: Client) -> None:
    await done(credits_client, "top-up", 30)
    await credits_client.user(external_id="bob")
    await done(credits_client, "top-up", 30, user="bob")
    [ann], [bob] = (credits_client.engine.ledger.wallets_of(user_id) for user_id in (1, 2))

    native = await credits_client.transfer(ann.id, bob.id, 100)

    assert (native.status, native.code) == (422, "asset_not_transferable")
    assert (ann.posted, bob.posted) == (3000, 3000)


async def test_a_shop_serves_a_player_from_first_bonus_to_last_coin(credits_client: Client) -> None:
    """As a shop's client would call it: one that retries what it is not sure of, and knows nothing of this server."""
    client = credits_client
    assert await balance(client) == "0.00"
    welcome = await done(client, "bonus", 25, key="welcome-ann")
    retried = await done(client, "bonus", 25.0, key="welcome-ann")
    assert retried["transaction_id"] == welcome["transaction_id"]
    assert (await done(client, "top-up", "100.00", key="order-1"))["new_balance"] == "125.00"
    assert (await done(client, "spend", 99.99, key="sword"))["new_balance"] == "25.01"
    assert (await move(client, "spend", 99.99, key="shield")).status == 402
    assert (await done(client, "top-up", "100.00", key="order-2"))["new_balance"] == "125.01"
    shield = await done(client, "spend", 99.99, key="shield")
    assert shield["new_balance"] == "25.02"
    late = await done(client, "top-up", 100, key="order-1")
    assert late["new_balance"] == "25.02"
    assert (await done(client, "spend", "25.02"))["new_balance"] == "0.00"
    assert (await move(client, "spend", "0.01")).json["current_balance"] == "0.00"
