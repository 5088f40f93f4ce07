"""Watching: what an engine shows, holds and leaves behind at some step, as plain values for the history."""

from collections.abc import Iterator
from typing import Any

from walletd.engine import Engine
from walletd.engine.ledger import Ledger
from walletd.engine.wallet import Wallet

from .history import Holding
from .kinds import Kind


def wallets_of(ledger: Ledger) -> Iterator[Wallet]:
    """All wallets in order of number."""
    return map(ledger.wallet_at, range(1, ledger.wallet_count + 1))


def shown(ledger: Ledger) -> dict[str, Any]:
    """What a ledger shows as a whole, in the words of the model."""
    wallets = list(wallets_of(ledger))
    return {
        "seq": ledger.seq,
        "balances": {wallet.number: wallet.posted for wallet in wallets},
        "stopped": {
            wallet.number: (wallet.debits_frozen, wallet.credits_frozen, wallet.closed)
            for wallet in wallets
            if wallet.debits_frozen or wallet.credits_frozen or wallet.closed
        },
        "users": ledger.user_count,
        "assets": len(ledger.assets()),
    }


def watch(
    engine: Engine, step: int, journal_phase: Kind | None, image_phase: Kind | None, reached: set[str]
) -> Iterator[Holding]:
    """What is held now; and into `reached`, who waits for what."""
    if journal_phase is not None and image_phase is not None:
        reached.add(Kind.FOLD_IN_FLUSH.value)
    waiting = engine.waiting
    for wallet in wallets_of(engine.ledger):
        if wallet.held or wallet.posted < 0:
            yield Holding(step, wallet.number, wallet.user_id != 0, wallet.posted, wallet.held)
        if wallet.mailbox:
            waiting -= len(wallet.mailbox)
            reached.update(kind.value for kind in _waits(wallet))
    if waiting:
        reached.add(Kind.WAITS_FOR_NAME.value)


def _waits(wallet: Wallet) -> Iterator[Kind]:
    """What those in a wallet's mailbox wait for."""
    if len(wallet.mailbox or ()) > 1:
        yield Kind.LONG_MAILBOX
    if wallet.changing:
        yield Kind.WAITS_FOR_CHANGE
        return
    if wallet.held:
        yield Kind.WAITS_FOR_HOLD
    if wallet.appended + wallet.held > wallet.posted:
        yield Kind.WAITS_FOR_CREDIT


def left_behind(engine: Engine) -> list[str]:
    """What is reserved, claimed or waiting in an engine: nothing, when nothing is in flight."""
    left = [
        f"wallet {wallet.number} has held {wallet.held}, in flight {wallet.in_flight}, appended {wallet.appended} over {wallet.posted}"
        for wallet in wallets_of(engine.ledger)
        if wallet.held or wallet.in_flight or wallet.changing or wallet.mailbox or wallet.appended != wallet.posted
    ]
    if engine.in_flight or engine.waiting:
        left.append(f"{engine.in_flight} in flight and {engine.waiting} waiting")
    if engine._claimed:
        left.append(f"names claimed: {sorted(map(str, engine._claimed))}")
    return left
