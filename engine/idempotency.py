"""Idempotency keys: which record a caller's key is bound to.

A key is bound by the record that carries it, so it becomes durable with its effect and never without. Keys younger than
IDEMPOTENCY_KEY_LIFE_US are kept in memory, by digest, up to a bound; what passes the bound is looked up in the image.
"""

import hashlib
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from .limits import IDEMPOTENCY_KEY_LIFE_US, IDEMPOTENCY_KEYS_IN_MEMORY_MAX

_VALUE_LENGTH_MAX: Final = 64
_MARK_INTERVAL_US: Final = 1_000_000
_FORGOTTEN_AT_ONCE: Final = 16
_MARKS_AT_ONCE: Final = 256
_encode = msgspec.json.Encoder(order="deterministic").encode


def key_digest(scope: str, key: str) -> bytes:
    """The 16 bytes by which a scope's key is known."""
    return hashlib.blake2b(f"{scope}\0{key}".encode(), digest_size=16).digest()


def bound_request(request: Mapping[str, Any]) -> dict[str, str]:
    """A request as it is kept with its key: each member's JSON text, or its digest where that is long."""
    bound = {}
    for member, value in request.items():
        text = _encode(value)
        if len(text) > _VALUE_LENGTH_MAX:
            bound[member] = "blake2b:" + hashlib.blake2b(text, digest_size=16).hexdigest()
        else:
            bound[member] = text.decode()
    return bound


def differing_members(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Names of the members in which two bound requests differ, sorted."""
    return sorted(member for member in first.keys() | second.keys() if first.get(member) != second.get(member))


class KeyIndex:
    """Key digest → sequence number of the record it is bound to, oldest first.

    `find` answers exactly for every key within its life while `complete` is true; when memory's bound has pushed a living key out, it is false.
    """

    def __init__(self, keys_max: int = IDEMPOTENCY_KEYS_IN_MEMORY_MAX) -> None:
        self._keys_max = keys_max
        self._seqs: dict[bytes, int] = {}
        self._order: deque[bytes] = deque()
        self._stale: dict[bytes, int] = {}  # places in the order of keys that have been bound anew since
        self._marks: deque[tuple[int, int]] = deque()  # (seq, at): keys with a lower seq are at most as young as `at`
        self._evicted_at = -IDEMPOTENCY_KEY_LIFE_US
        self._now = 0
        self._living_seq = 0  # keys with a lower one are over
        self.evicted_seq = 0
        """The latest record whose key was pushed out alive: every later key is here."""

    def __len__(self) -> int:
        return len(self._seqs)

    @property
    def complete(self) -> bool:
        """Whether every living key is in memory."""
        return self._evicted_at <= self._now - IDEMPOTENCY_KEY_LIFE_US

    def find(self, digest: bytes) -> int | None:
        """The record that a key is bound to."""
        seq = self._seqs.get(digest)
        return None if seq is None or seq < self._living_seq else seq

    def bind(self, digest: bytes, seq: int, at: int) -> None:
        """Remember a key. Called in order of seq. A key whose life is over may be bound anew."""
        if digest in self._seqs:
            self._stale[digest] = self._stale.get(digest, 0) + 1
        self._seqs[digest] = seq
        self._order.append(digest)
        if not self._marks or at - self._marks[-1][1] >= _MARK_INTERVAL_US:
            self._marks.append((seq, at))
        self.expire(at)
        while len(self._order) > self._keys_max:
            oldest = self._forget_oldest()
            if oldest >= self._living_seq:
                self.evicted_seq = oldest
                self._evicted_at = at

    def expire(self, now: int) -> None:
        """End the life of keys that are too old at `now`: not before it is over, and after it to within the time between two binds.

        So few are forgotten in a call that a jump of the clock is no stall.
        """
        self._now = max(self._now, now)
        for _ in range(_MARKS_AT_ONCE):
            if len(self._marks) < 2 or self._marks[1][1] >= now - IDEMPOTENCY_KEY_LIFE_US:
                break
            self._marks.popleft()
            self._living_seq = self._marks[0][0]
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not self._order:
                break
            oldest = self._order[0]
            if oldest not in self._stale and self._seqs[oldest] >= self._living_seq:
                break
            self._forget_oldest()

    def _forget_oldest(self) -> int:
        """Returns the record of the key that was forgotten, 0 where only a stale place was."""
        oldest = self._order.popleft()
        stale = self._stale.pop(oldest, 0)
        if stale == 0:
            return self._seqs.pop(oldest)
        if stale > 1:
            self._stale[oldest] = stale - 1
        return 0
