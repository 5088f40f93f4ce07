"""Setting up: one request opens a user and its wallet, batches fund them, and users are found again by walking the list."""

import msgspec

from walletd.loadtest.client import Client
from walletd.loadtest.population import open_wallets, users_of

from .scripted import Reply, Scripted, json_answer

WALLETS = 250


class Service:
    """Opens wallets; every fifth request breaks off after it was done, so that it comes again and finds the wallet there."""

    def __init__(self) -> None:
        self.wallets: dict[str, str] = {}
        self.held: dict[str, int] = {}
        self.batches = 0

    async def __call__(self, method: str, path: str, body: bytes) -> Reply:
        path, _, query = path.partition("?")
        match path.split("/")[1:]:
            case ["wallet", "create"]:
                return self._create(msgspec.json.decode(body)["userId"])
            case ["v1", "assets", _]:
                return json_answer(200, {"treasury_wallet_id": "treasury"})
            case ["v1", "transfers", "batch"]:
                return self._fund(msgspec.json.decode(body)["transfers"])
            case ["v1", "wallets"]:
                return self._page(int(query.partition("cursor=")[2] or 0))
            case _:
                return json_answer(200, {"asset": "USD"})

    def _create(self, user: str) -> Reply:
        if user in self.wallets:
            return json_answer(409, {"walletId": self.wallets[user]})
        self.wallets[user] = f"w{len(self.wallets)}"
        if len(self.wallets) % 5 == 0:
            return None
        return json_answer(201, {"walletId": self.wallets[user]})

    def _fund(self, transfers: list[dict[str, object]]) -> Reply:
        self.batches += 1
        for transfer in transfers:
            assert transfer["source"] == "treasury"
            wallet, amount = str(transfer["destination"]), transfer["amount"]
            assert isinstance(amount, int)
            self.held[wallet] = self.held.get(wallet, 0) + amount
        return json_answer(200, {"results": []})

    def _page(self, start: int) -> Reply:
        rows = [{"id": wallet, "user_id": int(wallet[1:]) + 7} for wallet in self.wallets.values()][start : start + 100]
        more = str(start + 100) if start + 100 < len(self.wallets) else None
        return json_answer(200, {"data": rows, "next": more})


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


async def test_every_wallet_is_opened_once_and_funded_once() -> None:
    service = Service()
    async with Scripted(service) as server:
        client = Client(server.address, 8)
        opened = await open_wallets(client, WALLETS, "USD", 500, silent)
        users = await users_of(client, opened, "USD")
    assert sorted(opened) == sorted(service.wallets.values())
    assert service.held == dict.fromkeys(opened, 500)
    assert service.batches == 1
    assert users == [str(int(wallet[1:]) + 7) for wallet in opened]
