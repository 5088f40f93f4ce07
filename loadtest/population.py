"""The wallets of a run: who they are, what they held when it began, and how they are opened and funded.

Opening goes over the API with many connections, funding in batches. A Population is what a run is measured
and audited against, so it says exactly what each wallet held before the first request of the load.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from .answers import Answer
from .client import Client, Unanswered, content_of
from .dialects import TREASURY, V1, Dialect
from .requests import post

CONNECTIONS: Final = 256
FUNDING_BATCH: Final = 100

Progress = Callable[[str, int, int], None]


class Population(msgspec.Struct, frozen=True):
    """Wallets by index. `ids` are what requests name them by, `funding_minor` what each held before the load."""

    dialect: str
    asset: str
    ids: tuple[str, ...]
    treasury: str | None
    funding_minor: int

    def id_of(self, actor: int) -> str:
        """The id of the wallet with this index, or the Treasury's."""
        if actor != TREASURY:
            return self.ids[actor]
        assert self.treasury is not None
        return self.treasury


class _Identified(msgspec.Struct):
    id: int | str


_identified: Final = msgspec.json.Decoder(_Identified)


async def open_v1(
    client: Client, wallets: int, asset: str, funding_minor: int, progress: Progress
) -> tuple[list[str], list[str]]:
    """Open `wallets` users with a wallet each over /v1, and fund them. The ids of the wallets and of the users. Raises Unanswered."""
    users = await _made(
        client, "opening users", (post(client.address, "/v1/users", {}) for _ in range(wallets)), wallets, progress
    )
    asked = (post(client.address, "/v1/wallets", {"user_id": user, "asset": asset}) for user in users)
    opened = [str(wallet) for wallet in await _made(client, "opening wallets", asked, wallets, progress)]
    if funding_minor:
        treasury = await treasury_of(client, asset)
        await _fund_v1(client, treasury, opened, funding_minor, progress)
    return opened, [str(user) for user in users]


async def treasury_of(client: Client, asset: str) -> str:
    """The wallet that an asset comes from. Raises Unanswered."""
    return str((await client.read(f"/v1/assets/{asset}"))["treasury_wallet_id"])


async def populate(
    client: Client, dialect: Dialect, wallets: int, *, asset: str, funding_minor: int, setup: str, progress: Progress
) -> Population:
    """Make the wallets of a run in the way `setup` says: over /v1, over the dialect's own endpoints, or they exist already.

    Raises Unanswered.
    """
    treasury = None
    if setup == "v1":
        opened, users = await open_v1(client, wallets, asset, funding_minor, progress)
        ids = opened if isinstance(dialect, V1) else users
        treasury = await treasury_of(client, asset)
    elif setup == "existing":
        ids = [str(number) for number in range(1, wallets + 1)]
        funding_minor = await _held(client, dialect, ids)
    else:
        ids = await _open_a(client, dialect, wallets, funding_minor, progress)
    return Population(dialect.name, asset, tuple(ids), treasury, funding_minor)


async def _held(client: Client, dialect: Dialect, ids: list[str]) -> int:
    """What each of the existing wallets holds, which must be the same, judged by the first, the last and the middle one."""
    picked = [ids[0], ids[len(ids) // 2], ids[-1]]
    answers = await client.all(dialect.balance(client.address, wallet) for wallet in picked)
    balances = {dialect.balance_in(content_of(answer, 200, "an existing wallet")) for answer in answers}
    if len(balances) != 1:
        raise Unanswered(f"the existing wallets must hold the same, and hold {sorted(balances)}")
    return balances.pop()


async def _made(
    client: Client, what: str, requests: Iterator[bytes], total: int, progress: Progress
) -> list[int | str]:
    ids: list[int | str] = [0] * total
    done = 0

    def take(index: int, answer: Answer) -> None:
        nonlocal done
        if answer.status != 201:
            raise Unanswered(f"{what}: {answer.status} {answer.body[:300]!r}")
        ids[index] = _identified.decode(answer.body).id
        done += 1
        if done % 1000 == 0 or done == total:
            progress(what, done, total)

    await client.each(requests, take)
    return ids


async def _fund_v1(client: Client, treasury: str, wallets: list[str], funding_minor: int, progress: Progress) -> None:
    def batches() -> Iterator[bytes]:
        for start in range(0, len(wallets), FUNDING_BATCH):
            part = wallets[start : start + FUNDING_BATCH]
            transfers = [{"source": treasury, "destination": wallet, "amount": funding_minor} for wallet in part]
            yield post(client.address, "/v1/transfers/batch", {"transfers": transfers, "atomic": True})

    done = 0

    def take(index: int, answer: Answer) -> None:
        nonlocal done
        content_of(answer, 200, "funding")
        done += min(FUNDING_BATCH, len(wallets) - index * FUNDING_BATCH)
        progress("funding", done, len(wallets))

    # Few at once: a batch is large, and all of them draw on the one Treasury.
    await Client(client.address, 4).each(batches(), take)


async def _open_a(client: Client, dialect: Dialect, wallets: int, funding_minor: int, progress: Progress) -> list[str]:
    """Over `POST /users` and `POST /wallet/{id}/add-money`, which every service of dialect A has."""
    ids = [""] * wallets
    done = 0

    def opened(index: int, answer: Answer) -> None:
        nonlocal done
        ids[index] = str(content_of(answer, 201, "opening users")["user_id"])
        done += 1
        progress("opening users", done, wallets)

    await client.each((dialect.open(client.address, index) for index in range(wallets)), opened)
    if funding_minor:
        funded = 0

        def paid(index: int, answer: Answer) -> None:
            nonlocal funded
            content_of(answer, 201, "funding")
            funded += 1
            progress("funding", funded, wallets)

        await client.each((dialect.credit(client.address, None, user, funding_minor) for user in ids), paid)
    return ids
