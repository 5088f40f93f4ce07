"""The demo: a few users with wallets and a little history, made by ordinary operations, and curl lines that use them.

The amounts and names are the same at every run; the wallets' ids are new. A ledger that has users is left alone.
"""

from typing import Final, NamedTuple

from .engine import CreateUser, Engine, transfer
from .engine.wallet import Wallet

ASSET: Final = "USD"

_SHOWN: Final = " | python3 -m json.tool"


class Person(NamedTuple):
    """A user of the demo and the money it starts with."""

    username: str
    name: str
    opening_minor: int


PEOPLE: Final = (
    Person("alice", "Alice Archer", 50_000),
    Person("bob", "Bob Baker", 20_000),
    Person("carol", "Carol Carter", 7_500),
    Person("dave", "Dave Draper", 0),
)

PAYMENTS: Final = (
    ("alice", "bob", 1_250, "Lunch", "food"),
    ("alice", "carol", 9_900, "Concert tickets", "leisure"),
    ("bob", "dave", 4_000, "Bicycle repair", "services"),
    ("carol", "alice", 300, "Coffee", "food"),
    ("dave", "carol", 1_500, "Books", "shopping"),
    ("bob", "alice", 2_499, "Shared taxi", "travel"),
)


class NotEmpty(Exception):
    """The ledger has users already, so the demo keeps away from it."""


async def fill(engine: Engine) -> None:
    """Make the demo's users, open their wallets, credit them and let them pay each other. Raises NotEmpty."""
    if engine.ledger.user_count:
        raise NotEmpty
    treasury = engine.ledger.asset(ASSET).treasury.id
    for person in PEOPLE:
        await engine.execute(CreateUser(username=person.username, name=person.name, wallet_asset=ASSET))
        if person.opening_minor:
            wallet = wallet_of(engine, person.username)
            await engine.execute(transfer(treasury, wallet.id, person.opening_minor, description="Opening balance"))
    for source, destination, amount_minor, description, category in PAYMENTS:
        await engine.execute(
            transfer(
                wallet_of(engine, source).id,
                wallet_of(engine, destination).id,
                amount_minor,
                description=description,
                category=category,
            )
        )


def wallet_of(engine: Engine, username: str) -> Wallet:
    """The wallet of one of the demo's people: they are the first users of the ledger, in their order."""
    number = 1 + [person.username for person in PEOPLE].index(username)
    wallet = engine.ledger.wallet_of(number, engine.ledger.asset(ASSET))
    assert wallet is not None
    return wallet


def guide(engine: Engine, url: str) -> str:
    """What to paste next: people, balances and curl lines with the ids of this very ledger."""
    rows = []
    for person in PEOPLE:
        wallet = wallet_of(engine, person.username)
        rows.append(f"  {person.username:<6} {wallet.posted / 100:>9.2f} {ASSET}  {wallet.id}")
    alice, bob = wallet_of(engine, "alice").id, wallet_of(engine, "bob").id
    treasury = engine.ledger.asset(ASSET).treasury.id
    post = f"curl -s {url}/v1/transfers -H 'Content-Type: application/json'"
    return "\n".join(
        [
            "",
            "Wallets:",
            *rows,
            f"  {'(USD Treasury: money from outside comes from here)':<18}  {treasury}",
            "",
            "Paste these into another terminal. Amounts are in cents.",
            "",
            "# Alice's wallet, and what happened in it",
            f"curl -s {url}/v1/wallets/{alice}{_SHOWN}",
            f"curl -s '{url}/v1/wallets/{alice}/entries?limit=5'{_SHOWN}",
            "",
            "# Alice pays Bob 12.34; sent again with the same key, it is still one payment",
            f"{post} -H 'Idempotency-Key: lunch-1' \\",
            f'  -d \'{{"source": "{alice}", "destination": "{bob}", "amount": 1234, "description": "Lunch"}}\'{_SHOWN}',
            "",
            "# Bob receives 100.00 from outside",
            f"{post} -H 'Idempotency-Key: topup-1' \\",
            f'  -d \'{{"source": "{treasury}", "destination": "{bob}", "amount": 10000}}\'{_SHOWN}',
            "",
            "# Everything that happened, oldest first",
            f"curl -s '{url}/v1/events?after=0&limit=20'{_SHOWN}",
            "",
            "Ctrl-C stops the server.",
        ]
    )
