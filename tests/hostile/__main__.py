"""Hostile clients for as long as is asked for: `python -m walletd.tests.hostile --seconds N [--seed S] [--report FILE]`.

In turns, every attack with other chances and a while of requests broken at random, on one server that runs through all of it, while a bystander goes on with its business.
Its rate during each attack, as a ratio of its rate without, is measured in the same run; it is a figure and no law.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, Final

from . import mutation
from .attack import suffered, unharmed
from .attacks import ATTACKS
from .bystander import Bystander
from .people import POOR_MINOR, settle
from .target import Target

ALONE_S: Final = 1.0
FUZZ_S: Final = 10.0
RSS_GROWTH_BYTES_MAX: Final = 256 * 2**20
"""For a whole run: the records that it makes stay in part."""


class Siege:
    """One server, what is done to it, and what came of that."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.target = Target(folder)
        self.bystander = Bystander(self.target)
        self.chance = Random(seed)
        self.found: list[str] = []
        self.attacks = 0
        self.inputs = 0
        self.fuzzed = mutation.Tally()
        self.ratios: dict[str, list[float]] = {}
        self.rss_start = self.target.rss_bytes
        self.rss_peak = self.rss_start
        payee = self.target.wallet(0)
        people = [settle(self.target, f"mutated-{name}", POOR_MINOR, payee) for name in "ab"]
        self._requests = mutation.originals(*people)

    def run(self, seconds: float) -> None:
        """Attack until the time is up or something was found."""
        self.bystander.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.found:
            for attack in self.chance.sample(ATTACKS, len(ATTACKS)):
                self._guarded(attack.name, lambda attack=attack: self._attack(attack))
                if time.monotonic() > end or self.found:
                    break
            if not self.found:
                fuzz_s = max(1.0, min(FUZZ_S, end - time.monotonic()))
                self._guarded("requests broken at random", lambda fuzz_s=fuzz_s: self._fuzz(fuzz_s))
        self._guarded("the end", self.bystander.stop)
        if self.rss_peak - self.rss_start > RSS_GROWTH_BYTES_MAX:
            self.found.append(f"memory grew by {(self.rss_peak - self.rss_start) >> 20} MiB")
        if self.target.stop() != 0:
            self.found.append("the server did not stop in good order")

    def _guarded(self, name: str, work: Any) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever breaks under attack is what is looked for
            self.found.append(f"{name}: {type(error).__name__}: {str(error)[:2000]}")

    def _attack(self, attack: Any) -> None:
        alone = self.bystander.rate_alone(ALONE_S)
        damage = suffered(self.target, attack, self.chance, self.bystander)
        self.attacks += 1
        self.inputs += damage.inputs
        self.rss_peak = max(self.rss_peak, damage.rss_peak_bytes)
        self._rate(attack.name, damage.rate, alone)
        print(
            f"{attack.name}: {damage.inputs} bad inputs in {damage.seconds:.1f} s, others {damage.rate:.0f}/s of {alone:.0f}/s"
        )

    def _fuzz(self, seconds: float) -> None:
        alone = self.bystander.rate_alone(ALONE_S)
        with unharmed(self.target), self.bystander.watched() as watched:
            tally, found = mutation.fuzz(self.target, self.chance, self._requests, seconds)
            self._rate("requests broken at random", watched.served / tally.seconds, alone)
            self.rss_peak = max(self.rss_peak, watched.rss_peak_bytes)
        self.found += found
        self.fuzzed.inputs += tally.inputs
        self.fuzzed.seconds += tally.seconds
        self.fuzzed.unanswered += tally.unanswered
        for status, count in tally.statuses.items():
            self.fuzzed.statuses[status] = self.fuzzed.statuses.get(status, 0) + count
        print(
            f"requests broken at random: {tally.inputs} in {tally.seconds:.1f} s, {tally.inputs / tally.seconds:.0f}/s",
            flush=True,
        )

    def _rate(self, name: str, rate: float, alone: float) -> None:
        self.ratios.setdefault(name, []).append(rate / alone if alone else 0.0)

    @property
    def figures(self) -> dict[str, Any]:
        """What was done, and what others got meanwhile."""
        fuzzed = self.fuzzed
        medians = {name: round(statistics.median(each), 3) for name, each in sorted(self.ratios.items())}
        return {
            "bad_inputs": self.inputs + fuzzed.inputs,
            "attacks": self.attacks,
            "mutated_requests": fuzzed.inputs,
            "mutated_requests_per_s": round(fuzzed.inputs / fuzzed.seconds) if fuzzed.seconds else 0,
            "mutated_unanswered": fuzzed.unanswered,
            "statuses": {str(status): count for status, count in sorted(fuzzed.statuses.items())},
            "others_answers": self.bystander.served,
            "others_lowest_rate_ratio": min(medians.values(), default=0.0),
            "others_rate_ratio": medians,
            "rss_start_mib": self.rss_start >> 20,
            "rss_peak_mib": self.rss_peak >> 20,
        }


def main() -> int:
    """Run. The exit code is 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m walletd.tests.hostile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if given.seed is None else given.seed
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        siege = Siege(Path(folder), seed)
        siege.run(given.seconds)
    seconds = round(time.monotonic() - started, 1)
    found = [f"seed {seed}: {sentence}" for sentence in siege.found]
    for name, ratio in siege.figures["others_rate_ratio"].items():
        print(f"  others during {name}: {ratio:.2f} of their rate alone")
    print(
        f"{siege.figures['bad_inputs']} bad inputs, {siege.attacks} attacks in {seconds} s, {len(found)} found; seed {seed}"
    )
    print("\n".join(found), file=sys.stderr)
    if given.report is not None:
        line = {"suite": "hostile", "seconds": seconds, "figures": siege.figures, "found": found}
        with given.report.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
