"""The engine's laws over an obviously right model: dictionaries of balances, one record after another."""

from dataclasses import dataclass, field

from walletd.engine import Batch, Holding, Move, RefusalCode
from walletd.engine.commands import WalletRef
from walletd.engine.records import Record

Legs = tuple[tuple[str, int], ...]
"""The legs of one movement by the names of their places."""

FIXED = {"T": "USD", "u0": "USD", "u1": "USD", "u2": "USD", "TE": "EUR", "e0": "EUR", "e1": "EUR"}
"""Wallets that are there from the start; T and TE are Treasuries."""
OPENED = {"h0": ("USD", "zoe"), "h1": ("USD", "max"), "k0": ("EUR", "zoe"), "k1": ("EUR", "max")}
"""Holdings that the first credit opens, by asset and external id."""


@dataclass
class Request:
    """What a caller wants once: a movement, or a batch of them. With a key it may be sent again."""

    label: str
    moves: tuple[Legs, ...]
    form: str
    key: str | None = None

    def command(self, ids: dict[str, str]) -> Move | Batch:
        """The command; each movement carries the request's label."""
        moves = tuple(
            Move(legs=tuple((self._ref(place, ids), amount) for place, amount in legs), reference=self.label)
            for legs in self.moves
        )
        return moves[0] if self.form == "move" else Batch(moves=moves, atomic=self.form == "atomic")

    def _ref(self, place: str, ids: dict[str, str]) -> WalletRef:
        if place in ids:
            return ids[place]
        asset, external_id = OPENED[place]
        return Holding(asset, external_id=external_id, open_user=True)


@dataclass(frozen=True)
class State:
    """The ledger after one record."""

    balances: dict[int, int] = field(default_factory=dict)
    frozen: frozenset[int] = frozenset()
    places: dict[str, int] = field(default_factory=dict)

    def run(self, moves: tuple[Legs, ...], treasuries: set[int]) -> list[RefusalCode | None]:
        """Each movement after the other: None where it is done, or why it is refused."""
        balances, places = dict(self.balances), dict(self.places)
        answers: list[RefusalCode | None] = []
        for legs in moves:
            opening = [place for place, _ in legs if place not in places]
            numbers = {place: len(balances) + 1 + offset for offset, place in enumerate(opening)} | places
            answer = None
            if any(place in opening and amount < 0 for place, amount in legs):
                answer = RefusalCode.INSUFFICIENT_BALANCE
            for number, amount in sorted((numbers[place], amount) for place, amount in legs):
                if answer is None and amount < 0 and number not in treasuries:
                    if number in self.frozen:
                        answer = RefusalCode.WALLET_FROZEN
                    elif balances[number] + amount < 0:
                        answer = RefusalCode.INSUFFICIENT_BALANCE
            answers.append(answer)
            if answer is None:
                places = numbers
                for place, amount in legs:
                    balances[numbers[place]] = balances.get(numbers[place], 0) + amount
        return answers

    def after(self, record: Record, assets: dict[int, str]) -> "State":
        """The ledger after the next record, taken at its word."""
        body = record.body
        balances, places, frozen = dict(self.balances), dict(self.places), set(self.frozen)
        for wallet in body.wallets:
            balances[wallet.number] = 0
        for leg in body.legs:
            balances[leg.wallet] += leg.amount
            assert leg.balance_after == balances[leg.wallet]
        for change in body.wallet_changes:
            frozen = frozen - {change.number} | ({change.number} if change.debits_frozen else set())
        return State(balances, frozenset(frozen), places | assets_to_places(record, assets, places))


def assets_to_places(record: Record, owners: dict[int, str], places: dict[str, int]) -> dict[str, int]:
    """The holdings that a record opens. `owners`, external id by user, learns the users that it makes."""
    for user in record.body.users:
        if user.external_id is not None:
            owners[user.id] = user.external_id
    opened = {}
    for wallet in record.body.wallets:
        asset = {1: "USD", 2: "EUR"}[wallet.asset]
        for place, holding in OPENED.items():
            if holding == (asset, owners.get(wallet.user_id)):
                assert place not in places
                opened[place] = wallet.number
    return opened
