"""Kinds: the closed lists of what a run must reach: refusals, failures and overlaps. A run that is long enough and misses one has failed.

A generator that quietly stops to make a case would otherwise go on passing for ever.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

from walletd.engine import RefusalCode


class Kind(Enum):
    """What happened in a schedule, in words."""

    # How a life ends, and what that interrupts.
    CRASH_QUIET = "crash with nothing in flight"
    CRASH_BEFORE_APPEND = "crash with a record appended in memory and no flush begun"
    CRASH_IN_FLUSH = "crash in a flush, nothing written"
    CRASH_AFTER_FLUSH = "crash after a flush and before its acknowledgement"
    CRASH_IN_FOLD = "crash in a fold, nothing written"
    CRASH_AFTER_FOLD = "crash after a fold, before the engine knows"
    CRASH_IN_RECOVERY = "crash in recovery"
    CRASH_READ_ONLY = "crash while the disk is full"
    CRASH_WHILE_STOPPING = "crash during a stop in good order"
    STOP_IDLE = "stop with nothing in flight"
    STOP_IN_FLIGHT = "stop with records in flight"
    # What the disk does.
    DISK_FULL = "disk full for a flush"
    ROOM_AGAIN = "room on the disk again"
    FULL_WITH_WAITING = "disk full while operations wait"
    UNKNOWN_WRITTEN = "outcome unknown, and it was written"
    UNKNOWN_UNWRITTEN = "outcome unknown, and it was not written"
    FENCED = "fenced by another writer"
    FOLD_FULL = "disk full for a fold"
    UNUSABLE_IN_FOLD = "image unusable in a fold"
    UNUSABLE_IN_QUERY = "image unusable in a query"
    UNUSABLE_AT_START = "image unusable at the start"
    IMAGE_LOST = "start with an empty image"
    IMAGE_BEHIND = "start with an image behind the journal"
    # Clocks and keys.
    CLOCK_BACK = "clock set back"
    KEY_EXPIRED = "clock past the life of a key"
    KEY_FROM_IMAGE = "key looked up in the image"
    KEY_IN_FLIGHT = "same key again while the first is in flight"
    KEY_OTHER_IN_FLIGHT = "same key with another request while the first is in flight"
    KEY_REPLAYED = "same key again after the first was answered"
    KEY_OVER_CRASH = "same key again after a crash, and the first had happened"
    KEY_UNDONE = "same key again after a crash, and the first had not happened"
    CALLER_GONE = "caller gone while its operation is in flight"
    DONE_FOR_NOBODY = "operation done whose caller was gone"
    # Overlaps.
    SAME_WALLET_IN_FLIGHT = "two operations on one wallet in flight"
    WAITS_FOR_CREDIT = "a debit waits for a credit in flight"
    WAITS_FOR_HOLD = "a debit waits where money is held"
    WAITS_FOR_CHANGE = "an operation waits for a freeze, unfreeze or close"
    WAITS_FOR_NAME = "an operation waits for a name"
    LONG_MAILBOX = "two operations wait at one wallet"
    READ_IN_FLUSH = "read during a flush"
    READ_WAITS_FOR_FOLD = "read of the image that lags"
    FOLD_IN_FLUSH = "fold during a flush"
    CHANGE_IN_FLUSH = "freeze, unfreeze or close of a wallet with records in flight"
    STOP_IN_FLUSH = "stop during a flush"
    ASKED_WHILE_STOPPING = "request during a stop"
    # What is asked.
    DRY_RUN_DONE = "dry run that would happen"
    DRY_RUN_REFUSED = "dry run that would be refused"
    BATCH_PARTLY = "batch of which some items were refused"
    BATCH_REFUSED = "batch of which every item was refused"
    OPENED = "movement that opened a wallet"
    REVERSED = "reversal of an earlier movement"


UNREACHABLE: Final[Mapping[RefusalCode, str]] = {
    RefusalCode.TRANSFER_NOT_FOUND: "raised by the HTTP layer alone: the engine knows transactions",
}
"""Refusals that no command to the engine brings about, and why."""

LONG_ENOUGH: Final = 1_000
"""Schedules after which every kind must have been reached."""

WANTED: Final = frozenset(
    [kind.value for kind in Kind] + [f"refused {code.value}" for code in RefusalCode if code not in UNREACHABLE]
)


def refused(code: RefusalCode) -> str:
    """The kind of a refusal."""
    return f"refused {code.value}"


def missed(reached: Iterable[str]) -> list[str]:
    """The kinds that were not reached, sorted; and refusals that were reached though they are listed as unreachable."""
    reached = set(reached)
    return sorted(WANTED - reached) + sorted(f"unexpectedly {kind}" for kind in reached - WANTED)
