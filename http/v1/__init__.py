"""The native API, `/v1`: everything that the engine does, in integer minor units. A handler decodes, asks the engine, and encodes."""

from ..routes import Routes
from . import assets, batches, entries, events, transactions, transfers, users, wallets


def register(routes: Routes) -> None:
    """Add the native API."""
    for part in (users, assets, wallets, entries, transfers, transactions, batches, events):
        part.register(routes)
