"""The internal wallet service, `/api/v1/transactions`, `/api/v1/wallets` and `/api/v1/users`: double entry for the services of one application."""

from ..routes import Routes
from . import transactions, users, wallets


def register(routes: Routes) -> None:
    """Add the internal wallet service."""
    for part in (transactions, wallets, users):
        part.register(routes)
