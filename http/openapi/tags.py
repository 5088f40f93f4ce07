"""Tags: the groups in which the operations are shown, in this order. One for each dialect by its name, and one for the server itself."""

from typing import Final, NamedTuple


class Tag(NamedTuple):
    """A group's name and what it is."""

    title: str
    description: str


TAGS: Final[dict[str, Tag]] = {
    "v1": Tag(
        "Native API",
        "The native API: everything the engine does, in integer minor units, with dry runs, batches, cursors and events.",
    ),
    "digital_wallet": Tag(
        "Digital wallet",
        "Users with integer ids, each with a wallet in the default asset; credits, debits, transfers and their history. Amounts are JSON numbers.",
    ),
    "wallet_service": Tag(
        "Wallet service",
        "Wallets for the users of another service, by UUID; add, deduct and transfer. camelCase, amounts are JSON numbers.",
    ),
    "credit_transfer": Tag(
        "Credit transfer",
        "A logged-in user sends money to another and gets a receipt. Always asks for credentials. Amounts are decimal strings.",
    ),
    "application_credits": Tag(
        "Application credits",
        "An application tops up, grants and spends the credits of its users. A closed loop; amounts are decimal strings.",
    ),
    "internal_wallet": Tag(
        "Internal wallet service",
        "Wallets of many assets for internal services, with double entries, exact totals and offsets. Amounts are decimal strings.",
    ),
    "server": Tag(
        "Server", "The server itself: probes, metrics, this document and its pages, and the pages of the problem codes."
    ),
}
