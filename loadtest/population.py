"""The wallets of a run: who they are, what they held when it began, and how they are opened and funded.

Opening goes over the API with many connections, funding in batches. A Population is what a run is measured
and audited against, so it says exactly what each wallet held before the first request of the load.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from .answers import Answer
from .client import Client, Unanswered, content_of
from .dialects import TREASURY, V1, Dialect
from .requests import post

CONNECTIONS: Final = 256
REGISTRATIONS: Final = 4
FUNDING_BATCH: Final = 1000
PAGE: Final = 100

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


class _Opened(msgspec.Struct, rename="camel"):
    wallet_id: str


_opened: Final = msgspec.json.Decoder(_Opened)


async def open_wallets(client: Client, wallets: int, asset: str, funding_minor: int, progress: Progress) -> list[str]:
    """Open `wallets` users with a wallet each, one request for both, and fund them in batches. The wallets' ids. Raises Unanswered.

    A user that the service knows by another service's id comes with its wallet, in the default asset, which `asset` must be.
    """
    mark = secrets.token_hex(3)
    ids = [""] * wallets
    done = 0

    def take(index: int, answer: Answer) -> None:
        nonlocal done
        if answer.status not in (201, 409):  # 409: a connection broke, and the first attempt had been done
            raise Unanswered(f"opening wallets: {answer.status} {answer.body[:300]!r}")
        ids[index] = _opened.decode(answer.body).wallet_id
        done += 1
        if done % 1000 == 0 or done == wallets:
            progress("opening wallets", done, wallets)

    asked = (post(client.address, "/wallet/create", {"userId": f"{mark}-{index}"}) for index in range(wallets))
    await client.each(asked, take)
    first = await client.read(f"/v1/wallets/{ids[0]}")
    if first["asset"] != asset:
        raise Unanswered(f"wallets are opened in {first['asset']}, and {asset} is wanted")
    if funding_minor:
        await _fund(client, await treasury_of(client, asset), ids, funding_minor, progress)
    return ids


async def users_of(client: Client, wallets: Sequence[str], asset: str) -> list[str]:
    """The users of wallets, in the same order. Raises Unanswered."""
    users = dict.fromkeys(wallets, "")
    cursor = None
    while True:
        mark = f"&cursor={cursor}" if cursor else ""
        page = await client.read(f"/v1/wallets?asset={asset}&limit={PAGE}{mark}")
        users.update((wallet["id"], str(wallet["user_id"])) for wallet in page["data"] if wallet["id"] in users)
        cursor = page["next"]
        if cursor is None:
            break
    if "" in users.values():
        raise Unanswered("the list of wallets lacks some that were opened")
    return list(users.values())


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
        ids = await open_wallets(client, wallets, asset, funding_minor, progress)
        if not isinstance(dialect, V1):
            ids = await users_of(client, ids, asset)
        treasury = await treasury_of(client, asset)
    elif setup == "existing":
        ids = [str(number) for number in range(1, wallets + 1)]
        funding_minor = await _held(client, dialect, ids)
    else:
        ids = await _open_digital(client, dialect, wallets, funding_minor, progress)
    return Population(dialect.name, asset, tuple(ids), treasury, funding_minor)


async def _held(client: Client, dialect: Dialect, ids: list[str]) -> int:
    """What each of the existing wallets holds, which must be the same, judged by the first, the last and the middle one."""
    picked = [ids[0], ids[len(ids) // 2], ids[-1]]
    answers = await client.all(dialect.balance(client.address, wallet) for wallet in picked)
    balances = {dialect.balance_in(content_of(answer, 200, "an existing wallet")) for answer in answers}
    if len(balances) != 1:
        raise Unanswered(f"the existing wallets must hold the same, and hold {sorted(balances)}")
    return balances.pop()


async def _fund(client: Client, treasury: str, wallets: list[str], funding_minor: int, progress: Progress) -> None:
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


async def _open_digital(
    client: Client, dialect: Dialect, wallets: int, funding_minor: int, progress: Progress
) -> list[str]:
    """Over `POST /users` and `POST /wallet/{id}/add-money`, which every service with a digital wallet API has."""
    ids = [""] * wallets
    done = 0

    def opened(index: int, answer: Answer) -> None:
        nonlocal done
        ids[index] = str(content_of(answer, 201, "opening users")["user_id"])
        done += 1
        progress("opening users", done, wallets)

    # Few at once: each password is hashed, which takes long on purpose, and a service may refuse to do much of it.
    asked = (dialect.open(client.address, index) for index in range(wallets))
    await Client(client.address, min(REGISTRATIONS, wallets)).each(asked, opened)
    if funding_minor:
        funded = 0

        def paid(index: int, answer: Answer) -> None:
            nonlocal funded
            content_of(answer, 201, "funding")
            funded += 1
            progress("funding", funded, wallets)

        await client.each((dialect.credit(client.address, None, user, funding_minor) for user in ids), paid)
    return ids
