"""Laws of the wallet service: every endpoint, member, status and error, as its own clients meet them."""

import re
import uuid
from typing import Any

import pytest

from walletd.engine.commands import Holding, transfer

from .conftest import Answer, Client, Serve

UNKNOWN = "00000000-0000-4000-8000-000000000000"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PROBLEM = "application/problem+json"


async def create(client: Client, user: str = "user-1") -> str:
    """The id of a new wallet of a new user."""
    answer = await client.post("/wallet/create", {"userId": user})
    assert answer.status == 201, answer.body
    return str(answer.json["walletId"])


async def rich(client: Client, user: str, amount: str) -> str:
    """The id of a new wallet with that balance."""
    wallet = await create(client, user)
    answer = await client.post("/wallet/add", {"walletId": wallet, "amount": amount})
    assert answer.status == 201, answer.body
    return wallet


async def balance(client: Client, wallet: str) -> str:
    """A wallet's balance as it stands in the answer's text."""
    return (await client.get(f"/wallet/{wallet}")).body.decode().split('"balance":')[1].split(",")[0]


def pay(source: str, destination: str, amount: Any, **members: Any) -> dict[str, Any]:
    return {"fromWalletId": source, "toWalletId": destination, "amount": amount, **members}


def drawn(answer: Answer) -> tuple[str, list[str]]:
    """The body's text with what is drawn or measured cut out: its UUIDs, given apart in order, and its instants."""
    text = re.sub(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', "*", answer.body.decode())
    return UUID.sub("#", text), [match[0] for match in UUID.finditer(text)]


# --------------------------------------------------------------------------------------------------------- wallets


async def test_a_new_wallet_has_all_its_members_and_can_be_read(client: Client) -> None:
    user = str(uuid.uuid4())
    made = await client.post("/wallet/create", {"userId": user})
    text, (id_, wallet, owner) = drawn(made)
    assert (made.status, made.headers["Location"]) == (201, f"/wallet/{wallet}")
    assert text == '{"id":"#","walletId":"#","userId":"#","balance":0.00,"createdAt":*,"updatedAt":*}'
    assert (id_, owner) == (wallet, user)
    read = await client.get(f"/wallet/{wallet}")
    assert (read.status, read.body, read.headers["Cache-Control"]) == (200, made.body, "no-store")
    assert (await client.get(f"/wallet/{wallet.upper()}")).body == made.body


async def test_a_user_has_one_wallet_and_a_second_create_names_it(client: Client) -> None:
    wallet = await create(client, "u")
    answer = await client.post("/wallet/create", {"userId": "u"})
    assert (answer.status, answer.code, answer.headers["Content-Type"]) == (409, "wallet_exists", PROBLEM)
    body = answer.json
    assert (body["walletId"], body["error"]) == (wallet, "Wallet already exists")
    assert body["message"] == body["detail"]


@pytest.mark.parametrize("attempt", range(3))
async def test_thirty_creates_at_once_make_one_wallet(client: Client, attempt: int) -> None:
    answers = await client.at_once(*(client.post("/wallet/create", {"userId": "u"}) for _ in range(30)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 29
    assert len({answer.json["walletId"] for answer in answers}) == 1
    assert (client.engine.ledger.user_count, client.engine.ledger.wallet_count) == (1, 2)


async def test_a_user_of_the_digital_wallet_has_its_wallet_here_already(client: Client) -> None:
    body = {"username": "ann", "email": "ann@example.com", "password": "password123"}
    user = (await client.post("/users", body)).json["user_id"]
    await client.post(f"/wallet/{user}/add-money", {"amount": 7})
    answer = await client.post("/wallet/create", {"userId": str(user)})
    wallet = answer.json["walletId"]
    assert (answer.status, wallet) == (409, client.engine.ledger.wallets_of(user)[0].id)
    assert ((await client.get(f"/wallet/{wallet}")).json["userId"], await balance(client, wallet)) == ("1", "7.00")


async def test_a_known_user_without_a_wallet_in_the_default_asset_gets_one(client: Client) -> None:
    await client.asset("GOLD")
    native, ours = (await client.user())["id"], (await client.user(external_id="ext"))["id"]
    gold = await client.post("/v1/wallets", {"user_id": native, "asset": "GOLD"})
    for name, user in ((str(native), native), ("ext", ours)):
        wallet = await create(client, name)
        assert client.engine.ledger.wallet(wallet).user_id == user
        assert wallet != gold.json["id"]
        assert (await client.get(f"/wallet/{wallet}")).json["userId"] == name
    assert client.engine.ledger.user_count == 2


async def test_an_external_id_goes_before_a_decimal_one(client: Client) -> None:
    first = (await client.user())["id"]
    named = (await client.user(external_id=str(first)))["id"]
    assert client.engine.ledger.wallet(await create(client, str(first))).user_id == named
    wallet = await create(client, str(named))
    assert client.engine.ledger.wallet(wallet).user_id not in (first, named)
    assert (await client.get(f"/wallet/{wallet}")).json["userId"] == str(named)


@pytest.mark.parametrize("user", ["", "u" * 65, "a b", "a\nb", " a", 5, None, ["u"], "\x00"])
async def test_a_user_id_that_is_none_is_400(client: Client, user: Any) -> None:
    answer = await client.post("/wallet/create", {"userId": user})
    assert (answer.status, answer.code, answer.pointers) == (400, "invalid_request", ["/userId"])
    assert (answer.json["error"], answer.json["message"]) == ("Invalid request", answer.json["detail"])
    assert (await client.post("/wallet/create", {})).pointers == ["/userId"]


@pytest.mark.parametrize("user", ["u", "u" * 64, "user@example.com", "größe-1", "%$/{}"])
async def test_a_user_id_of_visible_characters_is_taken_as_it_is(client: Client, user: str) -> None:
    assert (await client.get(f"/wallet/{await create(client, user)}")).json["userId"] == user


# ------------------------------------------------------------------------------------------------------- movements


async def test_add_and_deduct_answer_the_transaction(client: Client) -> None:
    wallet = await create(client)
    added = await client.post("/wallet/add", {"walletId": wallet, "amount": 150.5, "category": "salary"})
    text, (_, where) = drawn(added)
    assert (added.status, where) == (201, wallet)
    assert text == (
        '{"id":"#","walletId":"#","type":"CREDIT","amount":150.50,"referenceId":null,"balanceAfter":150.50,'
        '"category":"salary","createdAt":*}'
    )
    taken = await client.post("/wallet/deduct", {"walletId": wallet.upper(), "amount": "0.50"})
    text, (_, where) = drawn(taken)
    assert (taken.status, where) == (201, wallet)
    assert text == (
        '{"id":"#","walletId":"#","type":"DEBIT","amount":0.50,"referenceId":null,"balanceAfter":150.00,'
        '"category":null,"createdAt":*}'
    )
    assert await balance(client, wallet) == "150.00"
    for answer in (added, taken):
        assert (await client.get(answer.headers["Location"])).status == 200


async def test_a_transfer_answers_both_sides_with_one_reference(client: Client) -> None:
    source, destination = await rich(client, "a", "10"), await rich(client, "b", "1")
    made = await client.post("/wallet/transfer", pay(source, destination, "2.5", category="rent"))
    text, ids = drawn(made)
    assert made.status == 201
    assert text == (
        '{"referenceId":"#","amount":2.50,'
        '"debit":{"id":"#","walletId":"#","type":"TRANSFER_OUT","amount":2.50,"referenceId":"#","balanceAfter":7.50,'
        '"category":"rent","createdAt":*},'
        '"credit":{"id":"#","walletId":"#","type":"TRANSFER_IN","amount":2.50,"referenceId":"#","balanceAfter":3.50,'
        '"category":"rent","createdAt":*}}'
    )
    reference, debit, from_, first, credit, to, second = ids
    assert (from_, to, first, second) == (source, destination, reference, reference)
    assert len({reference, debit, credit, source, destination}) == 5
    assert (await client.get(made.headers["Location"])).status == 200
    for wallet, side in ((source, "debit"), (destination, "credit")):
        assert (await client.get(f"/wallet/{wallet}/transactions")).json["transactions"][0] == made.json[side]


async def test_ids_are_the_same_at_each_reading_and_met_once_only(serve: Serve) -> None:
    ids: set[str] = set()
    for _ in range(2):
        client = await serve()
        await client.asset()
        wallet = await create(client)
        made = [(await client.post("/wallet/add", {"walletId": wallet, "amount": 1})).json["id"] for _ in range(5)]
        for _ in range(2):
            rows = (await client.get(f"/wallet/{wallet}/transactions")).json["transactions"]
            assert [row["id"] for row in rows] == made[::-1]
        ids |= {*made}
    assert len(ids) == 10


@pytest.mark.parametrize(
    "amount",
    [
        "0", "-5", '"-5"', "0.001", '"10.005"', "1e2", '"1e2"', '"NaN"', '"1_000"', '"١٠"', '" 10"', '"10."', '""', "null",
        "true", "{}", "10000000000000.01", "1" + "0" * 400,
    ],
)  # fmt: skip
async def test_a_bad_amount_is_400_wherever_it_stands(client: Client, amount: str) -> None:
    first, second = await rich(client, "a", "5"), await rich(client, "b", "5")
    before = client.engine.ledger.seq
    for path, rest in [
        ("/wallet/add", f'"walletId":"{first}"'),
        ("/wallet/deduct", f'"walletId":"{first}"'),
        ("/wallet/transfer", f'"fromWalletId":"{first}","toWalletId":"{second}"'),
    ]:
        answer = await client.post(path, data=f'{{{rest},"amount":{amount}}}'.encode())
        assert (path, answer.status) == (path, 400), answer.body
        assert (answer.json["error"], answer.json["message"]) == (answer.json["title"], answer.json["detail"])
    assert client.engine.ledger.seq == before


async def test_a_debit_of_too_much_says_what_there_is(client: Client) -> None:
    wallet, other = await rich(client, "a", "50"), await create(client, "b")
    for path, body in [
        ("/wallet/deduct", {"walletId": wallet, "amount": 100}),
        ("/wallet/transfer", pay(wallet, other, "100.00")),
    ]:
        answer = await client.post(path, body)
        assert (answer.status, answer.code, answer.headers["Content-Type"]) == (400, "insufficient_balance", PROBLEM)
        text = answer.body.decode()
        assert '"error":"Insufficient balance"' in text
        assert '"current_balance":50.00,"required_amount":100.00' in text
        assert answer.json["message"] == answer.json["detail"]
    assert (await balance(client, wallet), await balance(client, other)) == ("50.00", "0.00")


async def test_a_transfer_to_the_same_wallet_is_400(client: Client) -> None:
    wallet = await rich(client, "a", "5")
    answer = await client.post("/wallet/transfer", pay(wallet, wallet.upper(), 1))
    assert (answer.status, answer.code, answer.json["error"]) == (400, "same_wallet", answer.json["title"])


async def test_wallets_of_other_assets_work_by_their_ids(client: Client) -> None:
    await client.asset("GOLD", scale=3)
    first, second, dollars = await client.wallet("GOLD"), await client.wallet("GOLD"), await rich(client, "a", "9")
    assert (await client.post("/wallet/add", {"walletId": first, "amount": "1.005"})).status == 201
    assert b'"amount":1.000,' in (await client.post("/wallet/transfer", pay(first, second, 1))).body
    assert (await balance(client, first), await balance(client, second)) == ("0.005", "1.000")
    answer = await client.post("/wallet/transfer", pay(dollars, first, 1))
    assert (answer.status, answer.code) == (400, "asset_mismatch")


@pytest.mark.parametrize(
    "id_", ["7", "abc", UNKNOWN[:-1], UNKNOWN + "0", "g" + UNKNOWN[1:], UNKNOWN.replace("-", ""), "{" + UNKNOWN + "}"]
)
async def test_an_id_that_is_no_uuid_is_400(client: Client, id_: str) -> None:
    wallet = await rich(client, "a", "5")
    for path in (f"/wallet/{id_}", f"/wallet/{id_}/transactions"):
        answer = await client.get(path)
        assert (answer.status, answer.code, answer.pointers) == (400, "invalid_request", ["/id"])
    for path, body, pointer in [
        ("/wallet/add", {"walletId": id_, "amount": 1}, "/walletId"),
        ("/wallet/deduct", {"walletId": id_, "amount": 1}, "/walletId"),
        ("/wallet/transfer", pay(id_, wallet, 1), "/fromWalletId"),
        ("/wallet/transfer", pay(wallet, id_, 1), "/toWalletId"),
    ]:
        answer = await client.post(path, body)
        assert (answer.status, answer.pointers) == (400, [pointer])


async def test_an_id_that_no_users_wallet_has_is_404(client: Client) -> None:
    wallet, treasury = await rich(client, "a", "5"), await client.treasury()
    for id_ in (UNKNOWN, treasury):
        answers = [await client.get(f"/wallet/{id_}"), await client.get(f"/wallet/{id_}/transactions")]
        for path, body in [
            ("/wallet/add", {"walletId": id_, "amount": 1}),
            ("/wallet/deduct", {"walletId": id_, "amount": 1}),
            ("/wallet/transfer", pay(id_, wallet, 1)),
            ("/wallet/transfer", pay(wallet, id_, 1)),
        ]:
            answers.append(await client.post(path, body))
        for answer in answers:
            assert (answer.status, answer.code, answer.json["error"]) == (404, "wallet_not_found", "Wallet not found")
            assert answer.json["message"] == f"There is no wallet '{id_}'."


@pytest.mark.parametrize(
    ("path", "body", "pointers"),
    [
        ("/wallet/add", {}, ["/walletId", "/amount"]),
        ("/wallet/deduct", {"amount": 1}, ["/walletId"]),
        ("/wallet/transfer", {"amount": 1}, ["/fromWalletId", "/toWalletId"]),
        ("/wallet/add", {"walletId": 5, "amount": "x"}, ["/walletId", "/amount"]),
        ("/wallet/add", {"walletId": UNKNOWN, "amount": 1, "category": 5}, ["/category"]),
        ("/wallet/add", {"walletId": UNKNOWN, "amount": 1, "category": "c" * 65}, ["/category"]),
        ("/wallet/add", {"walletId": UNKNOWN, "amount": 1, "category": "a\x00"}, ["/category"]),
    ],
)
async def test_every_bad_member_is_named(client: Client, path: str, body: dict[str, Any], pointers: list[str]) -> None:
    answer = await client.post(path, body)
    assert (answer.status, answer.pointers) == (400, pointers)


async def test_members_of_other_names_are_ignored(client: Client) -> None:
    wallet = await create(client)
    body = {"walletId": wallet, "amount": 1, "category": None, "currency": "EUR", "wallet_id": "x"}
    answer = await client.post("/wallet/add?trace=1", body)
    assert (answer.status, answer.json["category"]) == (201, None)


async def test_a_dry_run_is_refused_here_rather_than_paid(client: Client) -> None:
    wallet = await create(client)
    answer = await client.post("/wallet/add?dry_run=true", {"walletId": wallet, "amount": 1})
    assert (answer.status, answer.pointers, await balance(client, wallet)) == (400, ["/dry_run"], "0.00")


# ------------------------------------------------------------------------------------------------------- histories


async def test_a_history_is_latest_first_and_sums_up_to_the_balance(client: Client) -> None:
    first, second = await rich(client, "a", "100"), await rich(client, "b", "50")
    await client.post("/wallet/transfer", pay(first, second, 25, category="rent"))
    await client.post("/wallet/transfer", pay(second, first, "5"))
    await client.post("/wallet/deduct", {"walletId": first, "amount": "0.01"})
    answer = await client.get(f"/wallet/{first}/transactions")
    text, _ = drawn(answer)
    row = '{{"id":"#","walletId":"#","type":"{}","amount":{},"referenceId":{},"balanceAfter":{},"category":{},"createdAt":*}}'
    rows = [
        row.format("DEBIT", "0.01", "null", "79.99", "null"),
        row.format("TRANSFER_IN", "5.00", '"#"', "80.00", "null"),
        row.format("TRANSFER_OUT", "25.00", '"#"', "75.00", '"rent"'),
        row.format("CREDIT", "100.00", "null", "100.00", "null"),
    ]
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert text == f'{{"transactions":[{",".join(rows)}],"total":4,"page":1,"limit":20,"totalPages":1}}'
    signs = {"CREDIT": 1, "TRANSFER_IN": 1, "DEBIT": -1, "TRANSFER_OUT": -1}
    shown = answer.json["transactions"]
    assert round(sum(signs[item["type"]] * item["amount"] for item in shown), 2) == shown[0]["balanceAfter"] == 79.99
    assert await balance(client, first) == "79.99"


async def test_a_type_as_filter_gives_that_type_alone_with_its_own_total(client: Client) -> None:
    first, second = await rich(client, "a", "100"), await rich(client, "b", "50")
    treasury = client.engine.ledger.asset("USD").treasury.id
    for kind in ("topup", "bonus"):
        await client.engine.execute(transfer(treasury, first, 100, type=kind))
    await client.engine.execute(transfer(first, treasury, 100, type="spend"))
    for amount in (7, -7):
        legs = [{"wallet_id": treasury, "amount": -amount}, {"wallet_id": first, "amount": amount}]
        assert (await client.post("/v1/transactions", {"legs": legs})).status == 201
    for _ in range(3):
        await client.post("/wallet/transfer", pay(first, second, 1))
    await client.post("/wallet/transfer", pay(second, first, 1))
    everything = (await client.get(f"/wallet/{first}/transactions?limit=100")).json
    assert everything["total"] == 10
    for name, total in [("CREDIT", 4), ("DEBIT", 2), ("TRANSFER_IN", 1), ("TRANSFER_OUT", 3)]:
        page = (await client.get(f"/wallet/{first}/transactions?type={name}&limit=2")).json
        of_type = [row for row in everything["transactions"] if row["type"] == name]
        assert (page["total"], page["totalPages"]) == (total, -(-total // 2))
        assert (page["transactions"], len(of_type)) == (of_type[:2], total)


async def test_pages_count_from_one_and_cover_everything_once(client: Client) -> None:
    wallet = await create(client)
    empty = (await client.get(f"/wallet/{wallet}/transactions")).body
    assert empty == b'{"transactions":[],"total":0,"page":1,"limit":20,"totalPages":0}'
    for cents in range(1, 42):
        await client.post("/wallet/add", {"walletId": wallet, "amount": f"0.{cents:02}"})
    seen: list[float] = []
    for page, count in [(1, 20), (2, 20), (3, 1), (4, 0)]:
        answer = (await client.get(f"/wallet/{wallet}/transactions?page={page}")).json
        assert [answer[name] for name in ("total", "page", "limit", "totalPages")] == [41, page, 20, 3]
        assert len(answer["transactions"]) == count
        seen += [row["amount"] for row in answer["transactions"]]
    assert seen == [cents / 100 for cents in range(41, 0, -1)]
    assert (await client.get(f"/wallet/{wallet}/transactions?limit=41")).json["totalPages"] == 1


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("page=0", "/page"),
        ("page=x", "/page"),
        ("page=", "/page"),
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=1.0", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("type=debit", "/type"),
        ("type=", "/type"),
        ("type=ALL", "/type"),
        ("type=transfer_in", "/type"),
        ("type=CREDIT,DEBIT", "/type"),
    ],
)
async def test_a_page_or_filter_that_is_none_is_400(client: Client, query: str, pointer: str) -> None:
    wallet = await create(client)
    answer = await client.get(f"/wallet/{wallet}/transactions?{query}")
    assert (answer.status, answer.code, answer.pointers) == (400, "invalid_request", [pointer])
    assert answer.json["error"] == "Invalid request"


async def test_queries_of_other_names_are_ignored(client: Client) -> None:
    wallet = await create(client)
    for path in (f"/wallet/{wallet}?_=1", f"/wallet/{wallet}/transactions?sort=desc&_=1"):
        assert (await client.get(path)).status == 200


# ---------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("path", ["/wallet/create", "/wallet/add", "/wallet/deduct", "/wallet/transfer"])
async def test_a_body_that_is_none_is_400_415_or_413(serve: Serve, path: str) -> None:
    client = await serve(body_bytes_max=200)
    await client.asset()
    for data, headers, status, code in [
        (b"{not json", {}, 400, "body_not_json"),
        (b"", {"Content-Type": "application/json"}, 400, "body_not_json"),
        (b"[]", {}, 400, "invalid_request"),
        (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        (b'{"x":"' + b"x" * 200 + b'"}', {}, 413, "body_too_large"),
    ]:
        answer = await client.post(path, data=data, headers=headers)
        assert (answer.status, answer.code) == (status, code)
        assert (answer.json["error"], answer.json["message"]) == (answer.json["title"], answer.json["detail"])


async def test_frozen_and_closed_wallets_and_assets_that_do_not_move_are_403(client: Client) -> None:
    await client.asset("GOLD", transferable=False)
    gold, other_gold = await client.wallet("GOLD", 100), await client.wallet("GOLD")
    answer = await client.post("/wallet/transfer", pay(gold, other_gold, 1))
    assert (answer.status, answer.code) == (403, "asset_not_transferable")
    wallet, empty = await rich(client, "a", "10"), await create(client, "b")
    freeze = {"debits": True, "credits": True, "reason": "a look at it"}
    assert (await client.post(f"/v1/wallets/{wallet}/freeze", freeze)).status == 200
    assert (await client.post(f"/v1/wallets/{empty}/close")).status == 200
    for id_, code in ((wallet, "wallet_frozen"), (empty, "wallet_closed")):
        for path in ("/wallet/add", "/wallet/deduct"):
            answer = await client.post(path, {"walletId": id_, "amount": 1})
            assert (answer.status, answer.code, answer.json["error"]) == (403, code, answer.json["title"])
    await client.asset("IDLE", active=False)
    answer = await client.post("/wallet/add", {"walletId": await client.wallet("IDLE"), "amount": 1})
    assert (answer.status, answer.code) == (403, "asset_inactive")


async def test_the_limits_of_the_asset_are_400(serve: Serve) -> None:
    client = await serve()
    await client.asset(min_amount=100, max_amount=str(2**63 - 1))
    wallet = await create(client)
    for amount, status, code in [
        ("0.99", 400, "amount_below_minimum"),
        ("92233720368547758.08", 400, "amount_above_maximum"),
        ("92233720368547757.00", 201, None),
        ("1.08", 400, "balance_overflow"),
    ]:
        answer = await client.post("/wallet/add", {"walletId": wallet, "amount": amount})
        assert (amount, answer.status, answer.json.get("code")) == (amount, status, code)
    assert await balance(client, wallet) == "92233720368547757.00"


async def test_another_method_an_overload_and_a_full_disk_answer_in_this_form(serve: Serve) -> None:
    client = await serve(rows_max=3)
    await client.asset()
    wallet = await rich(client, "a", "5")
    answer = await client.get("/wallet/create")
    assert (answer.status, answer.headers["Allow"], answer.json["error"]) == (405, "POST", "Method not allowed")
    answer = await client.post("/wallet/add", {"walletId": wallet, "amount": 1})
    assert (answer.status, answer.code, answer.json["message"]) == (503, "read_only", answer.json["detail"])
    assert "Retry-After" in answer.headers
    assert await balance(client, wallet) == "5.00"
    answer = await (await serve(in_flight_max=0)).get(f"/wallet/{wallet}")
    assert (answer.status, answer.code, answer.json["error"]) == (503, "overloaded", "Server is overloaded")
    client = await serve(rate_limit_per_s=0.001, rate_burst=1)
    await client.get(f"/wallet/{wallet}")
    answer = await client.get(f"/wallet/{wallet}")
    assert (answer.status, answer.json["error"], "Retry-After" in answer.headers) == (429, "Too many requests", True)


# ----------------------------------------------------------------------------------------------------- idempotency


async def keyed(client: Client, path: str, body: Any, key: str = "k1") -> Answer:
    return await client.post(path, body, headers={"Idempotency-Key": key})


async def test_a_key_has_one_effect_and_is_answered_alike_to_the_byte(client: Client) -> None:
    wallet, other = await rich(client, "a", "100"), await create(client, "b")
    for path, body, same in [
        ("/wallet/add", {"walletId": wallet, "amount": 10}, {"walletId": wallet.upper(), "amount": "10.00", "x": 1}),
        ("/wallet/deduct", {"walletId": wallet, "amount": "5.0"}, {"walletId": wallet, "amount": 5, "category": None}),
        ("/wallet/transfer", pay(wallet, other, 2.5), pay(wallet, other, "2.50")),
    ]:
        first = await keyed(client, path, body)
        assert (first.status, first.headers.get("Idempotency-Replayed")) == (201, None)
        await client.post("/wallet/add", {"walletId": wallet, "amount": 1})
        before = client.engine.ledger.seq
        again = await keyed(client, path, same, '"k1"')
        assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true")
        assert (again.body, again.headers["Location"]) == (first.body, first.headers["Location"])
        assert client.engine.ledger.seq == before


async def test_a_key_with_another_request_is_409_and_names_what_differs(client: Client) -> None:
    wallet, other = await rich(client, "a", "100"), await create(client, "b")
    await keyed(client, "/wallet/add", {"walletId": wallet, "amount": 10})
    await keyed(client, "/wallet/transfer", pay(wallet, other, 1))
    for path, body, pointers in [
        ("/wallet/add", {"walletId": other, "amount": 10}, ["/walletId"]),
        ("/wallet/add", {"walletId": wallet, "amount": 9, "category": "c"}, ["/amount", "/category"]),
        ("/wallet/transfer", pay(other, wallet, 1), ["/fromWalletId", "/toWalletId"]),
    ]:
        answer = await keyed(client, path, body)
        assert (answer.status, answer.code, answer.pointers) == (409, "idempotency_key_reused", pointers)
        assert (answer.json["error"], answer.json["message"]) == (answer.json["title"], answer.json["detail"])


async def test_a_key_belongs_to_its_route_and_is_free_after_a_refusal(client: Client) -> None:
    wallet = await create(client)
    body = {"walletId": wallet, "amount": 10}
    assert (await keyed(client, "/wallet/deduct", body)).status == 400
    assert (await keyed(client, "/wallet/add", body)).status == 201
    assert (await keyed(client, "/wallet/deduct", body)).status == 201
    answer = await keyed(client, "/wallet/add", body, "two words")
    assert (answer.status, answer.pointers) == (400, ["/Idempotency-Key"])


# --------------------------------------------------------------------------------------------- at the same moment


@pytest.mark.parametrize("attempt", range(10))
async def test_two_simultaneous_transfers_of_the_last_money_are_one(client: Client, attempt: int) -> None:
    source, first, second = await rich(client, "a", "10"), await create(client, "b"), await create(client, "c")
    answers = await client.at_once(
        *(client.post("/wallet/transfer", pay(source, wallet, "10.00")) for wallet in (first, second))
    )
    assert sorted(answer.status for answer in answers) == [201, 400]
    assert await balance(client, source) == "0.00"
    assert sorted([await balance(client, first), await balance(client, second)]) == ["0.00", "10.00"]


@pytest.mark.parametrize("attempt", range(3))
async def test_of_fifty_deductions_at_once_exactly_those_that_fit_are_done(client: Client, attempt: int) -> None:
    wallet = await rich(client, "a", "100")
    body = {"walletId": wallet, "amount": 10}
    answers = await client.at_once(*(client.post("/wallet/deduct", body) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [201] * 10 + [400] * 40
    assert await balance(client, wallet) == "0.00"
    rows = (await client.get(f"/wallet/{wallet}/transactions")).json
    assert [row["balanceAfter"] for row in rows["transactions"]] == [*range(0, 100, 10), 100]


@pytest.mark.parametrize("attempt", range(3))
async def test_one_key_sent_thirty_times_at_once_is_one_effect_and_one_answer(client: Client, attempt: int) -> None:
    wallet, other = await rich(client, "a", "100"), await create(client, "b")
    for path, body in [
        ("/wallet/add", {"walletId": wallet, "amount": 1}),
        ("/wallet/deduct", {"walletId": wallet, "amount": 1}),
        ("/wallet/transfer", pay(wallet, other, 1)),
    ]:
        before = client.engine.ledger.seq
        answers = await client.at_once(*(keyed(client, path, body) for _ in range(30)))
        assert {answer.status for answer in answers} == {201}
        assert len({answer.body for answer in answers}) == 1
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 29
        assert client.engine.ledger.seq == before + 1


@pytest.mark.parametrize("attempt", range(3))
async def test_crossing_transfers_conserve_the_money(client: Client, attempt: int) -> None:
    first, second = await rich(client, "a", "5"), await rich(client, "b", "5")
    crossing = [client.post("/wallet/transfer", pay(*pair, 1)) for pair in [(first, second), (second, first)] * 25]
    answers = await client.at_once(*crossing)
    assert {answer.status for answer in answers} <= {201, 400}
    left = [float(await balance(client, wallet)) for wallet in (first, second)]
    assert min(left) >= 0
    assert sum(left) == 10


# ------------------------------------------------------------------------------------------------------ other APIs


async def test_a_movement_made_here_is_seen_everywhere_and_the_other_way_round(client: Client) -> None:
    wallet, other = await rich(client, "ann", "100"), await create(client, "bob")
    await client.post("/wallet/transfer", pay(wallet, other, 30, category="rent"))
    ledger = client.engine.ledger
    ann, bob = ledger.find_user("ann").id, ledger.find_user("bob").id
    rows = (await client.get(f"/transactions/{bob}")).json["transactions"]
    assert [(row["transaction_type"], row["amount"]) for row in rows] == [("TRANSFER_IN", 30)]
    assert (await client.get(f"/wallet/{ann}/balance")).json["balance"] == 70
    entries = (await client.get(f"/v1/wallets/{wallet}/entries?category=rent")).json["data"]
    assert [(entry["type"], entry["amount"]) for entry in entries] == [("transfer_out", "-3000")]
    await client.post("/transfer", {"sender_user_id": bob, "recipient_user_id": ann, "amount": 10})
    await client.transfer(wallet, other, 500, category="native")
    rows = (await client.get(f"/wallet/{other}/transactions?limit=2")).json["transactions"]
    assert [(row["type"], row["amount"], row["category"]) for row in rows] == [
        ("TRANSFER_IN", 5, "native"),
        ("TRANSFER_OUT", 10, None),
    ]
    assert (await balance(client, wallet), await balance(client, other)) == ("75.00", "25.00")


async def test_a_wallet_that_another_api_opened_by_a_credit_is_named_by_create(client: Client) -> None:
    asset = client.engine.ledger.asset("USD")
    await client.engine.execute(transfer(asset.treasury.id, Holding("USD", external_id="zoe", open_user=True), 500))
    answer = await client.post("/wallet/create", {"userId": "zoe"})
    assert (answer.status, await balance(client, answer.json["walletId"])) == (409, "5.00")


async def test_a_session_as_a_client_of_this_api_holds_it(client: Client) -> None:
    session, user, friend = client.session, str(uuid.uuid4()), str(uuid.uuid4())
    wallet = (await (await session.post("/wallet/create", json={"userId": user})).json())["walletId"]
    other = (await (await session.post("/wallet/create", json={"userId": friend})).json())["id"]
    again = await session.post("/wallet/create", json={"userId": user})
    assert (again.status, (await again.json())["walletId"]) == (409, wallet)
    body = {"walletId": wallet, "amount": 100, "category": "top-up"}
    credit = await (await session.post("/wallet/add", json=body)).json()
    assert (credit["type"], credit["balanceAfter"], credit["category"]) == ("CREDIT", 100, "top-up")
    moved = await (await session.post("/wallet/transfer", json=pay(wallet, other, 40.25))).json()
    assert moved["debit"]["referenceId"] == moved["credit"]["referenceId"] == moved["referenceId"]
    refused = await session.post("/wallet/deduct", json={"walletId": wallet, "amount": 60})
    body = await refused.json()
    assert (refused.status, body["error"], body["current_balance"]) == (400, "Insufficient balance", 59.75)
    query = {"type": "DEBIT", "limit": "20", "page": "1"}
    page = await (await session.get(f"/wallet/{wallet}/transactions", params=query)).json()
    assert page == {"transactions": [], "total": 0, "page": 1, "limit": 20, "totalPages": 0}
    shown = await (await session.get(f"/wallet/{wallet}")).json()
    assert (shown["userId"], shown["balance"]) == (user, 59.75)
