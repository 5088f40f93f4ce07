"""Laws of transfers, transactions, batches and histories in the native API."""

import asyncio
from typing import Any

import pytest

from walletd.engine.refusals import Refusal, RefusalCode
from walletd.tests.builders import quiet

from .conftest import Client

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_transfer_answers_both_legs_and_can_be_read(client: Client) -> None:
    source, target = await client.wallet(amount=100), await client.wallet()
    made = await client.transfer(source, target, 30, description="d", category="c", reference="r", metadata={"a": 1})
    assert (made.status, made.headers["Location"]) == (201, "/v1/transfers/tfr_2")
    body = made.json
    assert body.pop("created_at").endswith("Z")
    assert body.pop("sequence") == client.engine.ledger.seq
    assert body == {
        "id": "tfr_2",
        "transaction_id": "txn_2",
        "source": source,
        "destination": target,
        "amount": "30",
        "asset": "USD",
        "scale": 2,
        "legs": [
            {
                "wallet_id": source,
                "amount": "-30",
                "asset": "USD",
                "scale": 2,
                "balance_after": "70",
                "entry_id": "ent_3",
            },
            {
                "wallet_id": target,
                "amount": "30",
                "asset": "USD",
                "scale": 2,
                "balance_after": "30",
                "entry_id": "ent_4",
            },
        ],
        "status": "completed",
        "type": "transfer",
        "description": "d",
        "category": "c",
        "reference": "r",
        "metadata": {"a": 1},
    }
    read = await client.get("/v1/transfers/tfr_2")
    assert (read.status, read.body, read.headers["Cache-Control"]) == (200, made.body, "no-store")
    as_transaction = (await client.get("/v1/transactions/txn_2")).json
    assert as_transaction["legs"] == body["legs"]
    assert (await client.posted(source), await client.posted(target)) == (70, 30)


async def test_a_treasury_is_the_source_of_credits_and_the_sink_of_debits(client: Client) -> None:
    wallet, treasury = await client.wallet(), await client.treasury()
    assert (await client.transfer(treasury, wallet, "50")).json["type"] == "credit"
    assert (await client.transfer(wallet, treasury, 20)).json["type"] == "debit"
    assert await client.posted(treasury) == -30


async def test_the_refusals_of_a_transfer(client: Client) -> None:
    await client.asset("GOLD", transferable=False, min_amount=10, max_amount=1000)
    await client.asset("IDLE", active=False)
    first, second, treasury = await client.wallet(amount=5), await client.wallet(), await client.treasury()
    gold, other_gold = await client.wallet("GOLD", 100), await client.wallet("GOLD")
    idle = await client.wallet("IDLE")
    big = await client.asset("BIG", max_amount=str(2**63 - 1))
    rich = await client.wallet("BIG", 2**63 - 1)
    for source, target, amount, status, code in [
        (first, second, 6, 422, "insufficient_balance"),
        (first, first, 1, 422, "same_wallet"),
        (first, gold, 1, 422, "asset_mismatch"),
        (gold, other_gold, 10, 422, "asset_not_transferable"),
        (await client.treasury("GOLD"), gold, 9, 422, "amount_below_minimum"),
        (await client.treasury("GOLD"), gold, 1001, 422, "amount_above_maximum"),
        (await client.treasury("IDLE"), idle, 1, 422, "asset_inactive"),
        (UNKNOWN, first, 1, 404, "wallet_not_found"),
        (first, "nonsense", 1, 404, "wallet_not_found"),
        (treasury, first, 0, 422, "amount_not_positive"),
        (big["treasury_wallet_id"], rich, 1, 422, "balance_overflow"),
    ]:
        answer = await client.transfer(source, target, amount)
        assert (code, answer.status, answer.code) == (code, status, code)


async def test_an_insufficient_balance_says_what_there_is_and_what_is_needed(client: Client) -> None:
    first, second = await client.wallet(amount=5), await client.wallet()
    body = (await client.transfer(first, second, 6)).json
    assert (body["error"], body["current_balance"], body["required_amount"]) == ("Insufficient balance", "5", "6")
    assert (body["asset"], body["scale"]) == ("USD", 2)


async def test_ids_are_taken_in_upper_case(client: Client) -> None:
    first, second = await client.wallet(amount=5), await client.wallet()
    answer = await client.transfer(first.upper(), second.upper(), 5)
    assert (answer.status, answer.json["source"]) == (201, first)


@pytest.mark.parametrize(
    "id_", ["tfr_0", "tfr_01", "tfr_99", "txn_1", "1", "tfr_", "tfr_-1", "tfr_" + "9" * 30, "TFR_1", "tfr_１"]
)
async def test_an_id_that_no_transfer_has_is_404(client: Client, id_: str) -> None:
    await client.wallet(amount=1)
    answer = await client.get(f"/v1/transfers/{id_}")
    assert (answer.status, answer.code) == (404, "transfer_not_found")
    answer = await client.get(f"/v1/transactions/{id_.replace('txn_', 'tfr_')}")
    assert (answer.status, answer.code) == (404, "transaction_not_found")


async def test_two_simultaneous_transfers_of_the_last_money_are_one(client: Client) -> None:
    source, target = await client.wallet(amount=10), await client.wallet()
    answers = await asyncio.gather(*(client.transfer(source, target, 10) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [201] + [422] * 9
    assert await client.posted(target) == 10


# --------------------------------------------------------------------------------------------------- transactions


async def test_a_transaction_moves_any_number_of_legs_and_assets(client: Client) -> None:
    await client.asset("EUR")
    a, b, c = await client.wallet(amount=100), await client.wallet(), await client.wallet()
    euro, other_euro = await client.wallet("EUR", 50), await client.wallet("EUR")
    legs = [
        {"wallet_id": a, "amount": -30},
        {"wallet_id": b, "amount": "20"},
        {"wallet_id": c, "amount": 10},
        {"wallet_id": euro, "amount": "-50"},
        {"wallet_id": other_euro, "amount": 50},
    ]
    made = await client.post("/v1/transactions", {"legs": legs, "description": "swap"})
    assert made.status == 201
    assert [leg["amount"] for leg in made.json["legs"]] == ["-30", "20", "10", "-50", "50"]
    assert [leg["balance_after"] for leg in made.json["legs"]] == ["70", "20", "10", "0", "50"]
    assert (await client.get(made.headers["Location"])).body == made.body
    number = made.json["id"].removeprefix("txn_")
    assert (await client.get(f"/v1/transfers/tfr_{number}")).code == "transfer_not_found"


async def test_a_transaction_of_two_legs_is_a_transfer_too(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    legs = [{"wallet_id": b, "amount": 4}, {"wallet_id": a, "amount": -4}]
    made = await client.post("/v1/transactions", {"legs": legs})
    transfer = (await client.get(f"/v1/transfers/tfr_{made.json['id'][4:]}")).json
    assert (transfer["source"], transfer["destination"], transfer["amount"]) == (a, b, "4")


async def test_the_refusals_of_a_transaction(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()

    async def refused(*legs: tuple[str, Any]) -> str:
        answer = await client.post("/v1/transactions", {"legs": [{"wallet_id": w, "amount": n} for w, n in legs]})
        assert answer.status in (404, 422)
        return answer.code

    assert await refused((a, -5), (b, 4)) == "legs_unbalanced"
    assert await refused((a, -11), (b, 11)) == "insufficient_balance"
    assert await refused((a, -5), (UNKNOWN, 5)) == "wallet_not_found"
    assert await refused((a, 0), (b, 0)) == "invalid_request"
    assert await refused((a, -5)) == "invalid_request"
    assert await client.posted(a) == 10


# ----------------------------------------------------------------------------------------------------- dry runs


async def test_a_dry_run_of_a_movement_shows_balances_and_changes_nothing(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    before = client.engine.ledger.seq
    answer = await client.transfer(a, b, 4, query="?dry_run=true", key="k")
    assert answer.status == 200
    assert [leg["balance_after"] for leg in answer.json["legs"]] == ["6", "4"]
    assert (answer.json["id"], answer.json["transaction_id"], answer.json["sequence"]) == (None, None, None)
    assert all(leg["entry_id"] is None for leg in answer.json["legs"])
    legs = [{"wallet_id": a, "amount": -4}, {"wallet_id": b, "amount": 4}]
    answer = await client.post("/v1/transactions?dry_run=true", {"legs": legs})
    assert (answer.status, answer.json["id"]) == (200, None)
    assert (await client.transfer(a, b, 11, query="?dry_run=true")).code == "insufficient_balance"
    assert client.engine.ledger.seq == before
    assert (await client.transfer(a, b, 5, key="k")).status == 201


async def test_a_typing_error_in_dry_run_moves_nothing(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    answer = await client.transfer(a, b, 4, query="?dryrun=true")
    assert (answer.status, answer.pointers) == (422, ["/dryrun"])
    assert await client.posted(a) == 10


# ------------------------------------------------------------------------------------------------------ batches


async def test_a_batch_answers_each_item_in_order(client: Client) -> None:
    a, b, treasury = await client.wallet(amount=10), await client.wallet(), await client.treasury()
    items = [
        {"source": a, "destination": b, "amount": 4},
        {"source": a, "destination": b, "amount": 0},
        {"source": a, "destination": b, "amount": 100},
        {"source": b, "destination": a, "amount": "4", "description": "back"},
        {"source": a, "destination": UNKNOWN, "amount": 1},
        {"source": a, "destination": b, "amount": "1.5"},
        {"source": treasury, "destination": b, "amount": 7, "description": "\x00"},
        {"source": treasury, "destination": b, "amount": 7},
    ]
    answer = await client.post("/v1/transfers/batch", {"transfers": items})
    assert answer.status == 200
    results = answer.json["results"]
    assert [result["status"] for result in results] == [201, 422, 422, 201, 404, 422, 422, 201]
    assert results[0]["transfer"]["legs"][0]["balance_after"] == "6"
    assert results[1]["problem"]["code"] == "amount_not_positive"
    assert results[1]["problem"]["errors"][0]["pointer"] == "/transfers/1/amount"
    assert results[2]["problem"]["code"] == "insufficient_balance"
    assert (results[2]["problem"]["current_balance"], results[2]["problem"]["required_amount"]) == ("6", "100")
    assert results[4]["problem"]["code"] == "wallet_not_found"
    assert results[6]["problem"]["errors"][0]["pointer"] == "/transfers/6/description"
    for result in (results[0], results[3], results[7]):
        assert (await client.get(f"/v1/transfers/{result['transfer']['id']}")).json == result["transfer"]
    assert (await client.posted(a), await client.posted(b)) == (10, 7)


async def test_an_atomic_batch_is_all_or_none(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    good = {"source": a, "destination": b, "amount": 4}
    for bad, code in (({**good, "amount": 7}, "insufficient_balance"), ({**good, "amount": 0}, "amount_not_positive")):
        answer = await client.post("/v1/transfers/batch", {"transfers": [good, bad, good], "atomic": True})
        assert (answer.status, answer.code, answer.json["index"]) == (422, code, 1)
    answer = await client.post("/v1/transfers/batch", {"transfers": [{**good, "source": UNKNOWN}], "atomic": True})
    assert (answer.status, answer.code, answer.json["index"]) == (422, "wallet_not_found", 0)
    assert await client.posted(a) == 10
    answer = await client.post("/v1/transfers/batch", {"transfers": [good, good], "atomic": True})
    assert [result["status"] for result in answer.json["results"]] == [201, 201]
    assert await client.posted(a) == 2


async def test_a_batch_in_a_dry_run_changes_nothing(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    item = {"source": a, "destination": b, "amount": 7}
    answer = await client.post("/v1/transfers/batch?dry_run=true", {"transfers": [item, item]})
    assert [result["status"] for result in answer.json["results"]] == [200, 422]
    assert answer.json["results"][0]["transfer"]["id"] is None
    assert await client.posted(a) == 10


async def test_a_batch_of_which_nothing_can_be_done_is_200_still(client: Client) -> None:
    a, b = await client.wallet(), await client.wallet()
    for amount in (0, 5):
        item = {"source": a, "destination": b, "amount": amount}
        answer = await client.post("/v1/transfers/batch", {"transfers": [item]}, headers={"Idempotency-Key": "k"})
        assert (answer.status, answer.json["results"][0]["status"]) == (200, 422)
        assert "Idempotency-Replayed" not in answer.headers


async def test_a_batch_has_one_to_ten_thousand_items(client: Client) -> None:
    a, b = await client.wallet(amount=10_001), await client.wallet()
    item = {"source": a, "destination": b, "amount": 1}
    for count in (0, 10_001):
        answer = await client.post("/v1/transfers/batch", {"transfers": [item] * count})
        assert (answer.status, answer.pointers) == (422, ["/transfers"])
    answer = await client.post("/v1/transfers/batch", {"transfers": [item] * 10_000})
    assert {result["status"] for result in answer.json["results"]} == {201}
    assert await client.posted(b) == 10_000


# -------------------------------------------------------------------------------------------------- idempotency


async def test_a_repeated_key_answers_the_same_bytes(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    item = {"source": a, "destination": b, "amount": 1}
    batch = [item, {**item, "amount": 0}, {**item, "amount": 1000}, {**item, "destination": UNKNOWN}]
    legs = [{"wallet_id": a, "amount": -1}, {"wallet_id": b, "amount": 1}]
    for path, body in (
        ("/v1/transfers", item),
        ("/v1/transactions", {"legs": legs}),
        ("/v1/transfers/batch", {"transfers": batch}),
    ):
        headers = {"Idempotency-Key": "same"}
        first = await client.post(path, body, headers=headers)
        assert "Idempotency-Replayed" not in first.headers
        for _ in range(2):
            again = await client.post(path, body, headers=headers)
            assert (again.status, again.body) == (first.status, first.body)
            assert again.headers["Idempotency-Replayed"] == "true"
            assert again.headers.get("Location") == first.headers.get("Location")
    assert await client.posted(b) == 3


async def test_equal_requests_are_equal_after_parsing(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    assert (await client.transfer(a, b, 3, key="k")).status == 201
    variants: list[tuple[str, Any, str, dict[str, Any]]] = [
        (a, "3", "k", {}),
        (a.upper(), "03", '"k"', {}),
        (a, 3, "k", {"description": None}),
    ]
    for source, amount, key, members in variants:
        answer = await client.transfer(source, b, amount, key=key, **members)
        assert answer.headers["Idempotency-Replayed"] == "true"
    assert await client.posted(b) == 3


async def test_a_key_with_another_request_names_what_differs(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    await client.transfer(a, b, 3, key="k")
    answer = await client.transfer(a, b, 4, key="k", description="x")
    assert (answer.status, answer.code, answer.pointers) == (422, "idempotency_key_reused", ["/amount", "/description"])
    assert await client.posted(b) == 3


async def test_thirty_duplicates_at_once_have_one_effect(client: Client) -> None:
    a, b = await client.wallet(amount=100), await client.wallet()
    answers = await asyncio.gather(*(client.transfer(a, b, 3, key="k") for _ in range(30)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert await client.posted(b) == 3


async def test_a_refusal_does_not_bind_its_key(client: Client) -> None:
    a, b = await client.wallet(), await client.wallet()
    assert (await client.transfer(a, b, 3, key="k")).code == "insufficient_balance"
    await client.transfer(await client.treasury(), a, 5)
    answer = await client.transfer(a, b, 4, key="k")
    assert (answer.status, "Idempotency-Replayed" in answer.headers) == (201, False)


async def test_a_key_belongs_to_its_route(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    await client.transfer(a, b, 1, key="k")
    item = {"source": a, "destination": b, "amount": 1}
    answer = await client.post("/v1/transfers/batch", {"transfers": [item]}, headers={"Idempotency-Key": "k"})
    assert "Idempotency-Replayed" not in answer.headers
    assert await client.posted(b) == 2


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, '"', '"open', '""', '"a b"', "é"])
async def test_a_malformed_key_is_refused(client: Client, key: str) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    answer = await client.transfer(a, b, 1, key=key)
    assert (answer.status, answer.pointers) == (422, ["/Idempotency-Key"])
    assert await client.posted(b) == 0


@pytest.mark.parametrize("key", ["x" * 255, '"' + "x" * 255 + '"', "~!#", '"a\\"b"', "a,b"])
async def test_a_key_is_any_visible_ascii(client: Client, key: str) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    assert (await client.transfer(a, b, 1, key=key)).status == 201


async def test_two_equal_requests_without_a_key_are_two_payments(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    await client.transfer(a, b, 1)
    await client.transfer(a, b, 1)
    assert await client.posted(b) == 2


async def test_an_unknown_outcome_is_503_and_points_to_the_key(client: Client) -> None:
    async def fails(*_: Any, **__: Any) -> Any:
        raise Refusal(RefusalCode.OUTCOME_UNKNOWN)

    client.engine.execute = fails  # type: ignore[method-assign]
    answer = await client.transfer("a", "b", 1, key="k")
    assert (answer.status, answer.code) == (503, "outcome_unknown")
    assert "Retry-After" in answer.headers


# ------------------------------------------------------------------------------------------------------ entries


async def test_a_history_is_walked_newest_first_while_rows_arrive(client: Client) -> None:
    wallet, treasury = await client.wallet(), await client.treasury()
    for amount in range(1, 8):
        await client.transfer(treasury, wallet, amount)
    seen: list[str] = []
    query = "?limit=3"
    while True:
        page = (await client.get(f"/v1/wallets/{wallet}/entries{query}")).json
        seen += [entry["amount"] for entry in page["data"]]
        await client.transfer(treasury, wallet, 100)
        if page["next"] is None:
            break
        query = f"?limit=3&cursor={page['next']}"
    assert seen == ["7", "6", "5", "4", "3", "2", "1"]


async def test_an_entry_says_all_of_its_movement(client: Client) -> None:
    a, b = await client.wallet(amount=10), await client.wallet()
    made = (await client.transfer(a, b, 4, description="d", category="c", reference="r", metadata={"x": [1]})).json
    answer = await client.get(f"/v1/wallets/{a}/entries?limit=1")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["data"] == [
        {
            "id": made["legs"][0]["entry_id"],
            "transaction_id": made["transaction_id"],
            "wallet_id": a,
            "type": "transfer_out",
            "amount": "-4",
            "asset": "USD",
            "scale": 2,
            "balance_after": "6",
            "description": "d",
            "category": "c",
            "reference": "r",
            "metadata": {"x": [1]},
            "sequence": made["sequence"],
            "created_at": made["created_at"],
        }
    ]


async def test_entries_are_filtered(client: Client) -> None:
    wallet, other = await client.wallet(amount=100), await client.wallet(amount=50)
    middle = (await client.transfer(wallet, other, 7, category="food")).json
    await client.transfer(other, wallet, 3)

    async def amounts(query: str) -> list[str]:
        answer = await client.get(f"/v1/wallets/{wallet}/entries?{query}")
        assert answer.status == 200
        return [entry["amount"] for entry in answer.json["data"]]

    assert await amounts("") == ["3", "-7", "100"]
    assert await amounts("type=credit") == ["100"]
    assert await amounts("type=transfer") == ["3", "-7"]
    assert await amounts("type=transfer_out") == ["-7"]
    assert await amounts("category=food") == ["-7"]
    assert await amounts("min_amount=7") == ["-7", "100"]
    assert await amounts("max_amount=7&min_amount=4") == ["-7"]
    assert await amounts(f"from={middle['created_at']}") == ["3", "-7"]
    assert await amounts(f"to={middle['created_at']}") == ["100"]


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("type=gift", ["/type"]),
        ("from=yesterday", ["/from"]),
        ("to=2026-01-01", ["/to"]),
        ("min_amount=-1&max_amount=1.5", ["/min_amount", "/max_amount"]),
        ("max_amount=99999999999999999999", ["/max_amount"]),
        ("category=%00", ["/category"]),
        ("page=1", ["/page"]),
        ("limit=1000", ["/limit"]),
    ],
)
async def test_a_bad_filter_of_a_history_is_422(client: Client, query: str, pointers: list[str]) -> None:
    answer = await client.get(f"/v1/wallets/{await client.treasury()}/entries?{query}")
    assert (answer.status, answer.pointers) == (422, pointers)


async def test_the_history_of_an_unknown_wallet_is_404(client: Client) -> None:
    assert (await client.get(f"/v1/wallets/{UNKNOWN}/entries")).code == "wallet_not_found"


async def test_a_wallet_shows_nothing_of_movements_that_are_not_durable(client: Client) -> None:
    assert client.gate is not None
    first, second = await client.wallet(amount=100), await client.wallet()
    client.gate.shut()
    payment = asyncio.ensure_future(client.transfer(first, second, 60))
    while not client.engine.in_flight:
        await quiet()

    shown = [(await client.get(f"/v1/wallets/{wallet}")).json for wallet in (first, second)]

    assert [(each["posted"], each["held"], each["available"]) for each in shown] == [
        ("100", "0", "100"),
        ("0", "0", "0"),
    ]
    client.gate.open()
    assert (await payment).status == 201
