"""Attacks: what one is, and what every one must leave as it was.

An attack is a function that does its worst and raises AssertionError where the server answers anything but what is documented. Around it stand the laws that are the
same for all: others are served with right answers, memory stays within a bound, nothing is logged as an error, money is conserved.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Final, NamedTuple

from ..http import conformance
from .bystander import Bystander
from .raw import Answer
from .target import Target

Run = Callable[[Target, Random], int]
"""Does the worst to a target, varied by chance. Returns how many bad inputs that were."""

GROWTH_BYTES_MAX: Final = 64 * 2**20
"""What an attack may add to the server's memory while it lasts: more than every bound of `Target` together."""
KEPT_BYTES_MAX: Final = 48 * 2**20
"""What of it may still be there afterwards: pools of the allocator, and the records that others made."""
SERVED_MIN: Final = 3
"""Requests of others that must be answered during an attack, however short it is."""


class Attack(NamedTuple):
    """One attack by its name."""

    name: str
    run: Run


class Damage(NamedTuple):
    """What came of an attack that broke no law."""

    inputs: int
    seconds: float
    served: int
    rss_peak_bytes: int

    @property
    def rate(self) -> float:
        """Requests of others a second."""
        return self.served / self.seconds


@contextmanager
def unharmed(target: Target) -> Iterator[None]:
    """Nothing of what is done inside may be seen afterwards: in the log, in the money, or in the process."""
    since = target.log_size()
    yield
    assert target.is_alive, target.log_text[-2000:]
    assert target.get("/readyz"), "not ready"
    assert not (found := target.complaints(since)), found[:3]
    check_conserved(target)


def check_conserved(target: Target) -> None:
    """The wallets of each asset, Treasuries included, sum to zero."""
    sums: dict[str, int] = {}
    cursor: str | None = None
    while True:
        page = target.get(f"/v1/wallets?limit=100{f'&cursor={cursor}' if cursor else ''}")
        for wallet in page["data"]:
            sums[wallet["asset"]] = sums.get(wallet["asset"], 0) + int(wallet["posted"])
        cursor = page["next"]
        if cursor is None:
            break
    assert not any(sums.values()), sums


def suffered(target: Target, attack: Attack, chance: Random, bystander: Bystander) -> Damage:
    """Attack the target while the bystander goes on. Raises AssertionError where a law is broken."""
    before = target.rss_bytes
    with unharmed(target), bystander.watched() as watched:
        started = time.monotonic()
        inputs = attack.run(target, chance)
        seconds = time.monotonic() - started
        peak = max(watched.rss_peak_bytes, target.rss_bytes)
        served = watched.served
        if served < SERVED_MIN:
            watched.wait_for(SERVED_MIN)
    assert peak - before <= GROWTH_BYTES_MAX, f"{attack.name}: memory grew by {(peak - before) >> 20} MiB"
    kept = target.rss_bytes - before
    assert kept <= KEPT_BYTES_MAX, f"{attack.name}: {kept >> 20} MiB of memory were not given back"
    return Damage(inputs, seconds, served, peak)


def check_documented(method: str, path: str, answer: Answer) -> None:
    """The answer is one that the document has for this operation, and none that says that the server is broken."""
    conformance.check(method, path.partition("?")[0], answer.status, answer.multidict, answer.body)
    assert answer.code != "internal_error", answer
