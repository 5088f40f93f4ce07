"""Members of old: what each dialect's errors carry beside the problem's own, by type, and which of them are always there."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class Legacy(msgspec.Struct, frozen=True, kw_only=True):
    """The members by name, the ones in every error, and the type of all others where their names are the request's."""

    members: Mapping[str, Any]
    always: tuple[str, ...] = ()
    others: Any = None


LEGACY: Final[dict[str, Legacy]] = {
    "digital_wallet": Legacy(members={"error": str}, always=("error",)),
    "wallet_service": Legacy(members={"error": str, "message": str, "walletId": str}, always=("error", "message")),
    "credit_transfer": Legacy(members={}, others=list[str]),
}
"""By the dialect's name; one that is not here has the problem's own members only."""
