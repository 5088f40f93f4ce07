"""Credit transfer: the logged-in user's money goes to another user, once, and only with credentials."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from walletd.engine.engine import Engine
from walletd.engine.identity import Scope
from walletd.engine.memory import MemoryImage, MemoryJournal
from walletd.engine.memory_access import MemoryAccess
from walletd.http.currencies import RESERVED_ASSET_IDS
from walletd.http.server import Server, ServerOptions
from walletd.storage.receipts.memory import MemoryReceipts

from .conformance import CheckedResponse
from .conftest import Answer, Client, Headers

TRANSFER = "/api/wallet/transfer/"
RACES = 30


class Bank(Client):
    """A client of a server with the users john, jane and ann, whose ids are 1, 2 and 3; john has 100.00. The tokens are by name."""

    receipts: MemoryReceipts
    access: MemoryAccess
    tokens: dict[str, str]

    def as_(self, name: str, **more: str) -> Headers:
        return {"Authorization": f"Token {self.tokens[name]}", **more}

    async def send_money(self, name: str, receiver_id: Any, amount: Any, **headers: str) -> Answer:
        body = {"receiver_id": receiver_id, "amount": amount}
        return await self.post(TRANSFER, body, headers=self.as_(name, **headers))

    async def balance(self, name: str) -> str:
        answer = await self.get("/api/wallet/balance/", headers=self.as_(name))
        assert answer.status == 200, answer.body
        return str(answer.json["balance"])

    async def credit(self, user_id: int, amount: str) -> None:
        assert (await self.post(f"/wallet/{user_id}/add-money", {"amount": amount})).status == 201


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    async with AsyncExitStack() as stack:
        journal = MemoryJournal()
        image = MemoryImage(journal)
        engine = await stack.enter_async_context(
            await Engine.start(journal, image, image, reserved_asset_ids=RESERVED_ASSET_IDS)
        )
        access, receipts = MemoryAccess(), MemoryReceipts(engine, journal)
        options = ServerOptions(port=0, shutdown_timeout_s=5.0)
        server = Server(engine, access, options, version="1.2.3", default_asset="USD", receipts=receipts)
        address = await server.start()
        stack.push_async_callback(server.stop)
        session = aiohttp.ClientSession(f"http://{address[0]}:{address[1]}", response_class=CheckedResponse)
        await stack.enter_async_context(session)
        bank = Bank(session, server, engine, address)
        bank.access, bank.receipts, bank.tokens = access, receipts, {}
        await bank.asset()
        for name in ("john", "jane", "ann"):
            user = {"username": name, "email": f"{name}@example.com", "password": f"password of {name}"}
            assert (await bank.post("/users", user)).status == 201
            login = await bank.post("/api/auth/login/", {"username": name, "password": f"password of {name}"})
            bank.tokens[name] = login.json["token"]
        await bank.credit(1, "100.00")
        yield bank


# ------------------------------------------------------------------------------------------------------------ transfers


async def test_a_transfer_is_answered_with_both_parties_the_senders_balance_and_where_its_receipt_is(
    bank: Bank,
) -> None:
    answer = await bank.send_money("john", 2, 25.5)
    number = answer.json["transaction_id"]
    detail = (await bank.get(f"/transactions/detail/{number}")).json
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/wallet/receipts/{number}/"
    assert answer.json == {
        "message": "Transfer successful.",
        "transaction_id": number,
        "sender_id": 1,
        "receiver_id": 2,
        "amount": "25.50",
        "sender_balance": "74.50",
        "status": "completed",
        "receipt_url": f"/api/wallet/receipts/{number}/",
        "timestamp": detail["created_at"],
    }
    assert (detail["user_id"], detail["transaction_type"], detail["amount"]) == (1, "TRANSFER_OUT", 25.5)


async def test_both_parties_see_the_transfer_at_once(bank: Bank) -> None:
    await bank.send_money("john", 2, "10.00")
    assert await bank.balance("john") == "90.00"
    assert await bank.balance("jane") == "10.00"
    assert (await bank.get("/wallet/2/balance")).json["balance"] == 10.0


async def test_of_two_transfers_at_once_that_only_one_can_be_paid_for_exactly_one_is_done(bank: Bank) -> None:
    for _ in range(RACES):
        await bank.credit(3, "10.00")
        answers = await asyncio.gather(bank.send_money("ann", 2, "10.00"), bank.send_money("ann", 2, "10.00"))
        assert sorted(answer.status for answer in answers) == [201, 400]
        assert await bank.balance("ann") == "0.00"
    assert await bank.balance("jane") == f"{RACES * 10}.00"


async def test_a_transfer_of_more_than_there_is_says_what_there_is_and_what_is_needed(bank: Bank) -> None:
    answer = await bank.send_money("john", 2, "100.01")
    assert (answer.status, answer.code) == (400, "insufficient_balance")
    assert answer.json["error"] == "Insufficient balance"
    assert answer.json["current_balance"] == "100.00"
    assert answer.json["required_amount"] == "100.01"
    assert isinstance(answer.json["detail"], str)
    assert await bank.balance("john") == "100.00"


async def test_a_receiver_without_a_wallet_gets_one_by_the_first_transfer(bank: Bank) -> None:
    other = (await bank.user(external_id="somewhere-else"))["id"]
    assert (await bank.get(f"/v1/wallets?user_id={other}")).json["data"] == []
    assert (await bank.send_money("john", other, "1.00")).status == 201
    (wallet,) = (await bank.get(f"/v1/wallets?user_id={other}")).json["data"]
    assert wallet["posted"] == "100"


async def test_an_unknown_receiver_is_not_found_even_by_a_sender_who_could_not_pay(bank: Bank) -> None:
    for receiver in (99, 0, -1, 2**70):
        answer = await bank.send_money("ann", receiver, "1.00")
        assert (answer.status, answer.code) == (404, "user_not_found")


async def test_nobody_sends_money_to_itself(bank: Bank) -> None:
    answer = await bank.send_money("john", 1, "1.00")
    assert (answer.status, answer.code) == (400, "same_wallet")


@pytest.mark.parametrize(
    "amount", [0, "0.00", -1, "-1.00", "1.001", 1.001, "1e2", "NaN", "Infinity", "1_0", "١", "", None, True, [], "10000000000000.01"]
)  # fmt: skip
async def test_a_bad_amount_is_named_and_moves_nothing(bank: Bank, amount: Any) -> None:
    answer = await bank.send_money("john", 2, amount)
    assert answer.status == 400
    (sentence,) = answer.json["amount"]
    assert isinstance(sentence, str)
    assert isinstance(answer.json["detail"], str)
    assert await bank.balance("john") == "100.00"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"receiver_id", "amount"}),
        ({"receiver_id": "two", "amount": 1}, {"receiver_id"}),
        ({"receiver_id": 2.5, "amount": 1}, {"receiver_id"}),
        ({"receiver_id": True, "amount": 1}, {"receiver_id"}),
        ({"receiver_id": None, "amount": "x"}, {"receiver_id", "amount"}),
        ([], {"non_field_errors"}),
    ],
)
async def test_bad_fields_are_named_with_lists_of_sentences(bank: Bank, body: Any, fields: set[str]) -> None:
    answer = await bank.post(TRANSFER, body, headers=bank.as_("john"))
    assert (answer.status, answer.code) == (400, "invalid_request")
    named = {name: value for name, value in answer.json.items() if isinstance(value, list) and name != "errors"}
    assert named.keys() == fields
    assert all(isinstance(sentence, str) for sentences in named.values() for sentence in sentences)


async def test_other_members_of_the_body_are_ignored_and_replace_nothing_of_a_problem(bank: Bank) -> None:
    body = {"receiver_id": 2, "amount": "1.00", "status": "paid", "note": "hello"}
    assert (await bank.post(TRANSFER, body, headers=bank.as_("john"))).status == 201
    refused = await bank.post(TRANSFER, {**body, "amount": 0}, headers=bank.as_("john"))
    assert refused.json["status"] == 400


async def test_a_body_that_is_no_json_and_one_of_another_type_are_refused(bank: Bank) -> None:
    assert (await bank.post(TRANSFER, data=b"{", headers=bank.as_("john"))).status == 400
    form = bank.as_("john", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert (await bank.post(TRANSFER, data=b"receiver_id=2&amount=1", headers=form)).status == 415


async def test_a_frozen_sender_is_forbidden_to_send(bank: Bank) -> None:
    wallet = (await bank.get("/v1/wallets?user_id=1")).json["data"][0]["id"]
    await bank.post(f"/v1/wallets/{wallet}/freeze", {"reason": "a court order"})
    answer = await bank.send_money("john", 2, "1.00")
    assert (answer.status, answer.code) == (403, "wallet_frozen")


# ---------------------------------------------------------------------------------------------------------- credentials


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", TRANSFER), ("GET", "/api/wallet/balance/"), ("GET", "/api/wallet/receipts/1/")],
)
async def test_credentials_are_asked_for_although_authentication_is_off(bank: Bank, method: str, path: str) -> None:
    body = {"receiver_id": 2, "amount": 1} if method == "POST" else None
    for headers in ({}, {"Authorization": "Token nonsense"}, {"Authorization": f"Basic {bank.tokens['john']}"}):
        answer = await bank.send(method, path, body, headers=headers)
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert "WWW-Authenticate" in answer.headers


async def test_a_token_is_taken_by_either_name_and_so_are_name_and_password(bank: Bank) -> None:
    basic = b64encode(b"john:password of john").decode()
    for scheme, secret in (("Token", bank.tokens["john"]), ("Bearer", bank.tokens["john"]), ("Basic", basic)):
        answer = await bank.get("/api/wallet/balance/", headers={"Authorization": f"{scheme} {secret}"})
        assert answer.json == {"user_id": 1, "username": "john", "balance": "100.00"}


async def test_an_operator_has_no_money_to_send(bank: Bank) -> None:
    _, secret = await bank.access.create_key("ops", list(Scope), 0)
    headers = {"Authorization": f"Bearer {secret}"}
    answer = await bank.post(TRANSFER, {"receiver_id": 2, "amount": "1.00"}, headers=headers)
    assert (answer.status, answer.code) == (403, "forbidden")
    assert (await bank.get("/api/wallet/balance/", headers=headers)).status == 403


async def test_a_user_without_a_wallet_reads_zero(bank: Bank) -> None:
    user = await bank.user(username="new", email="new@example.com", password="password of new")
    login = await bank.post("/api/auth/login/", {"username": "new", "password": "password of new"})
    bank.tokens["new"] = login.json["token"]
    answer = await bank.get("/api/wallet/balance/", headers=bank.as_("new"))
    assert answer.json == {"user_id": user["id"], "username": "new", "balance": "0.00"}
    poor = await bank.send_money("new", 1, "1.00")
    assert (poor.status, poor.json["current_balance"]) == (400, "0.00")


# ----------------------------------------------------------------------------------------------------------- spellings


async def test_a_path_without_the_slash_is_the_same_endpoint(bank: Bank) -> None:
    body = {"receiver_id": 2, "amount": "1.00"}
    assert (await bank.post("/api/wallet/transfer", body, headers=bank.as_("john"))).status == 201
    assert (await bank.get("/api/wallet/balance", headers=bank.as_("john"))).json["balance"] == "99.00"
    assert (await bank.get(TRANSFER)).headers["Allow"] == "POST"
    assert (await bank.get("/api/wallet/transfer")).headers["Allow"] == "POST"


# --------------------------------------------------------------------------------------------------------- idempotency


async def test_the_same_key_pays_once_whatever_the_spelling_of_path_and_amount(bank: Bank) -> None:
    headers = bank.as_("john", **{"Idempotency-Key": "order-1"})
    first = await bank.post(TRANSFER, {"receiver_id": 2, "amount": "10.00"}, headers=headers)
    again = await bank.post("/api/wallet/transfer", {"receiver_id": 2, "amount": 10}, headers=headers)
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await bank.balance("john") == "90.00"


async def test_the_same_key_at_once_pays_once(bank: Bank) -> None:
    headers = {"Idempotency-Key": "order-2"}
    answers = await asyncio.gather(*(bank.send_money("john", 2, "10.00", **headers) for _ in range(8)))
    assert {answer.body for answer in answers} == {answers[0].body}
    assert await bank.balance("john") == "90.00"


async def test_a_key_used_for_another_request_is_a_conflict_that_names_what_differs(bank: Bank) -> None:
    await bank.send_money("john", 2, "10.00", **{"Idempotency-Key": "order-3"})
    other = await bank.send_money("john", 3, "11.00", **{"Idempotency-Key": "order-3"})
    assert (other.status, other.code) == (409, "idempotency_key_reused")
    assert sorted(other.pointers) == ["/amount", "/receiver_id"]


async def test_a_key_belongs_to_its_sender(bank: Bank) -> None:
    await bank.credit(2, "10.00")
    for name in ("john", "jane"):
        answer = await bank.send_money(name, 3, "1.00", **{"Idempotency-Key": "order-4"})
        assert "Idempotency-Replayed" not in answer.headers
    assert await bank.balance("ann") == "2.00"
