"""Application credits, `/api/v1/wallets/users/…`: an application tops up, grants and spends the credits of users that it knows by ids of its own."""

from ..routes import Routes
from . import wallets


def register(routes: Routes) -> None:
    """Add the application credits."""
    wallets.register(routes)
