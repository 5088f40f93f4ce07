"""Pages by number, for clients that count: `page` from 1 and `limit`, with exact totals. Out of bounds is refused, never clamped."""

from collections.abc import Collection, Mapping

from ..engine.limits import PAGE_MAX
from ..engine.ports import NumberedPage, NumberedQuery
from ..engine.wallet import Wallet
from .call import Call
from .contract import PAGE_NUMBER_MAX
from .decoding import refuse_fields


class Paging:
    """One page as asked for. `filters` holds the other parameters given, of those that the list takes."""

    __slots__ = ("filters", "limit", "page")

    def __init__(self, call: Call, *, limit_default: int, filters: Collection[str] = ()) -> None:
        """Reads the query; parameters that the list does not take are ignored. Raises Refusal INVALID_REQUEST."""
        values = call.query(("page", "limit", *filters), others=True)
        self.page = integer_of(values.pop("page", None), "page", 1, 1, PAGE_NUMBER_MAX)
        self.limit = integer_of(values.pop("limit", None), "limit", limit_default, 1, PAGE_MAX)
        self.filters: Mapping[str, str] = values

    async def entries(self, call: Call, wallet: Wallet | None, types: tuple[str, ...] | None = None) -> NumberedPage:
        """This page of a wallet's entries; of one that is not open yet, none."""
        if wallet is None:
            return NumberedPage([], 0)
        offset = (self.page - 1) * self.limit
        return await call.engine.numbered(
            NumberedQuery(wallets=(wallet.number,), offset=offset, limit=self.limit, types=types)
        )


def integer_of(text: str | None, name: str, default: int, lowest: int, highest: int) -> int:
    """A query's integer within its bounds, both included. Raises Refusal INVALID_REQUEST."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and lowest <= int(text) <= highest):
        raise refuse_fields([(f"/{name}", f"must be an integer from {lowest} to {highest}")])
    return int(text)
