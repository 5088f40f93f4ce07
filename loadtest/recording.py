"""What one process writes down while it sends load, and how that of several processes becomes one measurement.

All times are nanoseconds of the system's monotonic clock, which every process of a machine shares. Only requests that were due
inside the measured time count as measured; what was acknowledged counts for the audit whenever it happened.
"""

from typing import Final

import msgspec

from .answers import Answer
from .histogram import Histogram
from .workloads import Kind, Script

QUIET_NS: Final = 2_000_000
"""Silences shorter than this are not kept."""

QUIETS_MAX: Final = 50_000

SECOND_NS: Final = 1_000_000_000

_ITEM_DONE: Final = b'"status":201'


class Kept(msgspec.Struct):
    """An acknowledged write that the audit will look for: its place in the script, the answer's body, its idempotency key if it had one."""

    place: int
    body: bytes
    key: str | None


class Quiet(msgspec.Struct, frozen=True):
    """A time in which a process heard nothing. `waiting_from`: since when one of its requests was outstanding."""

    start: int
    end: int
    waiting_from: int


class Recorded(msgspec.Struct):
    """What a process hands over. `by_second` and `worst_by_second` begin at the measured time's start."""

    histograms: dict[Kind, Histogram]
    by_second: list[int]
    worst_by_second: list[int]
    acknowledged: dict[int, int]
    acknowledged_items: dict[int, list[int]]
    refused: dict[int, int]
    failures: dict[str, int]
    unknown: int
    offered: int
    achieved: int
    dropped: int
    unanswered: int
    cut: int
    replayed: int
    answer_bytes: int
    answers: int
    kept: list[Kept]
    quiets: list[Quiet]
    last_answer: int
    own_pause_ns: int


class Recorder:
    """The writing down. One call an answer, cheap enough not to matter beside the sending."""

    def __init__(self, script: Script, start: int, end: int, keep_max: int, *, dialect_has_items: bool) -> None:
        seconds = (end - start + SECOND_NS - 1) // SECOND_NS
        self.script = script
        self.start = start
        self.end = end
        self.outstanding = 0
        self.waiting_from = 0
        self._acknowledged = [0] * len(script.requests)
        self._keep_max = keep_max
        self._keep_stride = 1
        self._writes = 0
        self._has_items = dialect_has_items
        self.out = Recorded(
            {kind: Histogram() for kind in Kind}, [0] * seconds, [0] * seconds,
            {}, {}, {}, {}, 0, 0, 0, 0, 0, 0, 0, 0, 0, [], [], 0, 0,
        )  # fmt: skip

    def sent(self, now: int) -> None:
        """A request went out."""
        if self.outstanding == 0:
            self.waiting_from = now
        self.outstanding += 1

    def answered(self, place: int, due: int, now: int, answer: Answer, key: str | None) -> None:
        """An answer came to the request at this place of the script, which was due then."""
        out = self.out
        self.heard(now)
        self.outstanding -= 1
        kind = self.script.kinds[place]
        status = answer.status
        out.answers += 1
        out.answer_bytes += len(answer.body)
        if status not in (200, 201):
            out.refused[status] = out.refused.get(status, 0) + 1
            return
        done = 1
        if kind is Kind.BATCH and self._has_items:
            done = self._batch(place, answer)
        else:
            self._acknowledged[place] += 1
        if kind <= Kind.BATCH:
            self._keep(place, answer, key)
        if self.start <= due < self.end:
            waited = now - due
            out.histograms[kind].record(waited // 1000)
            out.achieved += done
            second = (now - self.start) // SECOND_NS
            if second < len(out.by_second):
                out.by_second[second] += done
            second = (due - self.start) // SECOND_NS
            if waited > out.worst_by_second[second]:
                out.worst_by_second[second] = waited

    def heard(self, now: int) -> None:
        """Something came from the service: ends a silence."""
        out = self.out
        if now - out.last_answer > QUIET_NS and out.last_answer and len(out.quiets) < QUIETS_MAX:
            out.quiets.append(Quiet(out.last_answer, now, max(out.last_answer, self.waiting_from)))
        out.last_answer = now

    def failed(self, reason: str, *, is_write: bool) -> None:
        """A request got no answer and is not tried again: if it moves money, nobody knows whether it did."""
        self.outstanding -= 1
        self.out.failures[reason] = self.out.failures.get(reason, 0) + 1
        if is_write:
            self.out.unknown += 1

    def finish(self, now: int) -> Recorded:
        """Everything, at the end of the run."""
        if self.outstanding and now - self.out.last_answer > QUIET_NS:
            self.out.quiets.append(Quiet(self.out.last_answer, now, max(self.out.last_answer, self.waiting_from)))
        self.out.acknowledged = {place: times for place, times in enumerate(self._acknowledged) if times}
        return self.out

    def _batch(self, place: int, answer: Answer) -> int:
        """Count the items of a batch that were done, and return how many."""
        size = len(self.script.moves[place])
        if answer.body.count(_ITEM_DONE) == size:
            self._acknowledged[place] += 1
            return size
        results = msgspec.json.decode(answer.body)["results"]
        times = self.out.acknowledged_items.setdefault(place, [0] * size)
        done = 0
        for index, result in enumerate(results):
            status = result["status"]
            if status == 201:
                times[index] += 1
                done += 1
            else:
                self.out.refused[status] = self.out.refused.get(status, 0) + 1
        return done

    def _keep(self, place: int, answer: Answer, key: str | None) -> None:
        """Keep every so manyth write, spread over the whole run: when the room is full, every second one goes."""
        if self._writes % self._keep_stride == 0:
            kept = self.out.kept
            kept.append(Kept(place, answer.body, key))
            if len(kept) > self._keep_max:
                del kept[1::2]
                self._keep_stride *= 2
        self._writes += 1


def stalls(recorded: list[Recorded], start: int, end: int) -> list[tuple[int, int]]:
    """(begin, length) of each time in [start, end) in which no process heard anything while one was waiting."""
    if not recorded:
        return []
    common = [(quiet.start, quiet.end, quiet.waiting_from) for quiet in recorded[0].quiets]
    for other in recorded[1:]:
        common = _intersected(common, [(quiet.start, quiet.end, quiet.waiting_from) for quiet in other.quiets])
    found = []
    for first, last, waiting in common:
        low, high = max(first, waiting, start), min(last, end)
        if low < high:
            found.append((low, high - low))
    return found


def _intersected(ones: list[tuple[int, int, int]], others: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The times in which both are quiet; waiting from when the first of the two waits."""
    result = []
    one = other = 0
    while one < len(ones) and other < len(others):
        a, b = ones[one], others[other]
        low, high = max(a[0], b[0]), min(a[1], b[1])
        if low < high:
            result.append((low, high, min(a[2], b[2])))
        if a[1] <= b[1]:
            one += 1
        else:
            other += 1
    return result
