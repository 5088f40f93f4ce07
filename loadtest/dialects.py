"""The APIs that the load can be put on: walletd's own /v1, and the digital wallet API, which other wallet services speak as well.

A dialect encodes requests and reads what the audit needs from answers. Amounts inside the load test are minor units;
those of the digital wallet API are decimals of a currency with two digits.
"""

import secrets
from decimal import Decimal
from typing import Any, Final, Protocol

from .requests import Address, get, post

TREASURY: Final = -1
"""The index that stands for the Treasury where wallets are named by index."""

HUNDREDTH: Final = Decimal("0.01")


class Dialect(Protocol):
    """What a run needs of an API. Ids are those of a Population of the same dialect."""

    name: str
    movement_id: str
    """The member of a movement's answer by which it can be read again."""

    def open(self, address: Address, index: int) -> bytes:
        """Opens a user."""

    def transfer(self, address: Address, source: str, destination: str, amount_minor: int) -> bytes:
        """Moves money between two wallets."""

    def credit(self, address: Address, treasury: str | None, destination: str, amount_minor: int) -> bytes:
        """Moves money from the Treasury to a wallet."""

    def batch(self, address: Address, transfers: list[tuple[str, str, int]]) -> bytes:
        """Moves money many times in one request."""

    def balance(self, address: Address, wallet: str) -> bytes:
        """Reads a balance."""

    def balance_in(self, content: Any) -> int:
        """The balance, in minor units, in an answer to `balance`."""

    def history(self, address: Address, wallet: str) -> bytes:
        """Reads the newest page of a history."""

    def movement(self, address: Address, movement: str, *, is_credit: bool) -> bytes:
        """Reads one movement by its id."""

    def moved(self, content: Any, *, is_credit: bool) -> tuple[str | None, str, int]:
        """(source, destination, amount in minor units) in an answer to `movement`; the source of a credit is None."""


class V1:
    """walletd's native API: wallets by UUID, amounts in minor units."""

    name = "v1"
    movement_id = "id"

    def open(self, address: Address, index: int) -> bytes:
        """See Dialect."""
        return post(address, "/v1/users", {})

    def transfer(self, address: Address, source: str, destination: str, amount_minor: int) -> bytes:
        """See Dialect."""
        return post(address, "/v1/transfers", {"source": source, "destination": destination, "amount": amount_minor})

    def credit(self, address: Address, treasury: str | None, destination: str, amount_minor: int) -> bytes:
        """See Dialect."""
        assert treasury is not None
        return self.transfer(address, treasury, destination, amount_minor)

    def batch(self, address: Address, transfers: list[tuple[str, str, int]]) -> bytes:
        """See Dialect."""
        items = [
            {"source": source, "destination": destination, "amount": amount}
            for source, destination, amount in transfers
        ]
        return post(address, "/v1/transfers/batch", {"transfers": items})

    def balance(self, address: Address, wallet: str) -> bytes:
        """See Dialect."""
        return get(address, f"/v1/wallets/{wallet}")

    def balance_in(self, content: Any) -> int:
        """See Dialect."""
        return int(content["posted"])

    def history(self, address: Address, wallet: str) -> bytes:
        """See Dialect."""
        return get(address, f"/v1/wallets/{wallet}/entries?limit=20")

    def movement(self, address: Address, movement: str, *, is_credit: bool) -> bytes:
        """See Dialect."""
        return get(address, f"/v1/transfers/{movement}")

    def moved(self, content: Any, *, is_credit: bool) -> tuple[str | None, str, int]:
        """See Dialect."""
        return None if is_credit else content["source"], content["destination"], int(content["amount"])


class DigitalWallet:
    """The digital wallet API: users by integer, amounts as decimals."""

    name = "digital-wallet"
    movement_id = "transfer_id"

    def open(self, address: Address, index: int) -> bytes:
        """See Dialect."""
        name = f"load_{index}_{secrets.token_hex(6)}"
        return post(address, "/users", {"username": name, "email": f"{name}@example.com", "password": "load-password"})

    def transfer(self, address: Address, source: str, destination: str, amount_minor: int) -> bytes:
        """See Dialect."""
        body = {"sender_user_id": int(source), "recipient_user_id": int(destination), "amount": amount_minor / 100}
        return post(address, "/transfer", body)

    def credit(self, address: Address, treasury: str | None, destination: str, amount_minor: int) -> bytes:
        """See Dialect."""
        return post(address, f"/wallet/{destination}/add-money", {"amount": amount_minor / 100})

    def batch(self, address: Address, transfers: list[tuple[str, str, int]]) -> bytes:
        """The digital wallet API has no batches."""
        raise ValueError("the digital wallet API has no batches")

    def balance(self, address: Address, wallet: str) -> bytes:
        """See Dialect."""
        return get(address, f"/wallet/{wallet}/balance")

    def balance_in(self, content: Any) -> int:
        """See Dialect."""
        return _minor(content["balance"])

    def history(self, address: Address, wallet: str) -> bytes:
        """See Dialect."""
        return get(address, f"/transactions/{wallet}?limit=20")

    def movement(self, address: Address, movement: str, *, is_credit: bool) -> bytes:
        """See Dialect."""
        return get(address, f"/transactions/detail/{movement}" if is_credit else f"/transfer/{movement}")

    def moved(self, content: Any, *, is_credit: bool) -> tuple[str | None, str, int]:
        """See Dialect."""
        if is_credit:
            return None, str(content["user_id"]), _minor(content["amount"])
        return str(content["sender_user_id"]), str(content["recipient_user_id"]), _minor(content["amount"])


def signed_minor(transaction: dict[str, Any]) -> int:
    """What a transaction of the digital wallet API adds to its user's balance, in minor units."""
    amount = _minor(transaction["amount"])
    return -amount if transaction["transaction_type"] in ("TRANSFER_OUT", "DEBIT") else amount


def _minor(amount: Any) -> int:
    """An amount of the digital wallet API in minor units; its numbers have two decimals, so text gives the digits back."""
    return int(Decimal(str(amount)).quantize(HUNDREDTH).scaleb(2))


DIALECTS: Final[dict[str, type[V1] | type[DigitalWallet]]] = {"v1": V1, "digital-wallet": DigitalWallet}
