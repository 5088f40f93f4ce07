"""Credit transfer, `/api/…`: a logged-in user sends money to another and gets a receipt. It always asks for credentials; amounts are decimal strings."""

from ..routes import Routes
from . import login, receipts, transfers


def register(routes: Routes) -> None:
    """Add the credit transfer."""
    for part in (login, transfers, receipts):
        part.register(routes)
