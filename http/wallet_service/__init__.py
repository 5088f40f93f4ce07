"""The wallet service API: wallets by UUID for the caller's own user ids, in camelCase; amounts are JSON numbers."""

from ..routes import Routes
from . import movements, wallets


def register(routes: Routes) -> None:
    """Add the wallet service."""
    wallets.register(routes)
    movements.register(routes)
