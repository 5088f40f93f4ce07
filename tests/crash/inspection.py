"""The inspection after a restart: the journal is read on, what was in doubt is asked again, and balances and histories are held against the journal."""

import random
from typing import Any, Final

import msgspec

from walletd.loadtest.answers import Answer
from walletd.loadtest.client import Connection, connect
from walletd.loadtest.requests import Address, get

from .book import Book
from .clients import Logins, ask, with_token
from .operations import World

EVENTS: Final = 1_000
SAMPLE: Final = 3


class Inspection:
    """One server, up and without other clients. The `book` gets what is found."""

    def __init__(self, address: Address, book: Book, connection: Connection) -> None:
        self._address = address
        self._book = book
        self._connection = connection

    @classmethod
    async def begin(cls, address: Address, book: Book) -> "Inspection":
        """Connect."""
        return cls(address, book, await connect(address))

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    async def lag(self) -> int:
        """How far the image is behind the journal."""
        for line in (await self._ask("/metrics")).body.decode().splitlines():
            if line.startswith("walletd_fold_lag_records "):
                return int(float(line.split()[1]))
        raise AssertionError("no such metric")

    async def resolve(self, chance: random.Random) -> None:
        """Decide what is in doubt, by the journal and by the keys, and repeat some of what was acknowledged."""
        book = self._book
        await self.follow()
        for told in [told for told in book.in_doubt if told.operation.key is not None]:
            there = book.was_there(told)
            book.repeated(told, await ask(self._connection, told.operation.request(self._address)), was_there=there)
        book.forget_keyless()
        recent = book.keyed[-50:]
        for operation in chance.sample(recent, min(SAMPLE, len(recent))) + chance.sample(
            book.keyed, min(SAMPLE, len(book.keyed))
        ):
            if operation.token is None or operation.api == "credit_transfer":
                book.same_again(operation, await ask(self._connection, operation.request(self._address)))
        await self.follow()
        for operation in chance.sample(book.located, min(SAMPLE, len(book.located))):
            await self._located(operation.location, operation.token)

    async def follow(self) -> None:
        """Read the journal to its end."""
        events: list[dict[str, Any]] = []
        after = self._book.follower.seq
        while True:
            page = await self._read(f"/v1/events?after={after}&limit={EVENTS}")
            events += page["data"]
            if len(page["data"]) < EVENTS:
                break
            after = page["data"][-1]["sequence"]
        self._book.follow(events)
        for asset, total in self._book.follower.sums().items():
            if total:
                self._book.find(f"the wallets of {asset} sum to {total}")

    async def balances(self, *, every: bool) -> None:
        """Wallets are as the journal says, nothing is held, and none is there that the journal does not know."""
        follower, cursor, count = self._book.follower, "", 0
        while True:
            page = await self._read(f"/v1/wallets?limit=100{cursor}")
            for wallet in page["data"]:
                count += 1
                known = follower.balances.get(wallet["id"])
                if int(wallet["posted"]) != known or wallet["held"] != "0" or wallet["available"] != wallet["posted"]:
                    self._book.find(f"wallet {wallet} holds not {known}, or holds something back")
                if (wallet["status"] == "frozen") != follower.debits_frozen.get(wallet["id"], False):
                    self._book.find(f"wallet {wallet['id']} is {wallet['status']}, and the journal says otherwise")
            if page["next"] is None or not every:
                break
            cursor = f"&cursor={page['next']}"
        if every and count != len(follower.balances):
            self._book.find(f"{count} wallets are listed, the journal has {len(follower.balances)}")

    async def history(self, wallet: str, *, every: bool) -> None:
        """A wallet's entries, newest first, are those of the journal; the last hundred, or every one."""
        expected = self._book.follower.history.get(wallet, [])[::-1]
        found: list[tuple[str, int, int]] = []
        cursor = ""
        while True:
            page = await self._read(f"/v1/wallets/{wallet}/entries?limit=100{cursor}")
            found += [(entry["id"], int(entry["amount"]), int(entry["balance_after"])) for entry in page["data"]]
            if page["next"] is None or not every:
                break
            cursor = f"&cursor={page['next']}"
        wanted = expected if every else expected[:100]
        if found != wanted:
            at = next((at for at, (one, two) in enumerate(zip(found, wanted, strict=False)) if one != two), "the end")
            self._book.find(
                f"the history of {wallet}, {len(found)} entries, differs from the journal's {len(wanted)} at {at}"
            )

    async def logins(self, world: World, logins: Logins) -> None:
        """Who was logged in still is; who was logged out is not."""
        cases = [(token, 200) for token in [*world.tokens.values(), *logins.alive[-SAMPLE:]]]
        for token, status in cases + [(token, 401) for token in logins.dead[-SAMPLE:]]:
            answer = await ask(self._connection, with_token(get(self._address, "/api/wallet/balance/"), token))
            if answer.status != status:
                self._book.find(f"a login that should be answered {status} was answered {answer.status}")

    async def _located(self, location: str | None, token: str | None) -> None:
        if location is None:
            return
        request = get(self._address, location)
        answer = await ask(self._connection, request if token is None else with_token(request, token))
        if answer.status not in (200, 202):
            self._book.find(f"{location}, given with a 201, was answered {answer.status}")

    async def _ask(self, path: str) -> Answer:
        return await ask(self._connection, get(self._address, path))

    async def _read(self, path: str) -> Any:
        answer = await self._ask(path)
        assert answer.status == 200, (path, answer)
        return msgspec.json.decode(answer.body)
