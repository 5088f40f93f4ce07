"""Names as they were: how a user was called at one record, found again in the journal.

The ledger knows the present name and when the user last changed. Only for a record before that change is the journal searched, for the few records that made or changed
this very user; what was found is kept, for one search goes through everything up to the record.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from ...engine.ledger import Ledger
from ...engine.limits import SEARCH_STEP_MAX
from ...engine.receipts import Name, RecordSearch
from ...engine.records import USER_CREATED, USER_UPDATED, UserCreated, UserUpdated, decode_unchained

HISTORIES_MAX: Final = 1_000
"""Users whose former names are kept in memory."""

_NAMING: Final = (USER_CREATED, USER_UPDATED)
"""Kinds of records that name a user. One that a movement opens has no name."""


class _History(msgspec.Struct):
    """A user's names as of each record that changed them, complete through record `through`."""

    through: int = 0
    names: list[tuple[int, Name]] = []


class JournalNames:
    """NamesAsOf over a ledger and its journal. Invariant: the answer for a record never changes."""

    def __init__(self, ledger: Ledger, journal: RecordSearch) -> None:
        self._ledger = ledger
        self._journal = journal
        self._histories: OrderedDict[int, _History] = OrderedDict()

    async def name_as_of(self, user_id: int, seq: int, at: int) -> Name:
        """See NamesAsOf."""
        user = self._ledger.user(user_id)
        if user.updated_at < at:  # time never falls: every change of this user came before the record
            return Name(user.name, user.username)
        history = self._histories.setdefault(user_id, _History())
        self._histories.move_to_end(user_id)
        if len(self._histories) > HISTORIES_MAX:
            self._histories.popitem(last=False)
        await self._extend(history, user_id, seq)
        return next((name for changed, name in reversed(history.names) if changed <= seq), Name())

    async def _extend(self, history: _History, user_id: int, seq: int) -> None:
        mark = b'{"id":%d' % user_id
        while (after := history.through) < seq:
            through = min(seq, after + SEARCH_STEP_MAX)
            rows = await self._journal.search(after, through, _NAMING, mark, SEARCH_STEP_MAX)
            if history.through != after:
                continue  # another receipt has extended it meanwhile
            for row in rows:
                body = decode_unchained(row).body
                changes: tuple[UserCreated | UserUpdated, ...] = (*body.users, *body.user_changes)
                history.names += [
                    (row.seq, Name(change.name, change.username)) for change in changes if change.id == user_id
                ]
            history.through = through
