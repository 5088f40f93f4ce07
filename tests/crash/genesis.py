"""The beginning of a folder: two assets, wallets with money in USD, users with gold, two who can log in. Everything in it is an operation in the book."""

from typing import Any, Final

import msgspec

from walletd.loadtest.client import connect
from walletd.loadtest.requests import Address, get, post

from .book import Book
from .clients import PASSWORD, tell
from .operations import FUNDING, Operation, World, major

WALLETS: Final = 8
GOLDEN: Final = 4
COLD: Final = 2
PAYERS: Final = 2


async def begin(address: Address, book: Book) -> World:
    """Make a world on an empty server."""
    connection = await connect(address)

    async def ask(request: bytes) -> Any:
        answer = await connection.ask(request)
        assert answer.status in (200, 201), answer
        return msgspec.json.decode(answer.body)

    usd = await ask(get(address, "/v1/assets/USD"))
    gold_asset = {"code": "GOLD", "name": "Gold", "scale": 2, "transferable": False, "aliases": ["GOLD_COINS"]}
    gold = await ask(post(address, "/v1/assets", gold_asset))
    users, wallets = [], []
    for index in range(WALLETS + COLD):
        user = await _user(connection, address, book, index)
        users.append(user)
        listed = await ask(get(address, f"/v1/wallets?user_id={user}"))
        opened = listed["data"] or [await ask(post(address, "/v1/wallets", {"user_id": user, "asset": "USD"}))]
        wallets.append(opened[0]["id"])
    treasury = usd["treasury_wallet_id"]
    world = World(
        treasury=treasury,
        gold_treasury=gold["treasury_wallet_id"],
        gold=gold["id"],
        wallets=wallets[:WALLETS],
        users=users[:WALLETS],
        golden=[f"golden-{index}" for index in range(GOLDEN)],
        golden_wallets={},
        cold=wallets[WALLETS:],
        tokens={},
    )
    for index, wallet in enumerate(world.wallets):
        amount = FUNDING + index
        body = {"source": treasury, "destination": wallet, "amount": amount}
        marks: dict[Any, Any] = {("moved", amount): {treasury: -amount, wallet: amount}}
        await tell(connection, address, book, Operation("v1", "/v1/transfers", body, marks))
    for index, name in enumerate(world.golden):
        amount = FUNDING + WALLETS + index
        body = {"user_id": name, "asset_type": "GOLD", "amount": major(amount), "idempotency_key": f"golden-{index}"}
        marks = {("moved", amount): {world.gold_treasury: -amount, "": amount}, ("user", name): {}}
        path = "/api/v1/transactions/topup"
        await tell(connection, address, book, Operation("internal_wallet", path, body, marks, f"golden-{index}"))
        accounts = await ask(get(address, "/v1/wallets?limit=100&asset=GOLD"))
        world.golden_wallets[name] = accounts["data"][-1]["id"]
    for index in range(PAYERS):
        login = await ask(post(address, "/api/auth/login/", {"username": f"payer-{index}", "password": PASSWORD}))
        world.tokens[users[index]] = login["token"]
    connection.close()
    return world


async def _user(connection: Any, address: Address, book: Book, index: int) -> int:
    if index < PAYERS:
        name = f"payer-{index}"
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        operation = Operation("digital_wallet", "/users", body, {("user", name): {}})
        return int((await tell(connection, address, book, operation))["user_id"])
    name = f"holder-{index}"
    operation = Operation("v1", "/v1/users", {"username": name}, {("user", name): {}})
    return int((await tell(connection, address, book, operation))["id"])
