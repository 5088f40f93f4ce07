"""Operations of all six APIs, each with the mark by which it is found again and with what its answer must say.

A movement's mark is its amount: no two operations move the same, so that also an API without references tells what it did. Amounts that
no wallet holds make operations that are refused.
"""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from walletd.loadtest.requests import Address, post

from .follower import Mark

FUNDING: Final = 10**12
BEYOND_MEANS: Final = 10**14
Claims = Callable[[Any], dict[str, Any]]


class Operation(msgspec.Struct, eq=False):
    """A request and what belongs to it. `marks` maps each mark to its legs by wallet; an unknown wallet is "", and a user or freezing has none.

    `claims` reads from the answer what can be compared with the journal: `transaction`, `entry`, `balance` and the `wallet` that the latter two belong to.
    """

    api: str
    path: str
    body: dict[str, Any]
    marks: dict[Mark, dict[str, int]]
    key: str | None = None
    claims: Claims | None = None
    token: str | None = None
    answer: Any = None
    location: str | None = None

    def request(self, address: Address) -> bytes:
        """As it goes over the wire."""
        sent = post(address, self.path, self.body, self.key if "idempotency_key" not in self.body else None)
        if self.token is None:
            return sent
        at = sent.index(b"\r\nContent-Type: ")
        return sent[:at] + f"\r\nAuthorization: Token {self.token}".encode() + sent[at:]


class World(msgspec.Struct):
    """What operations are made of: wallets in USD by their users, users of GOLD, logins, and wallets that are only frozen and unfrozen."""

    treasury: str
    gold_treasury: str
    gold: int
    wallets: list[str]
    users: list[int]
    golden: list[str]
    golden_wallets: dict[str, str]
    cold: list[str]
    tokens: dict[int, str]
    amounts: int = 1000

    def next_amount(self, count: int = 1) -> int:
        """An amount that nobody moved before; with `count`, the first of so many in a row."""
        self.amounts += count
        return self.amounts - count


def major(amount: int) -> str:
    """Minor units as a decimal with two digits."""
    return f"{amount // 100}.{amount % 100:02}"


def minor(value: Any) -> int:
    """A decimal, as an answer gives it, in minor units."""
    return int(Decimal(str(value)) * 100)


def _dialect_claims(wallet: str, *, transaction: str = "", entry: str = "", balance: str = "") -> Claims:
    """Claims from the named members of an answer."""

    def claims(answer: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"wallet": wallet}
        if transaction:
            found["transaction"] = int(str(answer[transaction]).removeprefix("txn_"))
        if entry:
            found["entry"] = int(answer[entry])
        if balance:
            found["balance"] = minor(answer[balance])
        return found

    return claims


class Maker:
    """Makes one client's operations at random. Without `logins` nothing needs a token."""

    def __init__(self, world: World, name: str, chance: random.Random) -> None:
        self._world = world
        self._name = name
        self._chance = chance
        self._count = 0
        self.logins = True
        self.batch_items = 4

    def next(self) -> Operation:
        """One more operation."""
        self._count += 1
        makers: list[tuple[int, Callable[[], Operation]]] = [
            (14, self._v1_transfer),
            (8, self._v1_legs),
            (8, self._v1_batch),
            (12, self._digital_transfer),
            (8, self._digital_money),
            (12, self._service_transfer),
            (8, self._service_money),
            (12, self._application_credits),
            (12, self._internal_wallet),
            (4, self._user),
            (2, self._freeze),
            (3 if self.logins else 0, self._credit_transfer),
        ]
        weights = [weight for weight, _ in makers]
        return self._chance.choices(makers, weights)[0][1]()

    def batch(self, items: int) -> Operation:
        """A large batch, for logs to grow."""
        self._count += 1
        return self._batch(items, atomic=True)

    def _key(self, share: float = 0.75) -> str | None:
        return f"{self._name}-{self._count}" if self._chance.random() < share else None

    def _amount(self, within_means: float = 0.88) -> int:
        """Now and then more than any wallet holds."""
        amount = self._world.next_amount()
        return amount if self._chance.random() < within_means else BEYOND_MEANS + amount

    def _pair(self) -> tuple[int, int]:
        source, destination = self._chance.sample(range(len(self._world.wallets)), 2)
        # Two wallets that everybody wants: operations wait for one another there.
        return (source, 0) if self._chance.random() < 0.3 and source != 0 else (source, destination)

    def _v1_transfer(self) -> Operation:
        source, destination = (self._world.wallets[index] for index in self._pair())
        amount = self._amount()
        body = {"source": source, "destination": destination, "amount": amount, "reference": f"r{amount}"}
        marks: dict[Mark, dict[str, int]] = {("moved", amount): {source: -amount, destination: amount}}
        claims = lambda answer: {"transaction": int(answer["transaction_id"].removeprefix("txn_"))}  # noqa: E731
        return Operation("v1", "/v1/transfers", body, marks, self._key(), claims)

    def _v1_legs(self) -> Operation:
        first, second, third = self._chance.sample(self._world.wallets, 3)
        amount = self._amount(0.6)
        # Where the second has too little, the first was held already.
        legs = {first: -1, second: 1 - amount, third: amount}
        body = {"legs": [{"wallet_id": wallet, "amount": part} for wallet, part in legs.items()]}
        claims = lambda answer: {"transaction": int(answer["id"].removeprefix("txn_"))}  # noqa: E731
        return Operation("v1", "/v1/transactions", body, {("moved", amount): legs}, self._key(), claims)

    def _v1_batch(self) -> Operation:
        return self._batch(self._chance.randrange(1, self.batch_items + 1), atomic=self._chance.random() < 0.8)

    def _batch(self, items: int, *, atomic: bool) -> Operation:
        world, first = self._world, self._world.next_amount(items)
        transfers: list[dict[str, Any]] = []
        marks: dict[Mark, dict[str, int]] = {}
        amounts = list(range(first, first + items))
        if atomic and self._chance.random() < 0.12:
            amounts[-1] += BEYOND_MEANS
        for amount in amounts:
            source, destination = self._chance.sample(world.wallets, 2)
            transfers.append({"source": source, "destination": destination, "amount": amount})
            marks["moved", amount] = {source: -amount, destination: amount}
        body = {"transfers": transfers, "atomic": atomic}
        return Operation("v1", "/v1/transfers/batch", body, marks, self._key())

    def _digital_transfer(self) -> Operation:
        world, (source, destination), amount = self._world, self._pair(), self._amount()
        sender, recipient = world.users[source], world.users[destination]
        body = {"sender_user_id": sender, "recipient_user_id": recipient, "amount": major(amount)}
        wallet = world.wallets[source]
        marks: dict[Mark, dict[str, int]] = {("moved", amount): {wallet: -amount, world.wallets[destination]: amount}}
        claims = _dialect_claims(
            wallet, transaction="transfer_id", entry="sender_transaction_id", balance="sender_new_balance"
        )
        return Operation("digital_wallet", "/transfer", body, marks, self._key(), claims)

    def _digital_money(self) -> Operation:
        world, index = self._world, self._chance.randrange(len(self._world.wallets))
        wallet, user = world.wallets[index], world.users[index]
        credit = self._chance.random() < 0.5
        amount = world.next_amount() if credit else self._amount()
        legs = {wallet: amount, world.treasury: -amount} if credit else {wallet: -amount, world.treasury: amount}
        body: dict[str, Any] = {"amount": major(amount)}
        path = f"/wallet/{user}/{'add-money' if credit else 'withdraw'}"
        if self._chance.random() < 0.3:
            path = "/transactions"
            body |= {"user_id": user, "transaction_type": "CREDIT" if credit else "DEBIT"}
        claims = _dialect_claims(wallet, entry="transaction_id", balance="new_balance")
        return Operation("digital_wallet", path, body, {("moved", amount): legs}, self._key(), claims)

    def _service_transfer(self) -> Operation:
        source, destination = (self._world.wallets[index] for index in self._pair())
        amount = self._amount()
        body = {"fromWalletId": source, "toWalletId": destination, "amount": major(amount), "category": "rent"}
        claims = lambda answer: {"wallet": source, "balance": minor(answer["debit"]["balanceAfter"])}  # noqa: E731
        marks: dict[Mark, dict[str, int]] = {("moved", amount): {source: -amount, destination: amount}}
        return Operation("wallet_service", "/wallet/transfer", body, marks, self._key(), claims)

    def _service_money(self) -> Operation:
        wallet, treasury = self._chance.choice(self._world.wallets), self._world.treasury
        credit = self._chance.random() < 0.5
        amount = self._world.next_amount() if credit else self._amount()
        legs = {wallet: amount, treasury: -amount} if credit else {wallet: -amount, treasury: amount}
        path = "/wallet/add" if credit else "/wallet/deduct"
        body = {"walletId": wallet, "amount": major(amount)}
        claims = _dialect_claims(wallet, balance="balanceAfter")
        return Operation("wallet_service", path, body, {("moved", amount): legs}, self._key(), claims)

    def _credit(self) -> tuple[str, str, int, dict[str, int]]:
        """Kind, user, amount and legs of a movement of gold."""
        world, name = self._world, self._chance.choice(self._world.golden)
        kind = self._chance.choice(("topup", "bonus", "spend", "spend"))
        amount = self._amount() if kind == "spend" else world.next_amount()
        wallet, signed = world.golden_wallets[name], -amount if kind == "spend" else amount
        return kind, name, amount, {wallet: signed, world.gold_treasury: -signed}

    def _application_credits(self) -> Operation:
        kind, name, amount, legs = self._credit()
        path = f"/api/v1/wallets/users/{name}/{kind.replace('topup', 'top-up')}"
        body = {"amount": major(amount), "asset_type_id": self._world.gold}
        key = self._key()
        if key is not None and self._chance.random() < 0.5:
            body["idempotency_key"] = key
        wallet = self._world.golden_wallets[name]
        claims = _dialect_claims(wallet, transaction="transaction_id", balance="new_balance")
        return Operation("application_credits", path, body, {("moved", amount): legs}, key, claims)

    def _internal_wallet(self) -> Operation:
        kind, name, amount, legs = self._credit()
        marks: dict[Mark, dict[str, int]] = {("moved", amount): legs}
        key = self._key(1.0)
        if kind != "spend" and self._chance.random() < 0.1:  # nobody knows the user yet: it is made, with a wallet
            name = f"new-{amount}"
            marks = {("moved", amount): {"": amount, self._world.gold_treasury: -amount}, ("user", name): {}}
        body = {"user_id": name, "asset_type": "GOLD_COINS", "amount": major(amount), "idempotency_key": key}
        claims = _dialect_claims("", transaction="id")
        return Operation("internal_wallet", f"/api/v1/transactions/{kind}", body, marks, key, claims)

    def _credit_transfer(self) -> Operation:
        world = self._world
        sender = self._chance.choice(list(world.tokens))
        recipient = self._chance.choice([user for user in world.users if user != sender])
        amount = self._amount()
        wallet, other = (world.wallets[world.users.index(user)] for user in (sender, recipient))
        body = {"receiver_id": recipient, "amount": major(amount)}
        claims = _dialect_claims(wallet, entry="transaction_id", balance="sender_balance")
        marks: dict[Mark, dict[str, int]] = {("moved", amount): {wallet: -amount, other: amount}}
        token = world.tokens[sender]
        return Operation("credit_transfer", "/api/wallet/transfer/", body, marks, self._key(), claims, token)

    def _user(self) -> Operation:
        name = f"{self._name}-user-{self._count}"
        path, body, api = self._chance.choice(
            (
                ("/v1/users", {"external_id": name}, "v1"),
                ("/wallet/create", {"userId": name}, "wallet_service"),
                ("/api/v1/users", {"user_id": name}, "internal_wallet"),
            )
        )
        return Operation(api, path, dict(body), {("user", name): {}})

    def _freeze(self) -> Operation:
        wallet = self._chance.choice(self._world.cold)
        if self._chance.random() < 0.5:
            return Operation("v1", f"/v1/wallets/{wallet}/unfreeze", {}, {})
        reason = f"{self._name}-{self._count}"
        return Operation("v1", f"/v1/wallets/{wallet}/freeze", {"reason": reason}, {("frozen", reason): {}})
