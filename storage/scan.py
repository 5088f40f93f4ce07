"""Reading a whole journal and checking each row: no gap, the chain unbroken from its beginning, every body readable."""

from collections.abc import Callable
from contextlib import closing
from typing import Final, NamedTuple

from ..engine.journal import Pages
from ..engine.ports import Head
from ..engine.records import GENESIS, BrokenJournal, decode
from .journal import SqliteJournal

FINDINGS_MAX: Final = 100
"""Findings after which a check says that there are more and stops: a ruined file has one in every row."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class Finding(NamedTuple):
    """Something that is not as it must be: the table, the key of the row (None for the whole table), and a sentence."""

    table: str
    row: int | None
    what: str

    def __str__(self) -> str:
        return f"{self.table}: {self.what}" if self.row is None else f"{self.table} {self.row}: {self.what}"


def silent(_stage: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


async def scan(journal: SqliteJournal, through: int, on_progress: Progress) -> tuple[Head, list[Finding]]:
    """Check the records up to `through`. Returns the last one read and what was found, at most FINDINGS_MAX."""
    found: list[Finding] = []
    head = Head(0, 0, GENESIS)
    with closing(Pages(journal, 0, through)) as pages:
        while rows := await pages.next():
            for row in rows:
                if row.seq != head.seq + 1:
                    found.append(Finding("journal", head.seq + 1, f"missing, like every record up to {row.seq - 1}"))
                if row.at < head.at:
                    found.append(Finding("journal", row.seq, "its time is before that of the record before it"))
                try:
                    decode(row, head.chain)
                except BrokenJournal as error:
                    found.append(Finding("journal", row.seq, str(error)))
                head = Head(row.seq, row.at, row.chain)
            on_progress("checking the journal", head.seq, through)
            if len(found) >= FINDINGS_MAX:
                return head, found[:FINDINGS_MAX]
    if head.seq < through:
        found.append(Finding("journal", head.seq + 1, f"the journal ends here; {through} records were expected"))
    return head, found
