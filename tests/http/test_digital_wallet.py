"""Laws of the digital wallet: every endpoint, member, status and error, as its own clients meet them."""

import asyncio
import json
from typing import Any

import pytest

from walletd.engine.commands import Holding, transfer
from walletd.engine.identity import Holder
from walletd.http.routes import Routes
from walletd.tests.builders import quiet

from .conftest import Answer, Client, Serve

UNKNOWN_USER = 999
PROBLEM = "application/problem+json"


async def register(client: Client, name: str = "ann", **members: Any) -> int:
    """The id of a new user."""
    body = {"username": name, "email": f"{name}@example.com", "password": "password123", **members}
    answer = await client.post("/users", body)
    assert answer.status == 201, answer.body
    return int(answer.json["user_id"])


async def rich(client: Client, name: str, amount: str) -> int:
    """The id of a new user with that balance."""
    user = await register(client, name)
    answer = await client.post(f"/wallet/{user}/add-money", {"amount": amount})
    assert answer.status == 201, answer.body
    return user


async def balance(client: Client, user: int) -> str:
    """A user's balance as it stands in the answer's text."""
    body = (await client.get(f"/wallet/{user}/balance")).body.decode()
    return body.split('"balance":')[1].split(",")[0]


def pay(sender: int, recipient: int, amount: Any, **members: Any) -> dict[str, Any]:
    return {"sender_user_id": sender, "recipient_user_id": recipient, "amount": amount, **members}


def timeless(answer: Answer, *names: str) -> str:
    """The body's text with the instants of these members cut out, after a look at their form."""
    text = answer.body.decode()
    for name in names:
        head, found, tail = text.partition(f'"{name}":"')
        instant, _, rest = tail.partition('"')
        assert found
        assert (len(instant), instant[-1], instant[10], instant[19]) == (27, "Z", "T", ".")
        text = f'{head}"{name}":*{rest}'
    return text


# ----------------------------------------------------------------------------------------------------------- users


async def test_a_new_user_has_its_wallet_at_zero_from_the_start(client: Client) -> None:
    body = {"username": "john_doe", "email": "john@example.com", "password": "password123", "phone_number": "+1234567"}
    made = await client.post("/users", body)
    assert (made.status, made.headers["Location"]) == (201, "/users/1")
    assert timeless(made, "created_at") == (
        '{"user_id":1,"username":"john_doe","email":"john@example.com","phone_number":"+1234567",'
        '"balance":0.00,"created_at":*}'
    )
    read = await client.get("/users/1")
    assert (read.status, read.body, read.headers["Cache-Control"]) == (200, made.body, "no-store")
    assert len(client.engine.ledger.wallets_of(1)) == 1


async def test_user_and_wallet_are_made_in_one_record(client: Client) -> None:
    before = client.engine.ledger.seq
    await register(client)
    assert client.engine.ledger.seq == before + 1


async def test_the_password_is_kept_for_the_login_and_never_told(client: Client) -> None:
    user = await register(client, password="correct horse")
    access = client.server._services.access
    holder = Holder(user, client.engine.ledger.user(user).created_at)
    assert await access.check_password(holder, "correct horse")
    assert not await access.check_password(holder, "password123")
    for path in (f"/users/{user}", f"/v1/users/{user}", "/v1/events"):
        assert b"correct horse" not in (await client.get(path)).body


async def test_a_phone_number_that_is_not_given_is_null(client: Client) -> None:
    await register(client)
    assert b'"phone_number":null,' in (await client.get("/users/1")).body


@pytest.mark.parametrize("duplicate", [{"username": "ann"}, {"email": "ann@example.com"}, {"email": "ANN@example.com"}])
async def test_a_username_or_email_that_is_taken_is_409(client: Client, duplicate: dict[str, str]) -> None:
    await register(client, "ann")
    body = {"username": "bob", "email": "bob@example.com", "password": "password123", **duplicate}
    answer = await client.post("/users", body)
    assert (answer.status, answer.code, answer.json["error"]) == (409, "user_exists", "User already exists")


async def test_thirty_registrations_of_one_name_at_once_are_one_user(client: Client) -> None:
    body = {"username": "ann", "email": "ann@example.com", "password": "password123"}
    answers = await client.at_once(*(client.post("/users", body) for _ in range(30)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 29
    assert client.engine.ledger.user_count == 1


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("username", ""),
        ("username", "u" * 51),
        ("username", None),
        ("username", 5),
        ("username", "a\x00b"),
        ("email", "a@"),
        ("email", "no-at-sign"),
        ("email", "a b@example.com"),
        ("email", "e" * 95 + "@b.com"),
        ("email", None),
        ("password", "short77"),
        ("password", "p" * 129),
        ("password", None),
        ("phone_number", "1" * 16),
        ("phone_number", 5551234),
    ],
)
async def test_a_bad_member_of_a_registration_is_422_and_named(client: Client, member: str, value: Any) -> None:
    body = {"username": "ann", "email": "ann@example.com", "password": "password123", member: value}
    answer = await client.post("/users", body)
    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_request", [f"/{member}"])
    assert client.engine.ledger.user_count == 0


async def test_the_bounds_of_a_registration_are_included(client: Client) -> None:
    longest = {"username": "u" * 50, "email": "e" * 94 + "@b.com", "password": "p" * 128, "phone_number": "1" * 15}
    shortest = {"username": "u", "email": "a@b", "password": "p" * 8, "phone_number": None}
    for body in (longest, shortest):
        assert (await client.post("/users", body)).status == 201


async def test_every_missing_member_is_named_at_once(client: Client) -> None:
    answer = await client.post("/users", {"phone_number": "1"})
    assert (answer.status, answer.pointers) == (422, ["/username", "/email", "/password"])


async def test_members_that_a_registration_does_not_have_are_ignored(client: Client) -> None:
    assert await register(client, "ann", first_name="Ann", is_active=True) == 1


async def test_a_user_may_change_its_username_and_phone_number(client: Client) -> None:
    user = await register(client, "ann", phone_number="123")
    answer = await client.send("PUT", f"/users/{user}", {"username": "anna", "phone_number": "456"})
    assert answer.status == 200
    assert (answer.json["username"], answer.json["phone_number"]) == ("anna", "456")
    assert (await client.get(f"/users/{user}")).body == answer.body


async def test_two_changes_at_once_are_each_shown_as_they_left_the_user(client: Client) -> None:
    user = await register(client, "ann")
    names = ["anna", "anne", "hannah"]
    answers = await client.at_once(*(client.send("PUT", f"/users/{user}", {"username": name}) for name in names))
    assert [answer.json["username"] for answer in answers] == names


async def test_null_clears_the_phone_number_and_what_is_left_out_stays(client: Client) -> None:
    user = await register(client, "ann", phone_number="123")
    assert (await client.send("PUT", f"/users/{user}", {"username": "anna"})).json["phone_number"] == "123"
    assert (await client.send("PUT", f"/users/{user}", {"phone_number": None})).json["phone_number"] is None
    before = client.engine.ledger.seq
    answer = await client.send("PUT", f"/users/{user}", {})
    assert (answer.status, answer.json["username"], client.engine.ledger.seq) == (200, "anna", before)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": "new@example.com"}, "/email"),
        ({"username": "new", "balance": 5}, "/balance"),
        ({"password": "password456"}, "/password"),
        ({"username": None}, "/username"),
        ({"username": ""}, "/username"),
        ({"phone_number": "1" * 16}, "/phone_number"),
    ],
)
async def test_nothing_else_may_be_changed(client: Client, body: dict[str, Any], pointer: str) -> None:
    user = await register(client)
    before = (await client.get(f"/users/{user}")).body
    answer = await client.send("PUT", f"/users/{user}", body)
    assert (answer.status, answer.pointers) == (422, [pointer])
    assert (await client.get(f"/users/{user}")).body == before


async def test_a_username_of_another_user_is_409_and_the_own_one_is_not(client: Client) -> None:
    ann, _ = await register(client, "ann"), await register(client, "bob")
    assert (await client.send("PUT", f"/users/{ann}", {"username": "bob"})).status == 409
    assert (await client.send("PUT", f"/users/{ann}", {"username": "ann"})).status == 200


async def test_a_user_of_another_api_is_known_by_its_integer_id(client: Client) -> None:
    user = (await client.user(external_id="ext-1"))["id"]
    text = timeless(await client.get(f"/users/{user}"), "created_at")
    assert (
        text == f'{{"user_id":{user},"username":null,"email":null,"phone_number":null,"balance":0.00,"created_at":*}}'
    )
    answer = await client.get(f"/wallet/{user}/balance")
    assert timeless(answer, "last_updated") == f'{{"user_id":{user},"balance":0.00,"last_updated":*}}'
    assert (await client.get(f"/transactions/{user}")).json == {"transactions": [], "total": 0, "page": 1, "limit": 10}
    assert client.engine.ledger.wallets_of(user) == []


# --------------------------------------------------------------------------------------------- balances and money


async def test_a_balance_shows_nothing_of_movements_that_are_not_durable(client: Client) -> None:
    ann, bob = await rich(client, "ann", "100"), await rich(client, "bob", "5")
    assert client.gate is not None
    client.gate.shut()
    payment = asyncio.ensure_future(client.post("/transfer", pay(ann, bob, "60")))
    while not client.engine.in_flight:
        await quiet()

    shown = await balance(client, ann), await balance(client, bob), (await client.get(f"/users/{ann}")).json["balance"]
    client.gate.open()

    assert (await payment).status == 201
    assert shown == ("100.00", "5.00", 100)


async def test_a_balance_says_when_it_was_changed_last(client: Client) -> None:
    user = await register(client)
    made_at = (await client.get(f"/users/{user}")).json["created_at"]
    first = await client.get(f"/wallet/{user}/balance")
    assert first.headers["Cache-Control"] == "no-store"
    assert first.json == {"user_id": user, "balance": 0, "last_updated": made_at}
    await client.post(f"/wallet/{user}/add-money", {"amount": 150.5})
    second = await client.get(f"/wallet/{user}/balance")
    assert timeless(second, "last_updated") == f'{{"user_id":{user},"balance":150.50,"last_updated":*}}'
    detail = (await client.get("/transactions/detail/2")).json
    assert second.json["last_updated"] == detail["created_at"] >= made_at


async def test_add_money_and_withdraw_answer_the_transaction_and_the_new_balance(client: Client) -> None:
    user = await register(client)
    added = await client.post(f"/wallet/{user}/add-money", {"amount": 100, "description": "Initial wallet load"})
    assert (added.status, added.headers["Location"]) == (201, "/transactions/detail/2")
    assert added.body.decode() == (
        f'{{"transaction_id":2,"user_id":{user},"amount":100.00,"new_balance":100.00,"transaction_type":"CREDIT"}}'
    )
    taken = await client.post(f"/wallet/{user}/withdraw", {"amount": "99.99"})
    assert (taken.status, taken.headers["Location"]) == (201, "/transactions/detail/3")
    assert taken.body.decode() == (
        f'{{"transaction_id":3,"user_id":{user},"amount":99.99,"new_balance":0.01,"transaction_type":"DEBIT"}}'
    )
    assert await balance(client, user) == "0.01"


@pytest.mark.parametrize(("direction", "left"), [("CREDIT", "15.00"), ("DEBIT", "5.00")])
async def test_a_transaction_is_a_credit_or_a_debit_as_it_says(client: Client, direction: str, left: str) -> None:
    user = await rich(client, "ann", "10")
    body = {"user_id": user, "transaction_type": direction, "amount": 5, "description": "d"}
    made = await client.post("/transactions", body)
    assert made.status == 201
    number = made.json["transaction_id"]
    assert made.headers["Location"] == f"/transactions/detail/{number}"
    assert made.body.decode() == (
        f'{{"transaction_id":{number},"user_id":{user},"amount":5.00,"new_balance":{left},"transaction_type":"{direction}"}}'
    )
    assert (await client.get(made.headers["Location"])).json["description"] == "d"


@pytest.mark.parametrize("amount", ["10", "10.5", "10.50", '"10"', '"10.5"', '"0010.50"', '"999999.99"', "0.01"])
async def test_amounts_are_read_from_their_digits(client: Client, amount: str) -> None:
    user = await register(client)
    answer = await client.post(f"/wallet/{user}/add-money", data=f'{{"amount":{amount}}}'.encode())
    assert answer.status == 201
    whole, _, decimals = amount.strip('"').lstrip("0").partition(".")
    assert await balance(client, user) == f"{whole or '0'}.{decimals:0<2}"


@pytest.mark.parametrize(
    "amount",
    [
        "0", "0.00", "-5", '"-5"', "0.001", "10.005", '"10.005"', "1e2", "1E2", '"1e2"', '"NaN"', '"Infinity"', '"1_000"',
        '"١٠"', '" 10"', '"+10"', '"10."', '".5"', '""', '"ten"', "null", "true", "[10]", '{"a":1}',
        "10000000000000.01", "9223372036854775807", "1" + "0" * 400,
    ],
)  # fmt: skip
async def test_a_bad_amount_is_422_wherever_it_stands(client: Client, amount: str) -> None:
    ann, bob = await rich(client, "ann", "5"), await rich(client, "bob", "5")
    before = client.engine.ledger.seq
    for path, rest in [
        (f"/wallet/{ann}/add-money", ""),
        (f"/wallet/{ann}/withdraw", ""),
        ("/transactions", f',"user_id":{ann},"transaction_type":"CREDIT"'),
        ("/transfer", f',"sender_user_id":{ann},"recipient_user_id":{bob}'),
    ]:
        answer = await client.post(path, data=f'{{"amount":{amount}{rest}}}'.encode())
        assert (path, answer.status) == (path, 422), answer.body
        assert answer.json["error"] == answer.json["title"]
    assert client.engine.ledger.seq == before


async def test_a_float_never_comes_between(client: Client) -> None:
    user = await register(client)
    for _ in range(10):
        await client.post(f"/wallet/{user}/add-money", data=b'{"amount":0.1}')
    assert await balance(client, user) == "1.00"
    await client.post(f"/wallet/{user}/add-money", data=b'{"amount":9007199254740.93}')
    assert await balance(client, user) == "9007199254741.93"


async def test_a_withdrawal_of_too_much_says_what_there_is(client: Client) -> None:
    user = await rich(client, "ann", "50")
    for path, body in [
        (f"/wallet/{user}/withdraw", {"amount": 100}),
        ("/transactions", {"user_id": user, "transaction_type": "DEBIT", "amount": 100}),
        ("/transfer", pay(user, await register(client, "bob"), 100)),
    ]:
        answer = await client.post(path, body)
        assert (answer.status, answer.code) == (400, "insufficient_balance")
        assert answer.headers["Content-Type"] == PROBLEM
        text = answer.body.decode()
        assert '"error":"Insufficient balance"' in text
        assert '"current_balance":50.00,' in text
        assert '"required_amount":100.00,' in text
    assert await balance(client, user) == "50.00"


async def test_a_debit_of_a_user_without_a_wallet_is_insufficient_and_opens_nothing(client: Client) -> None:
    poor, other = (await client.user())["id"], await register(client)
    for path, body in [
        (f"/wallet/{poor}/withdraw", {"amount": 1}),
        ("/transactions", {"user_id": poor, "transaction_type": "DEBIT", "amount": 1}),
        ("/transfer", pay(poor, other, 1)),
    ]:
        answer = await client.post(path, body)
        assert (answer.status, answer.code) == (400, "insufficient_balance")
        assert '"current_balance":0.00,"required_amount":1.00' in answer.body.decode()
    assert client.engine.ledger.wallets_of(poor) == []


async def test_the_first_credit_opens_the_wallet_of_a_user_of_another_api(client: Client) -> None:
    ann, bob, cid = (await client.user())["id"], (await client.user())["id"], await rich(client, "cid", "10")
    assert (await client.post(f"/wallet/{ann}/add-money", {"amount": 2})).json["new_balance"] == 2
    assert (await client.post("/transfer", pay(cid, bob, 3))).json["recipient_new_balance"] == 3
    assert (await balance(client, ann), await balance(client, bob), await balance(client, cid)) == (
        "2.00",
        "3.00",
        "7.00",
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"transaction_type": "CREDIT", "amount": 1}, "/user_id"),
        ({"user_id": "1", "transaction_type": "CREDIT", "amount": 1}, "/user_id"),
        ({"user_id": 1.5, "transaction_type": "CREDIT", "amount": 1}, "/user_id"),
        ({"user_id": True, "transaction_type": "CREDIT", "amount": 1}, "/user_id"),
        ({"user_id": 1, "amount": 1}, "/transaction_type"),
        ({"user_id": 1, "transaction_type": "credit", "amount": 1}, "/transaction_type"),
        ({"user_id": 1, "transaction_type": "TRANSFER_IN", "amount": 1}, "/transaction_type"),
        ({"user_id": 1, "transaction_type": "CREDIT"}, "/amount"),
        ({"user_id": 1, "transaction_type": "CREDIT", "amount": 1, "description": 5}, "/description"),
        ({"user_id": 1, "transaction_type": "CREDIT", "amount": 1, "description": "d" * 501}, "/description"),
    ],
)
async def test_a_bad_member_of_a_transaction_is_422_and_named(
    client: Client, body: dict[str, Any], pointer: str
) -> None:
    await register(client)
    answer = await client.post("/transactions", body)
    assert (answer.status, answer.pointers) == (422, [pointer])


async def test_a_description_may_be_null_and_other_members_are_ignored(client: Client) -> None:
    user = await register(client)
    answer = await client.post(f"/wallet/{user}/add-money", {"amount": 1, "description": None, "currency": "EUR"})
    assert answer.status == 201
    assert (await client.get(answer.headers["Location"])).json["description"] is None


# ---------------------------------------------------------------------------------------------------- transactions


async def test_a_history_is_newest_first_with_an_exact_total(client: Client) -> None:
    ann, bob = await rich(client, "ann", "100"), await rich(client, "bob", "50")
    await client.post("/transfer", pay(ann, bob, "25", description="Transfer to bob"))
    await client.post("/transfer", pay(bob, ann, "5"))
    await client.post(f"/wallet/{ann}/withdraw", {"amount": 1, "description": "cash"})
    answer = await client.get(f"/transactions/{ann}")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert timeless(answer, *["created_at"] * 4) == (
        '{"transactions":['
        '{"transaction_id":9,"transaction_type":"DEBIT","amount":1.00,"description":"cash","created_at":*},'
        '{"transaction_id":8,"transaction_type":"TRANSFER_IN","amount":5.00,"description":null,"created_at":*},'
        '{"transaction_id":5,"transaction_type":"TRANSFER_OUT","amount":25.00,"description":"Transfer to bob","created_at":*},'
        '{"transaction_id":2,"transaction_type":"CREDIT","amount":100.00,"description":null,"created_at":*}'
        '],"total":4,"page":1,"limit":10}'
    )


async def test_pages_count_from_one_and_cover_everything_once(client: Client) -> None:
    user = await register(client)
    for cents in range(1, 24):
        await client.post(f"/wallet/{user}/add-money", data=b'{"amount":0.%02d}' % cents)
    seen: list[float] = []
    for page, count in [(1, 10), (2, 10), (3, 3), (4, 0), (10**12, 0)]:
        answer = (await client.get(f"/transactions/{user}?page={page}")).json
        assert (answer["total"], answer["page"], answer["limit"]) == (23, page, 10)
        assert len(answer["transactions"]) == count
        seen += [row["amount"] for row in answer["transactions"]]
    assert seen == [cents / 100 for cents in range(23, 0, -1)]
    assert len((await client.get(f"/transactions/{user}?limit=100")).json["transactions"]) == 23
    assert len((await client.get(f"/transactions/{user}?limit=1&page=23")).json["transactions"]) == 1


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("page=0", "/page"),
        ("page=-1", "/page"),
        ("page=1.5", "/page"),
        ("page=", "/page"),
        ("page=one", "/page"),
        ("page=%D9%A1", "/page"),
        ("page=1&page=2", "/page"),
        ("page=1000000000001", "/page"),
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=-5", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=" + "9" * 5000, "/limit"),
    ],
)
async def test_a_page_out_of_bounds_is_422_and_never_clamped(client: Client, query: str, pointer: str) -> None:
    for user in (await register(client), (await client.user())["id"]):
        answer = await client.get(f"/transactions/{user}?{query}")
        assert (answer.status, answer.code, answer.pointers) == (422, "invalid_request", [pointer])


async def test_queries_of_other_names_are_ignored(client: Client) -> None:
    user = await register(client)
    for path in (f"/transactions/{user}?_=17&sort=asc", f"/wallet/{user}/balance?_=17", f"/users/{user}?_=17"):
        assert (await client.get(path)).status == 200


async def test_a_dry_run_is_refused_here_rather_than_paid(client: Client) -> None:
    user = await register(client)
    answer = await client.post(f"/wallet/{user}/add-money?dry_run=true", {"amount": 1})
    assert (answer.status, answer.pointers, await balance(client, user)) == (422, ["/dry_run"], "0.00")


async def test_details_of_all_four_types(client: Client) -> None:
    ann, bob = await rich(client, "ann", "100"), await register(client, "bob")
    await client.post("/transfer", pay(ann, bob, 25, description="rent"))
    await client.post(f"/wallet/{bob}/withdraw", {"amount": 1})
    for number, user, type_, amount, description, other, reference in [
        (2, ann, "CREDIT", "100.00", "null", "null", "null"),
        (3, ann, "TRANSFER_OUT", "25.00", '"rent"', bob, 4),
        (4, bob, "TRANSFER_IN", "25.00", '"rent"', ann, 3),
        (5, bob, "DEBIT", "1.00", "null", "null", "null"),
    ]:
        answer = await client.get(f"/transactions/detail/{number}")
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
        assert timeless(answer, "created_at") == (
            f'{{"transaction_id":{number},"user_id":{user},"transaction_type":"{type_}","amount":{amount},'
            f'"description":{description},"recipient_user_id":{other},"reference_transaction_id":{reference},"created_at":*}}'
        )


async def test_a_treasurys_side_and_other_assets_are_no_transactions_here(client: Client) -> None:
    await rich(client, "ann", "100")
    await client.asset("GOLD")
    await client.wallet("GOLD", 5)
    for number in (1, 3, 4, 5, 0, -1, 10**25):
        answer = await client.get(f"/transactions/detail/{number}")
        assert (number, answer.status, answer.code) == (number, 404, "transaction_not_found")


async def test_movements_of_any_kind_are_credits_and_debits_here(client: Client) -> None:
    user = await register(client)
    ledger, asset = client.engine.ledger, "USD"
    treasury, holding = ledger.asset(asset).treasury.id, Holding(asset, user_id=user)
    for kind in ("topup", "bonus"):
        await client.engine.execute(transfer(treasury, holding, 500, type=kind))
    await client.engine.execute(transfer(holding, treasury, 100, type="spend"))
    wallet = ledger.wallets_of(user)[0].id
    legs = [{"wallet_id": treasury, "amount": -7}, {"wallet_id": wallet, "amount": 7}]
    assert (await client.post("/v1/transactions", {"legs": legs})).status == 201
    rows = (await client.get(f"/transactions/{user}")).json["transactions"]
    assert [row["transaction_type"] for row in rows] == ["CREDIT", "DEBIT", "CREDIT", "CREDIT"]
    for row in rows:
        detail = (await client.get(f"/transactions/detail/{row['transaction_id']}")).json
        assert (detail["transaction_type"], detail["recipient_user_id"]) == (row["transaction_type"], None)


# ------------------------------------------------------------------------------------------------------- transfers


async def test_a_transfer_answers_both_sides_and_can_be_read(client: Client) -> None:
    ann, bob = await rich(client, "ann", "100"), await rich(client, "bob", "0.50")
    made = await client.post("/transfer", pay(ann, bob, 25.25, description="rent"))
    assert (made.status, made.headers["Location"]) == (201, "/transfer/3")
    assert made.body.decode() == (
        '{"transfer_id":3,"sender_transaction_id":5,"recipient_transaction_id":6,"amount":25.25,'
        '"sender_new_balance":74.75,"recipient_new_balance":25.75,"status":"completed"}'
    )
    read = await client.get("/transfer/3")
    assert (read.status, read.headers["Cache-Control"]) == (200, "no-store")
    assert timeless(read, "created_at") == (
        f'{{"transfer_id":3,"sender_user_id":{ann},"recipient_user_id":{bob},"amount":25.25,'
        '"description":"rent","status":"completed","created_at":*}'
    )


async def test_what_is_no_transfer_between_users_is_404(client: Client) -> None:
    await rich(client, "ann", "1")
    await client.asset("GOLD")
    await client.transfer(await client.wallet("GOLD", 5), await client.wallet("GOLD"), 2)
    for number in (1, 2, 3, 4, 0, -7, 10**20):
        answer = await client.get(f"/transfer/{number}")
        assert (number, answer.status, answer.code) == (number, 404, "transfer_not_found")


async def test_that_there_is_no_recipient_is_said_before_that_the_sender_has_no_wallet(client: Client) -> None:
    poor = (await client.user())["id"]
    answer = await client.post("/transfer", pay(poor, UNKNOWN_USER, 1))
    assert (answer.status, answer.code) == (404, "user_not_found")


async def test_a_transfer_to_oneself_is_400(client: Client) -> None:
    user = await rich(client, "ann", "5")
    answer = await client.post("/transfer", pay(user, user, 1))
    assert (answer.status, answer.code, answer.json["error"]) == (400, "same_wallet", answer.json["title"])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"recipient_user_id": 2, "amount": 1}, "/sender_user_id"),
        ({"sender_user_id": 1, "amount": 1}, "/recipient_user_id"),
        ({"sender_user_id": "1", "recipient_user_id": 2, "amount": 1}, "/sender_user_id"),
        ({"sender_user_id": 1, "recipient_user_id": None, "amount": 1}, "/recipient_user_id"),
        ({"sender_user_id": 1, "recipient_user_id": 2}, "/amount"),
    ],
)
async def test_a_bad_member_of_a_transfer_is_422_and_named(client: Client, body: dict[str, Any], pointer: str) -> None:
    await register(client, "ann")
    await register(client, "bob")
    answer = await client.post("/transfer", body)
    assert (answer.status, answer.pointers) == (422, [pointer])


# --------------------------------------------------------------------------------------------------------- errors


async def test_who_and_what_is_not_known_is_404(client: Client) -> None:
    user = await rich(client, "ann", "5")
    paths = [f"/users/{UNKNOWN_USER}", f"/wallet/{UNKNOWN_USER}/balance", f"/transactions/{UNKNOWN_USER}", "/users/0"]
    paths += ["/users/-1", f"/users/{'9' * 5000}", "/wallet/0/balance", f"/transactions/{'9' * 30}"]
    answers = [await client.get(path) for path in paths]
    for id_ in (UNKNOWN_USER, 0, -1, 10**30):
        answers += [
            await client.send("PUT", f"/users/{id_}", {"username": "x"}),
            await client.post(f"/wallet/{id_}/add-money", {"amount": 1}),
            await client.post(f"/wallet/{id_}/withdraw", {"amount": 1}, headers={"Idempotency-Key": f"k{id_}"}),
            await client.post("/transactions", {"user_id": id_, "transaction_type": "CREDIT", "amount": 1}),
            await client.post("/transfer", pay(user, id_, 1)),
            await client.post("/transfer", pay(user, id_, 100), headers={"Idempotency-Key": f"t{id_}"}),
            await client.post("/transfer", pay(id_, user, 1)),
        ]
    for answer in answers:
        assert (answer.status, answer.code, answer.json["error"]) == (404, "user_not_found", "User not found")


@pytest.mark.parametrize("id_", ["abc", "1.5", "1e3", "+1", "0x1", "%20", "1%20", "%D9%A1", "null", "-", "--1"])
async def test_an_id_in_the_path_that_is_no_integer_is_422(client: Client, id_: str) -> None:
    for path, pointer in [
        (f"/users/{id_}", "/user_id"),
        (f"/wallet/{id_}/balance", "/user_id"),
        (f"/transactions/{id_}", "/user_id"),
        (f"/transactions/detail/{id_}", "/transaction_id"),
        (f"/transfer/{id_}", "/transfer_id"),
    ]:
        answer = await client.get(path)
        assert (path, answer.status, answer.pointers) == (path, 422, [pointer])
    for path in (f"/wallet/{id_}/add-money", f"/wallet/{id_}/withdraw"):
        assert (await client.post(path, {"amount": 1})).status == 422
    assert (await client.send("PUT", f"/users/{id_}", {})).status == 422


WRITES = [
    ("POST", "/users"),
    ("PUT", "/users/1"),
    ("POST", "/wallet/1/add-money"),
    ("POST", "/wallet/1/withdraw"),
    ("POST", "/transactions"),
    ("POST", "/transfer"),
]


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_body_that_is_none_is_400_415_or_413(serve: Serve, method: str, path: str) -> None:
    client = await serve(body_bytes_max=200)
    await client.asset()
    await register(client)
    for data, headers, status, code in [
        (b"{not json", {}, 400, "body_not_json"),
        (b"", {"Content-Type": "application/json"}, 400, "body_not_json"),
        (b"amount=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        (b'{"x":"' + b"x" * 200 + b'"}', {}, 413, "body_too_large"),
        (b"[]", {}, 422, "invalid_request"),
    ]:
        answer = await client.send(method, path, data=data, headers=headers)
        assert (answer.status, answer.code, answer.json["error"]) == (status, code, answer.json["title"])


async def test_frozen_and_closed_wallets_and_assets_that_do_not_move_are_403(serve: Serve) -> None:
    client = await serve()
    await client.asset(transferable=False)
    ann, bob = await rich(client, "ann", "10"), await register(client, "bob")
    answer = await client.post("/transfer", pay(ann, bob, 1))
    assert (answer.status, answer.code) == (403, "asset_not_transferable")
    wallet = client.engine.ledger.wallets_of(ann)[0].id
    freeze = {"debits": True, "credits": True, "reason": "a look at it"}
    assert (await client.post(f"/v1/wallets/{wallet}/freeze", freeze)).status == 200
    for path in (f"/wallet/{ann}/add-money", f"/wallet/{ann}/withdraw"):
        answer = await client.post(path, {"amount": 1})
        assert (answer.status, answer.code, answer.json["error"]) == (403, "wallet_frozen", "Wallet is frozen")
    assert await balance(client, ann) == "10.00"
    await client.post(f"/v1/wallets/{client.engine.ledger.wallets_of(bob)[0].id}/close")
    answer = await client.post(f"/wallet/{bob}/add-money", {"amount": 1})
    assert (answer.status, answer.code) == (403, "wallet_closed")


async def test_an_asset_that_is_not_active_is_403(serve: Serve) -> None:
    client = await serve()
    await client.asset(active=False)
    answer = await client.post(f"/wallet/{await register(client)}/add-money", {"amount": 1})
    assert (answer.status, answer.code) == (403, "asset_inactive")


async def test_the_limits_of_the_asset_are_422(serve: Serve) -> None:
    client = await serve()
    await client.asset(min_amount=100, max_amount=str(2**63 - 1))
    user = await register(client)
    for amount, status, code in [
        ("0.99", 422, "amount_below_minimum"),
        ("92233720368547758.08", 422, "amount_above_maximum"),
        ("92233720368547757.00", 201, None),
        ("1.08", 422, "balance_overflow"),
    ]:
        answer = await client.post(f"/wallet/{user}/add-money", {"amount": amount})
        assert (amount, answer.status, answer.json.get("code")) == (amount, status, code)
    assert await balance(client, user) == "92233720368547757.00"


async def test_an_asset_without_decimals_is_answered_without_a_point(serve: Serve) -> None:
    client = await serve(default_asset="JPY")
    await client.asset("JPY")
    user = await rich(client, "ann", "1500")
    assert await balance(client, user) == "1500"
    assert (await client.post(f"/wallet/{user}/withdraw", {"amount": "1.0"})).status == 422


async def test_another_method_and_an_overloaded_server_answer_in_this_form(serve: Serve) -> None:
    client = await serve(in_flight_max=0)
    answer = await client.send("DELETE", "/users/1")
    assert (answer.status, answer.headers["Allow"], answer.json["error"]) == (
        405,
        "GET, HEAD, PUT",
        "Method not allowed",
    )
    answer = await client.get("/users/1")
    assert (answer.status, answer.code, answer.json["error"]) == (503, "overloaded", "Server is overloaded")
    assert "Retry-After" in answer.headers


async def test_too_many_requests_are_429_with_retry_after(serve: Serve) -> None:
    client = await serve(rate_limit_per_s=0.001, rate_burst=1)
    await client.get("/users/1")
    answer = await client.get("/users/1")
    assert (answer.status, answer.code, answer.json["error"]) == (429, "rate_limited", "Too many requests")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_full_disk_is_503_and_reads_go_on(serve: Serve) -> None:
    client = await serve(rows_max=3)
    await client.asset()
    user = await rich(client, "ann", "5")
    answer = await client.post(f"/wallet/{user}/add-money", {"amount": 1})
    assert (answer.status, answer.code) == (503, "read_only")
    assert "Retry-After" in answer.headers
    assert await balance(client, user) == "5.00"


async def test_every_error_is_a_problem_with_its_request_id(client: Client) -> None:
    answer = await client.get("/users/7", headers={"X-Request-Id": "abc-1"})
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.json == {
        "type": "/problems/user_not_found",
        "title": "User not found",
        "status": 404,
        "detail": "There is no user 7.",
        "instance": "/users/7",
        "code": "user_not_found",
        "request_id": "abc-1",
        "error": "User not found",
    }


# ---------------------------------------------------------------------------------------------------- idempotency


async def keyed(client: Client, path: str, body: Any, key: str = "k1") -> Answer:
    return await client.post(path, body, headers={"Idempotency-Key": key})


async def test_a_key_has_one_effect_and_is_answered_alike_to_the_byte(client: Client) -> None:
    ann, bob = await rich(client, "ann", "100"), await register(client, "bob")
    for path, body, other in [
        (f"/wallet/{ann}/add-money", {"amount": 10, "description": "d"}, {"amount": "10.00", "description": "d", "x": 1}),
        (f"/wallet/{ann}/withdraw", {"amount": "10.0"}, {"amount": 10, "description": None}),
        ("/transactions", {"user_id": ann, "transaction_type": "DEBIT", "amount": 1}, {"user_id": ann, "transaction_type": "DEBIT", "amount": "1.0"}),
        ("/transfer", pay(ann, bob, "2.50"), pay(ann, bob, 2.5)),
    ]:  # fmt: skip
        first = await keyed(client, path, body)
        before = client.engine.ledger.seq
        assert (first.status, first.headers.get("Idempotency-Replayed")) == (201, None)
        await client.post(f"/wallet/{ann}/add-money", {"amount": 1})
        again = await keyed(client, path, other, '"k1"')
        assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true")
        assert (again.body, again.headers["Location"]) == (first.body, first.headers["Location"])
        assert client.engine.ledger.seq == before + 1


async def test_a_key_with_another_request_is_409_and_names_what_differs(client: Client) -> None:
    ann, bob = await rich(client, "ann", "100"), await register(client, "bob")
    await keyed(client, f"/wallet/{ann}/add-money", {"amount": 10})
    await keyed(client, "/transfer", pay(ann, bob, 1))
    for path, body, pointers in [
        (f"/wallet/{ann}/add-money", {"amount": 11, "description": "d"}, ["/amount", "/description"]),
        (f"/wallet/{bob}/add-money", {"amount": 10}, ["/user_id"]),
        ("/transfer", pay(bob, ann, 1), ["/recipient_user_id", "/sender_user_id"]),
    ]:
        answer = await keyed(client, path, body)
        assert (answer.status, answer.code, answer.pointers) == (409, "idempotency_key_reused", pointers)
        assert answer.json["error"] == answer.json["title"]


async def test_a_key_belongs_to_its_route(client: Client) -> None:
    user = await register(client)
    assert (await keyed(client, f"/wallet/{user}/add-money", {"amount": 10})).status == 201
    assert (await keyed(client, f"/wallet/{user}/withdraw", {"amount": 10})).status == 201
    assert await balance(client, user) == "0.00"


async def test_a_refusal_does_not_bind_a_key(client: Client) -> None:
    user = await register(client)
    assert (await keyed(client, f"/wallet/{user}/withdraw", {"amount": 10})).status == 400
    await client.post(f"/wallet/{user}/add-money", {"amount": 10})
    assert (await keyed(client, f"/wallet/{user}/withdraw", {"amount": 10})).status == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, '"open', "é"])
async def test_a_key_that_is_none_is_422(client: Client, key: str) -> None:
    user = await register(client)
    answer = await keyed(client, f"/wallet/{user}/add-money", {"amount": 10}, key)
    assert (answer.status, answer.pointers) == (422, ["/Idempotency-Key"])


async def test_two_equal_requests_without_a_key_are_two_payments(client: Client) -> None:
    user = await register(client)
    for _ in range(2):
        await client.post(f"/wallet/{user}/add-money", {"amount": 10})
    assert await balance(client, user) == "20.00"


# ------------------------------------------------------------------------------------------- at the same moment


@pytest.mark.parametrize("attempt", range(10))
async def test_two_simultaneous_transfers_of_the_last_money_are_one(client: Client, attempt: int) -> None:
    ann, bob, cid = await rich(client, "ann", "10"), await register(client, "bob"), await register(client, "cid")
    answers = await client.at_once(
        client.post("/transfer", pay(ann, bob, "10.00")), client.post("/transfer", pay(ann, cid, "10.00"))
    )
    assert sorted(answer.status for answer in answers) == [201, 400]
    assert await balance(client, ann) == "0.00"
    assert sorted([await balance(client, bob), await balance(client, cid)]) == ["0.00", "10.00"]


@pytest.mark.parametrize("attempt", range(3))
async def test_of_fifty_withdrawals_at_once_exactly_those_that_fit_are_done(client: Client, attempt: int) -> None:
    user = await rich(client, "ann", "100")
    answers = await client.at_once(*(client.post(f"/wallet/{user}/withdraw", {"amount": 10}) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [201] * 10 + [400] * 40
    assert sorted(answer.json["new_balance"] for answer in answers if answer.status == 201) == list(range(0, 100, 10))
    assert await balance(client, user) == "0.00"


@pytest.mark.parametrize("attempt", range(3))
async def test_one_key_sent_thirty_times_at_once_is_one_effect_and_one_answer(client: Client, attempt: int) -> None:
    ann, bob = await rich(client, "ann", "100"), await register(client, "bob")
    for path, body in [
        (f"/wallet/{ann}/add-money", {"amount": 1}),
        (f"/wallet/{ann}/withdraw", {"amount": 1}),
        ("/transactions", {"user_id": ann, "transaction_type": "CREDIT", "amount": 1}),
        ("/transfer", pay(ann, bob, 1)),
    ]:
        before = client.engine.ledger.seq
        answers = await client.at_once(*(keyed(client, path, body) for _ in range(30)))
        assert {answer.status for answer in answers} == {201}
        assert len({answer.body for answer in answers}) == 1
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 29
        assert client.engine.ledger.seq == before + 1


@pytest.mark.parametrize("attempt", range(3))
async def test_crossing_transfers_conserve_the_money(client: Client, attempt: int) -> None:
    ann, bob = await rich(client, "ann", "5"), await rich(client, "bob", "5")
    crossing = [client.post("/transfer", pay(*pair, 1)) for pair in [(ann, bob), (bob, ann)] * 25]
    answers = await client.at_once(*crossing)
    assert {answer.status for answer in answers} <= {201, 400}
    first, second = [float(await balance(client, user)) for user in (ann, bob)]
    assert first >= 0 <= second
    assert first + second == 10
    for user, left in ((ann, first), (bob, second)):
        rows = (await client.get(f"/transactions/{user}?limit=100")).json["transactions"]
        signs = {"CREDIT": 1, "TRANSFER_IN": 1, "DEBIT": -1, "TRANSFER_OUT": -1}
        assert sum(signs[row["transaction_type"]] * row["amount"] for row in rows) == left


async def test_thirty_first_credits_at_once_open_one_wallet(client: Client) -> None:
    user = (await client.user())["id"]
    answers = await client.at_once(*(client.post(f"/wallet/{user}/add-money", {"amount": 1}) for _ in range(30)))
    assert {answer.status for answer in answers} == {201}
    assert (len(client.engine.ledger.wallets_of(user)), await balance(client, user)) == (1, "30.00")


async def test_a_read_after_an_answer_shows_the_write(client: Client) -> None:
    user = await register(client)
    for count in range(1, 30):
        number = (await client.post(f"/wallet/{user}/add-money", {"amount": 1})).json["transaction_id"]
        shown = (await client.get(f"/transactions/{user}?limit=1")).json
        assert (shown["total"], shown["transactions"][0]["transaction_id"]) == (count, number)
        assert await balance(client, user) == f"{count}.00"


# --------------------------------------------------------------------------------------------------- other APIs


async def test_a_movement_made_here_is_seen_in_v1_and_the_other_way_round(client: Client) -> None:
    ann, bob = await rich(client, "ann", "100"), await register(client, "bob")
    made = (await client.post("/transfer", pay(ann, bob, "30.00", description="rent"))).json
    wallets = {user: client.engine.ledger.wallets_of(user)[0].id for user in (ann, bob)}
    native = (await client.get(f"/v1/transfers/tfr_{made['transfer_id']}")).json
    assert (native["source"], native["destination"], native["amount"]) == (wallets[ann], wallets[bob], "3000")
    assert (native["type"], native["description"]) == ("transfer", "rent")
    there = (await client.transfer(wallets[bob], wallets[ann], 1000)).json
    number = int(there["id"].removeprefix("tfr_"))
    here = (await client.get(f"/transfer/{number}")).json
    assert (here["sender_user_id"], here["recipient_user_id"], here["amount"]) == (bob, ann, 10)
    assert (await balance(client, ann), await balance(client, bob)) == ("80.00", "20.00")


async def test_a_session_as_a_client_of_this_api_holds_it(client: Client) -> None:
    session = client.session
    new = [{"username": name, "email": f"{name}@example.com", "password": "password123"} for name in ("john", "jane")]
    john, jane = [(await (await session.post("/users", json=body)).json())["user_id"] for body in new]
    load = {"user_id": john, "transaction_type": "CREDIT", "amount": 100.0, "description": "Initial wallet load"}
    assert (await session.post("/transactions", json=load)).status == 201
    response = await session.post("/transfer", json=pay(john, jane, 25.0, description="Transfer to jane"))
    moved = await response.json()
    assert (moved["status"], moved["sender_new_balance"], moved["recipient_new_balance"]) == ("completed", 75, 25)
    response = await session.post(f"/wallet/{jane}/withdraw", json={"amount": 25.01})
    refused = await response.json()
    assert (response.status, refused["error"], refused["current_balance"], refused["required_amount"]) == (
        400,
        "Insufficient balance",
        25.0,
        25.01,
    )
    detail = await (await session.get(f"/transactions/detail/{moved['recipient_transaction_id']}")).json()
    assert (detail["transaction_type"], detail["recipient_user_id"]) == ("TRANSFER_IN", john)
    back = await (await session.get(f"/transactions/detail/{detail['reference_transaction_id']}")).json()
    assert (back["transaction_id"], back["transaction_type"]) == (moved["sender_transaction_id"], "TRANSFER_OUT")
    page = await (await session.get(f"/transactions/{john}", params={"page": 1, "limit": 10})).json()
    assert [row["amount"] for row in page["transactions"]] == [25.0, 100.0]
    assert json.loads(await (await session.get(f"/users/{john}")).read())["balance"] == 75


# ---------------------------------------------------------------------------------------------------------- paths


def test_two_apis_may_name_one_segment_differently_and_a_literal_gives_way_where_it_leads_nowhere() -> None:
    async def handler(call: Any) -> Any:
        raise NotImplementedError

    routes = Routes()
    for route in ("/wallet/create", "/wallet/{id}", "/wallet/{user_id}/balance", "/{a}/{b}/c"):
        routes.add("GET", route, route, handler)
    for path, route, parameters in [
        ("/wallet/create", "/wallet/create", {}),
        ("/wallet/7", "/wallet/{id}", {"id": "7"}),
        ("/wallet/7/balance", "/wallet/{user_id}/balance", {"user_id": "7"}),
        ("/wallet/create/balance", "/wallet/{user_id}/balance", {"user_id": "create"}),
        ("/wallet/create/c", "/{a}/{b}/c", {"a": "wallet", "b": "create"}),
    ]:
        resource, values = routes.resolve(path)
        assert resource is not None
        assert (resource.route, resource.endpoints["GET"].parameters(values)) == (route, parameters)
    assert routes.resolve("/wallet/create/nothing") == (None, ())
