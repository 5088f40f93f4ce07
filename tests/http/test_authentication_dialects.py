"""The same user with a good token, at every path of every other API: its own money, and nobody else's."""

from typing import Any

import pytest

from walletd.engine.identity import Scope
from walletd.engine.memory_access import MemoryAccess

from .conftest import Client, Serve

PASSWORD = "correct horse"
RICH = 98_765_43
"""What ann has; it must show up nowhere."""


class Village:
    """An operator; ann, who is rich, and mallory, both known to every API by their ids."""

    def __init__(self, operator: Client) -> None:
        self.operator = operator
        self.ids: dict[str, int] = {}
        self.wallets: dict[str, str] = {}
        self.clients: dict[str, Client] = {}
        self.credit: dict[str, Any] = {}

    async def settle(self, name: str, amount: int) -> None:
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        made = await self.operator.post("/users", body)
        assert made.status == 201, made.body
        user_id = self.ids[name] = made.json["user_id"]
        wallets = (await self.operator.get(f"/v1/wallets?user_id={user_id}")).json["data"]
        self.wallets[name] = wallets[0]["id"]
        credited = await self.operator.transfer(await self.operator.treasury(), self.wallets[name], amount)
        self.credit[name] = credited.json
        login = await self.operator.post("/api/auth/login", {"username": name, "password": PASSWORD})
        self.clients[name] = self.operator.acting(f"Token {login.json['token']}")

    async def books(self) -> list[Any]:
        return [
            (await self.operator.get(path)).json["data"]
            for path in ("/v1/wallets?limit=100", "/v1/users?limit=100", "/v1/events?limit=1000", "/v1/assets")
        ]


@pytest.fixture
async def village(serve: Serve) -> Village:
    access = MemoryAccess()
    client = await serve(access=access, authentication=True)
    _, secret = await access.create_key("operator", tuple(Scope), 0)
    village = Village(client.acting(f"Bearer {secret}"))
    await village.operator.asset()
    await village.settle("ann", RICH)
    await village.settle("mallory", 1000)
    return village


def attempts(village: Village) -> list[tuple[str, str, Any]]:
    ann, mallory = village.ids["ann"], village.ids["mallory"]
    anns, own = village.wallets["ann"], village.wallets["mallory"]
    money = {"amount": 1}
    entry = village.credit["ann"]["legs"][1]["entry_id"][4:]
    transaction = village.credit["ann"]["transaction_id"]
    credit = {"amount": "1.00", "asset_type_id": 840}
    internal = {"user_id": str(mallory), "asset_type": "USD", "amount": "1.00", "idempotency_key": "k"}
    return [
        ("GET", f"/users/{ann}", None),
        ("PUT", f"/users/{ann}", {"username": "eve"}),
        ("GET", f"/wallet/{ann}/balance", None),
        ("POST", f"/wallet/{ann}/withdraw", money),
        ("POST", f"/wallet/{mallory}/add-money", money),
        ("POST", f"/wallet/{ann}/add-money", money),
        ("POST", "/transactions", {"user_id": mallory, "transaction_type": "CREDIT", "amount": 1}),
        ("POST", "/transactions", {"user_id": ann, "transaction_type": "DEBIT", "amount": 1}),
        ("GET", f"/transactions/{ann}", None),
        ("GET", f"/transactions/detail/{entry}", None),
        ("POST", "/transfer", {"sender_user_id": ann, "recipient_user_id": mallory, "amount": 1}),
        ("POST", "/wallet/create", {"userId": str(ann)}),
        ("POST", "/wallet/create", {"userId": "eve"}),
        ("GET", f"/wallet/{anns}", None),
        ("GET", f"/wallet/{anns}/transactions", None),
        ("POST", "/wallet/add", {"walletId": own, "amount": 1}),
        ("POST", "/wallet/deduct", {"walletId": anns, "amount": 1}),
        ("POST", "/wallet/transfer", {"fromWalletId": anns, "toWalletId": own, "amount": 1}),
        ("GET", f"/api/wallet/receipts/{entry}/", None),
        ("GET", f"/api/v1/wallets/users/{ann}/balance?asset_type_id=840", None),
        ("POST", f"/api/v1/wallets/users/{mallory}/top-up", credit),
        ("POST", f"/api/v1/wallets/users/{mallory}/bonus", credit),
        ("POST", f"/api/v1/wallets/users/{ann}/spend", credit),
        ("POST", "/api/v1/transactions/topup", internal),
        ("POST", "/api/v1/transactions/bonus", internal),
        ("POST", "/api/v1/transactions/spend", {**internal, "user_id": str(ann)}),
        ("GET", f"/api/v1/transactions/{transaction}", None),
        ("GET", f"/api/v1/wallets/{ann}/balance", None),
        ("GET", f"/api/v1/wallets/{ann}/transactions", None),
        ("GET", "/api/v1/users", None),
        ("POST", "/api/v1/users", {"user_id": "eve"}),
        ("GET", f"/api/v1/users/{ann}/accounts", None),
        ("GET", "/metrics", None),
    ]


async def test_what_is_not_its_own_is_refused_or_does_not_exist(village: Village) -> None:
    before = await village.books()
    for method, path, body in attempts(village):
        answer = await village.clients["mallory"].send(method, path, body)
        assert answer.status in (403, 404), (method, path, answer.status, answer.body)
        assert not shows_what_ann_has(answer.body), (method, path, answer.body)
    assert await village.books() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/transfer", {"sender_user_id": 2, "recipient_user_id": 1, "amount": 1}),
        ("/wallet/transfer", {"fromWalletId": "own", "toWalletId": "ann", "amount": 1}),
        ("/api/wallet/transfer/", {"receiver_id": 1, "amount": "1.00"}),
    ],
)
async def test_a_payment_to_another_tells_nothing_of_what_that_one_has(
    village: Village, path: str, body: dict[str, Any]
) -> None:
    names = {"own": village.wallets["mallory"], "ann": village.wallets["ann"]}
    body = {name: names.get(value, value) for name, value in body.items()}
    answer = await village.clients["mallory"].post(path, body)
    assert answer.status == 201, answer.body
    assert not shows_what_ann_has(answer.body), answer.body
    history = [
        await village.clients["mallory"].get(f"/transactions/{village.ids['mallory']}"),
        await village.clients["mallory"].get(f"/wallet/{names['own']}/transactions"),
        await village.clients["mallory"].get(f"/api/v1/wallets/{village.ids['mallory']}/transactions"),
    ]
    for page in history:
        assert page.status == 200, page.body
        assert not shows_what_ann_has(page.body), page.body


def shows_what_ann_has(body: bytes) -> bool:
    """Whether ann's balance is in it, before or after a payment of 1.00."""
    return any(text in body for text in (b"98765.43", b"98766.43", b"98766.42", b"9876543", b"9876643", b"98765.4"))
