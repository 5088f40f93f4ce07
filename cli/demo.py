"""The demo: curl lines over the sample data, made to be pasted. Ids and amounts are the same at every run, but for the wallets' UUIDs."""

from typing import Final

from ..engine import Engine
from ..http.amounts import decimal_text
from . import seed

_SHOWN: Final = " | python3 -m json.tool"


def guide(engine: Engine, url: str) -> str:
    """What to paste next: who is there with what, and lines that work on this very ledger."""
    ledger = engine.ledger
    rows = []
    for user in ledger.users(0, ledger.user_count):
        wallets = ledger.wallets_of(user.id)
        held = ", ".join(f"{decimal_text(wallet.posted, wallet.asset.scale)} {wallet.asset.code}" for wallet in wallets)
        rows.append(f"  {user.id:>2}  {user.username or user.external_id:<12} {held}")
    john = ledger.wallets_of(seed.user_id_of("john_doe"))[0].id
    post = "curl -s -H 'Content-Type: application/json'"
    return "\n".join(
        [
            "",
            "Users and their balances:",
            *rows,
            "",
            "Paste these into another terminal.",
            "",
            "# John's balance in dollars, and his latest transactions",
            f"curl -s {url}/wallet/1/balance{_SHOWN}",
            f"curl -s '{url}/transactions/1?limit=5'{_SHOWN}",
            "",
            "# John pays Jane 12.34; sent again with the same key, it is still one payment",
            f"{post} {url}/transfer -H 'Idempotency-Key: lunch-1' \\",
            f'  -d \'{{"sender_user_id": 1, "recipient_user_id": 2, "amount": "12.34", "description": "Lunch"}}\'{_SHOWN}',
            "",
            "# user_alice spends 30 gold coins",
            f"{post} {url}/api/v1/wallets/users/user_alice/spend \\",
            f'  -d \'{{"amount": "30.00", "asset_type_id": 1, "idempotency_key": "sword-1"}}\'{_SHOWN}',
            "",
            "# user_001 is given 5 diamonds",
            f"{post} {url}/api/v1/transactions/bonus \\",
            '  -d \'{"user_id": "user_001", "asset_type": "DIAMONDS", "amount": "5.00", "idempotency_key": "gift-1"}\''
            + _SHOWN,
            "",
            "# John's wallet in the native API, which counts in cents, and everything that happened, oldest first",
            f"curl -s {url}/v1/wallets/{john}{_SHOWN}",
            f"curl -s '{url}/v1/events?after=0&limit=20'{_SHOWN}",
            "",
            "Ctrl-C stops the server.",
        ]
    )
