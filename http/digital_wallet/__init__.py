"""The digital wallet API: users by integer id, each with one wallet, in the default asset; amounts are JSON numbers."""

from ..routes import Routes
from . import transactions, transfers, users, wallets


def register(routes: Routes) -> None:
    """Add the digital wallet."""
    for part in (users, wallets, transactions, transfers):
        part.register(routes)
