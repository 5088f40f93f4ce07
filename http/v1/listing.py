"""Lists of the native API: their parameters, and their pages by cursor."""

from collections.abc import Collection
from typing import Final

from ...engine.limits import PAGE_MAX
from ..call import Call
from ..cursors import cursor, place_of
from ..decoding import refuse_fields

LIMIT_DEFAULT: Final = 20


class Listing:
    """One page as asked for: its filters, its limit, and the place that its cursor marks."""

    __slots__ = ("filters", "limit", "name", "place")

    def __init__(self, call: Call, name: str, filters: Collection[str] = (), *, limit_max: int = PAGE_MAX) -> None:
        """Reads the query of the list `name`, which takes these filters. Raises Refusal INVALID_REQUEST."""
        values = call.query(("limit", "cursor", *filters))
        # A user's list is another one than an operator's of the same name, and so are its cursors.
        self.name = name = f"{name} of {call.principal.user_id}" if call.principal.is_user else name
        self.limit = limit_of(values.pop("limit", None), limit_max)
        mark = values.pop("cursor", None)
        self.filters = values
        self.place = None if mark is None else place_of(mark, name, values)

    def next(self, place: int) -> str:
        """The cursor of the page that begins at `place`."""
        return cursor(self.name, self.filters, place)


def limit_of(text: str | None, limit_max: int = PAGE_MAX) -> int:
    """The number of rows asked for. Raises Refusal INVALID_REQUEST: out of bounds is never clamped."""
    if text is None:
        return LIMIT_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= limit_max):
        raise refuse_fields([("/limit", f"must be an integer from 1 to {limit_max}")])
    return int(text)
