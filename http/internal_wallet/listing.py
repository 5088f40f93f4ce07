"""Lists of the internal wallet service: `limit` and `offset`, bare arrays, and the exact total in X-Total-Count."""

from collections.abc import Collection, Mapping

from ...engine.limits import AMOUNT_MAX, PAGE_MAX
from ..call import Call
from ..paging import integer_of
from .contracts import LIMIT_DEFAULT


class Listing:
    """One page as asked for. `filters` holds the other parameters given, of those that the list takes."""

    __slots__ = ("filters", "limit", "offset")

    def __init__(self, call: Call, filters: Collection[str] = ()) -> None:
        """Reads the query; parameters that the list does not take are ignored. Raises Refusal INVALID_REQUEST."""
        values = call.query(("limit", "offset", *filters), others=True)
        self.limit = integer_of(values.pop("limit", None), "limit", LIMIT_DEFAULT, 1, PAGE_MAX)
        self.offset = integer_of(values.pop("offset", None), "offset", 0, 0, AMOUNT_MAX)
        self.filters: Mapping[str, str] = values
