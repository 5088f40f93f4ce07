"""What clients ask: contended transfers above all, and some of everything else, wrong requests included."""

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Final

from walletd.engine import (
    Batch,
    Close,
    Command,
    CreateAsset,
    CreateUser,
    Freeze,
    Holding,
    Move,
    OpenWallet,
    Unfreeze,
    UpdateUser,
    transfer,
)

from .genesis import ASSETS, USERS, Genesis

Legs = tuple[tuple[str | Holding, int], ...]
NOWHERE: Final = "00000000-0000-4000-9000-000000000000"


class Generator:
    """Makes commands. `label` is written into what a command makes, so that the journal tells whose it was."""

    def __init__(self, random: Random, genesis: Genesis) -> None:
        self._random = random
        self._ids = genesis.ids
        self._hot = random.sample(genesis.ids["USD"][1:], random.randint(2, 5))
        self._forms: list[tuple[int, Callable[[str], Command]]] = [
            (30, self._pay),
            (14, self._deposit_or_withdraw),
            (8, self._many_legs),
            (10, self._batch),
            (7, self._holding),
            (9, self._wrong),
            (12, self._change),
            (8, self._directory),
        ]
        self._weights = list(accumulate(weight for weight, _ in self._forms))

    def command(self, label: str) -> Command:
        """One of any form."""
        (form,) = self._random.choices([form for _, form in self._forms], cum_weights=self._weights)
        return form(label)

    def movement(self, label: str) -> Move | Batch:
        """One that moves money, or would."""
        form = self._random.choice((self._pay, self._deposit_or_withdraw, self._batch, self._many_legs))
        command = form(label)
        assert isinstance(command, Move | Batch)
        return command

    def reversal(self, label: str, legs: Legs) -> Move:
        """The movement of those legs the other way round."""
        return Move(legs=tuple((ref, -amount) for ref, amount in legs), type="refund", reference=label)

    # ------------------------------------------------------------------------------------------------- movements

    def _amount(self) -> int:
        return self._random.choice((1, 2, 3, 5, 5, 8, 10, 10, 11, 15))

    def _pay(self, label: str) -> Move:
        source, destination = self._random.sample(self._hot, 2)
        return transfer(source, destination, self._amount(), reference=label)

    def _deposit_or_withdraw(self, label: str) -> Move:
        code = self._random.choice(("USD", "USD", "USD", "EUR", "PTS", "LIM"))
        treasury, *users = self._ids[code]
        wallet = self._random.choice(self._hot if code == "USD" else users)
        if self._random.random() < 0.5:
            return transfer(treasury, wallet, self._amount(), reference=label)
        return transfer(wallet, treasury, self._amount(), reference=label)

    def _legs(self) -> Legs:
        legs: Legs = ()
        for code in self._random.choice((("USD",), ("USD",), ("EUR",), ("USD", "EUR"))):
            wallets = self._random.sample(self._ids[code], min(len(self._ids[code]), self._random.randint(2, 4)))
            amounts = [self._amount() for _ in wallets[1:]]
            if self._random.random() < 0.5:
                amounts = [-amount for amount in amounts]
            legs += tuple(zip(wallets, (-sum(amounts), *amounts), strict=True))
        return legs

    def _many_legs(self, label: str) -> Move:
        return Move(legs=self._legs(), reference=label)

    def _batch(self, label: str) -> Batch:
        moves = []
        for _ in range(self._random.randint(1, 4)):
            form = self._random.choice((self._pay, self._pay, self._many_legs, self._holding, self._wrong_move))
            moves.append(form(label))
        return Batch(moves=tuple(moves), atomic=self._random.random() < 0.4)

    def _holding(self, label: str) -> Move:
        """To or from a wallet that may not be open yet, of a user that may not be there yet."""
        code = self._random.choice(("USD", "EUR"))
        if self._random.random() < 0.7:
            who = Holding(code, external_id=f"n{self._random.randrange(3)}", open_user=self._random.random() < 0.9)
        else:
            who = Holding(code, user_id=self._random.randint(1, USERS + 1))
        other = self._random.choice(self._ids[code])
        amount = self._amount() if self._random.random() < 0.75 else -self._amount()
        return Move(legs=((other, -amount), (who, amount)), reference=label)

    # ---------------------------------------------------------------------------------------------------- faults

    def _wrong(self, label: str) -> Move | Batch:
        if self._random.random() < 0.05:
            return Batch(moves=())
        return self._wrong_move(label)

    def _wrong_move(self, label: str) -> Move:
        usd, eur = self._ids["USD"], self._ids["EUR"]
        points, limited = self._ids["PTS"], self._ids["LIM"]
        wrong: tuple[Legs, ...] = (
            ((usd[1], -1), (NOWHERE, 1)),
            ((usd[1], 0), (usd[2], 0)),
            ((usd[1], -1), (usd[1], 1)),
            ((usd[1], -1), (eur[1], 1)),
            ((usd[1], -2), (usd[2], 1)),
            ((usd[1], -2), (usd[2], 1), (usd[3], 2)),
            ((points[1], -1), (points[2], 1)),
            ((limited[1], -4), (limited[2], 4)),
            ((limited[1], -21), (limited[2], 21)),
            ((self._ids["BIG"][0], -30), (self._ids["BIG"][1], 30)),
            ((self._ids["OLD"][0], -1), (self._ids["OLD"][1], 1)),
            ((usd[0], -1), (Holding("NIL", user_id=1), 1)),
            ((usd[0], -1), (Holding("USD", external_id="nobody"), 1)),
            ((usd[1], -1),),
        )
        return Move(legs=self._random.choice(wrong), reference=label)

    # ------------------------------------------------------------------------------------------------- the others

    def _change(self, label: str) -> Command:
        code = self._random.choice(("USD", "USD", "USD", "USD", "OLD"))
        wallet = self._random.choice(self._hot if code == "USD" else self._ids[code])
        if self._random.random() < 0.04:
            wallet = self._random.choice((NOWHERE, self._ids["USD"][0]))
        draw = self._random.random()
        if draw < 0.4:
            debits = self._random.random() < 0.7
            return Freeze(wallet_id=wallet, reason=label, debits=debits, credits=self._random.random() < 0.5)
        if draw < 0.8:
            return Unfreeze(wallet_id=wallet)
        return Close(wallet_id=self._ids["USD"][-1] if self._random.random() < 0.5 else wallet)

    def _directory(self, label: str) -> Command:
        random = self._random
        name = f"u{random.randrange(USERS + 3)}"
        draw = random.random()
        if draw < 0.35:
            who = f"n{random.randrange(3)}" if random.random() < 0.5 else None
            asset = random.choice((None, "USD", "EUR", "NIL"))
            return CreateUser(username=name, external_id=who, name=label, wallet_asset=asset)
        if draw < 0.6:
            return UpdateUser(user_id=random.randint(1, USERS + 1), username=name, name=label)
        if draw < 0.85:
            return OpenWallet(user_id=random.randint(1, USERS + 1), asset=random.choice(ASSETS).code)
        scale = 2 if random.random() < 0.85 else 19
        return CreateAsset(code=random.choice(("USD", "NEW", "MORE")), name=label, scale=scale)
