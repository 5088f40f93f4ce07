"""What had been promised at each moment of a recorded run, so that what is found after a cut can be held against it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from walletd.engine import Batch, IdempotencyKey, Move
from walletd.engine.records import Record, Row

NO_ACCESS: Final[tuple[Any, ...]] = ((), (), ())


class Sent(msgspec.Struct, frozen=True):
    """A keyed request that was sent, and may be sent again."""

    command: Move | Batch
    key: IdempotencyKey


class Truth(msgspec.Struct):
    """What holds at one moment.

    rows: durable, as the journal was told. maybe: the group whose append is under way. acknowledged: the records that callers were told of, by
    number. refused: labels of requests that were refused. sent: keyed requests by label, answered or not. access: what the access file
    may hold: one state, or while it is written two; empty where that was not noted.
    """

    rows: list[Row] = []
    maybe: tuple[Row, ...] = ()
    acknowledged: dict[int, Record] = {}
    refused: set[str] = set()
    sent: dict[str, Sent] = {}
    access: tuple[tuple[Any, ...], ...] = (NO_ACCESS,)

    def copy(self) -> "Truth":
        """One that goes its own way."""
        return msgspec.structs.replace(
            self, rows=[*self.rows], acknowledged={**self.acknowledged}, refused={*self.refused}, sent={**self.sent}
        )

    def happened(self, what: str, value: Any) -> None:
        """Let one thing happen. A record that is acknowledged must be among the durable ones, or it was promised too early."""
        match what:
            case "begun":
                self.maybe = tuple(value)
            case "durable":
                self.rows += value
                self.maybe = ()
            case "refused":
                self.maybe = ()
            case "acknowledged":
                self.acknowledged[value.seq] = value
            case "turned down":
                self.refused.add(value)
            case "sent":
                self.sent[value[0]] = value[1]
            case "access":
                self.access = value
            case _:
                raise AssertionError(what)


class Marks:
    """Things that happened, each after so many events of the disk. `count` tells how many there were."""

    def __init__(self, events: list[Any], before: Truth) -> None:
        self._events = events
        self.before = before
        self.now = before.copy()
        self.marks: list[tuple[int, str, Any]] = []

    def add(self, what: str, value: Any) -> None:
        """Something happened now."""
        self.marks.append((len(self._events), what, value))
        self.now.happened(what, value)

    def group(self, what: str, group: Sequence[Row]) -> None:
        """Something happened to a group of rows."""
        self.add(what, tuple(group))
