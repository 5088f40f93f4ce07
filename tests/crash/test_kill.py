"""Nothing acknowledged is lost and nothing half-done is seen, however often the server is killed under load.

Each client remembers what it was told: acknowledged, refused, or nothing, because the server died. What is in doubt is sent again
with its key after the restart, and must then have happened exactly once.
"""

import asyncio
import random
import time
from typing import Any

import aiohttp
import pytest

from .conftest import ServerProcess

CLIENTS = 6
WALLETS = 8
FUNDING = 10_000
UPTIME_MAX_S = 0.35


class Client:
    """Sends movements one after another, each with a key and a reference of its own, and keeps what came of them."""

    def __init__(self, number: int, seed: int, wallets: list[str]) -> None:
        self._number = number
        self._random = random.Random(seed * 1000 + number)
        self._wallets = wallets
        self._count = 0
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()
        self.in_doubt: tuple[str, str, dict[str, Any]] | None = None

    async def run(self, session: aiohttp.ClientSession, url: str) -> None:
        """First resolve what is in doubt, then go on until the server is gone."""
        try:
            while True:
                if self.in_doubt is None:
                    self.in_doubt = self._next()
                reference, path, body = self.in_doubt
                async with session.post(url + path, json=body, headers={"Idempotency-Key": reference}) as answer:
                    document = await answer.json(content_type=None)
                    self._remember(reference, answer.status, document)
        except aiohttp.ClientError:
            return

    def _next(self) -> tuple[str, str, dict[str, Any]]:
        self._count += 1
        reference = f"client-{self._number}-{self._count}"
        source, destination, third = self._random.sample(self._wallets, 3)
        # Now and then more than a wallet holds: refusals belong to the load.
        amount = self._random.choice([1, 7, 100, 3 * FUNDING])
        kind = self._random.randrange(10)
        if kind < 7:
            body = {"source": source, "destination": destination, "amount": amount, "reference": reference}
            return reference, "/v1/transfers", body
        if kind < 9:
            legs = [
                {"wallet_id": source, "amount": str(-2 * amount)},
                {"wallet_id": destination, "amount": str(amount)},
                {"wallet_id": third, "amount": str(amount)},
            ]
            return reference, "/v1/transactions", {"legs": _signed(legs), "reference": reference}
        transfers = [
            {"source": source, "destination": destination, "amount": amount, "reference": f"{reference}/{index}"}
            for index in range(3)
        ]
        return reference, "/v1/transfers/batch", {"transfers": transfers, "atomic": True}

    def _remember(self, reference: str, status: int, document: dict[str, Any]) -> None:
        if status in (200, 201):
            items = document.get("results")
            for item in [document] if items is None else [result["transfer"] for result in items]:
                self.acknowledged[item["reference"]] = item
        elif status == 422:
            assert document["code"] == "insufficient_balance", document
            self.refused.add(reference)
        else:
            assert status == 503, document  # stopping or full: nothing happened, try again
            return
        self.in_doubt = None


def _signed(legs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**leg, "amount": int(leg["amount"])} for leg in legs]


async def _post(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> dict[str, Any]:
    async with session.post(url, json=body) as answer:
        document: dict[str, Any] = await answer.json(content_type=None)
        assert answer.status == 201, document
        return document


async def _set_up(session: aiohttp.ClientSession, url: str) -> tuple[str, list[str]]:
    async with session.get(url + "/v1/assets/USD") as answer:
        treasury: str = (await answer.json())["treasury_wallet_id"]
    wallets = []
    for number in range(WALLETS):
        user = await _post(session, url + "/v1/users", {"external_id": f"holder-{number}"})
        wallet = await _post(session, url + "/v1/wallets", {"user_id": user["id"], "asset": "USD"})
        wallets.append(wallet["id"])
        funding = {"source": treasury, "destination": wallet["id"], "amount": FUNDING, "reference": f"funding-{number}"}
        await _post(session, url + "/v1/transfers", funding)
    return treasury, wallets


async def _events(session: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    after = 0
    while True:
        async with session.get(f"{url}/v1/events?after={after}&limit=1000") as answer:
            page = (await answer.json())["data"]
        if not page:
            return events
        events += page
        after = page[-1]["sequence"]


async def _history(session: aiohttp.ClientSession, url: str, wallet: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = "?limit=100" + (f"&cursor={cursor}" if cursor else "")
        async with session.get(f"{url}/v1/wallets/{wallet}/entries{query}") as answer:
            page = await answer.json()
        entries += page["data"]
        cursor = page["next"]
        if cursor is None:
            return entries


async def _check(
    session: aiohttp.ClientSession, url: str, treasury: str, wallets: list[str], clients: list[Client]
) -> None:
    """Everything the clients were told is so, and nothing else is."""
    total = 0
    found: dict[str, int] = {}
    for wallet in [treasury, *wallets]:
        async with session.get(f"{url}/v1/wallets/{wallet}") as answer:
            state = await answer.json()
        posted = int(state["posted"])
        total += posted
        entries = await _history(session, url, wallet)
        assert sum(int(entry["amount"]) for entry in entries) == posted
        assert not entries or int(entries[0]["balance_after"]) == posted
        assert wallet == treasury or posted >= 0
        for entry in entries:
            found[entry["reference"]] = found.get(entry["reference"], 0) + 1
    assert total == 0
    told: dict[str, int] = {f"funding-{number}": 2 for number in range(len(wallets))}
    maybe: set[str] = set()
    for client in clients:
        told |= {reference: len(item["legs"]) for reference, item in client.acknowledged.items()}
        assert not client.refused & found.keys()
        if client.in_doubt is not None:
            reference = client.in_doubt[0]
            maybe |= {reference, *(f"{reference}/{index}" for index in range(3))}
    assert {reference: count for reference, count in found.items() if reference not in maybe} == told


async def _check_each(session: aiohttp.ClientSession, url: str, clients: list[Client]) -> None:
    """Each acknowledged movement reads back as it was acknowledged."""
    for client in clients:
        for item in client.acknowledged.values():
            kind = "transfers" if item["id"].startswith("tfr_") else "transactions"
            async with session.get(f"{url}/v1/{kind}/{item['id']}") as answer:
                assert await answer.json() == item


@pytest.mark.slow
@pytest.mark.timeout(0)
async def test_whatever_was_acknowledged_survives_every_kill_and_nothing_else_does(
    server: ServerProcess, pytestconfig: pytest.Config
) -> None:
    kills: int = pytestconfig.getoption("--kills")
    seed: int = pytestconfig.getoption("--crash-seed") or time.time_ns() % 1_000_000
    print(f"seed: --crash-seed {seed}")
    chance = random.Random(seed)
    clients: list[Client] = []
    server.launch()
    url = server.ready()
    async with aiohttp.ClientSession() as session:
        treasury, wallets = await _set_up(session, url)
        clients = [Client(number, seed, wallets) for number in range(CLIENTS)]
        for kill in range(kills):
            load = [asyncio.create_task(client.run(session, url)) for client in clients]
            await asyncio.sleep(chance.uniform(0, UPTIME_MAX_S))
            server.kill()
            await asyncio.gather(*load)
            server.launch()
            if kill % 4 == 3:  # killed again while it recovers
                await asyncio.sleep(chance.uniform(0, 0.5))
                server.kill()
                server.launch()
            url = server.ready()
            if kill % max(1, kills // 20) == 0:  # everything is read back: it takes longer the more has been done
                await _check(session, url, treasury, wallets, clients)
        load = [asyncio.create_task(client.run(session, url)) for client in clients]
        await asyncio.sleep(0.1)
        assert server.terminate() == 0
        await asyncio.gather(*load)
        server.launch()
        url = server.ready()
        await _check(session, url, treasury, wallets, clients)
        await _check_each(session, url, clients)
        sequences = [event["sequence"] for event in await _events(session, url)]
        assert sequences == list(range(1, len(sequences) + 1))
    assert server.terminate() == 0
    acknowledged = sum(len(client.acknowledged) for client in clients)
    print(f"{kills} kills, {acknowledged} acknowledged, {sum(len(client.refused) for client in clients)} refused")
    assert acknowledged > kills
    assert any(client.refused for client in clients)
