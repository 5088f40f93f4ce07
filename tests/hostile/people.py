"""Users of the server under attack, and what each of them owns by every name that any of the APIs has for it."""

from typing import Any, Final

import msgspec

from .target import PASSWORD, Target

RICH_MINOR: Final = 98_765_432_10
"""What a victim has; neither this nor what it is after a payment of a few cents may be seen by others."""
POOR_MINOR: Final = 50_000


class Person(msgspec.Struct, kw_only=True):
    """A user with a wallet of the default asset, one credit of it, and one payment out of it."""

    user_id: int
    username: str
    wallet: str
    token: str
    entry: str
    """The number of its entry in its own payment, as the dialects take it."""
    transfer: str
    """The native id of that payment."""
    transaction: str
    """The native id of that payment's transaction."""
    transfer_number: str
    """The payment as the digital wallet numbers it."""

    @property
    def marks(self) -> tuple[bytes, ...]:
        """Texts that only answers about this user have."""
        return (f"{self.username}@".encode(), purpose(self.username).encode(), b"98765432")


def purpose(username: str) -> str:
    """What a user's payment is for, which is nobody else's affair."""
    return f"secret of {username}"


def settle(target: Target, username: str, amount: int, payee: str) -> Person:
    """Make a user that can log in, has money, and has paid one unit to the wallet `payee`."""
    made = target.post("/users", {"username": username, "email": f"{username}@example.com", "password": PASSWORD})
    user_id: int = made["user_id"]
    wallet = target.get(f"/v1/wallets?user_id={user_id}")["data"][0]["id"]
    target.post("/v1/transfers", {"source": target.treasury, "destination": wallet, "amount": amount})
    paid = target.post(
        "/v1/transfers", {"source": wallet, "destination": payee, "amount": 1, "description": purpose(username)}
    )
    login = target.post("/api/auth/login", {"username": username, "password": PASSWORD})
    return Person(
        user_id=user_id,
        username=username,
        wallet=wallet,
        token=login["token"],
        entry=paid["legs"][0]["entry_id"].removeprefix("ent_"),
        transfer=paid["id"],
        transaction=paid["transaction_id"],
        transfer_number=paid["id"].removeprefix("tfr_"),
    )


def books(target: Target) -> list[Any]:
    """Everything that a successful attack on others would change."""
    pages = ("/v1/wallets?limit=100", "/v1/users?limit=100", "/v1/assets")
    return [*(target.get(page)["data"] for page in pages), last_sequence(target)]


def last_sequence(target: Target, after: int = 0) -> int:
    """The number of the last record."""
    while page := target.get(f"/v1/events?after={after}&limit=1000")["data"]:
        after = page[-1]["sequence"]
    return after
