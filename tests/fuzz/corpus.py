"""The inputs that the guided fuzzer found interesting: few enough to be kept in the repository, and replayed by the ordinary run.

A line of the file is a decoder's name and one input, its bytes as the characters of Latin-1. An input is kept when it takes the Python code of walletd along
a way that no shorter one before it takes: that is counted by a trace, so it is the same on every machine.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from .decoders import Decoder

FILE: Final = Path(__file__).with_name("corpus.jsonl")
KEPT_MAX: Final = 200
KEPT_OF_EACH_MAX: Final = 18
LENGTH_MAX: Final = 512

Step = tuple[str, int, int]
"""A file, and two lines of it that were run one after another."""


class Ways:
    """Counts the lines of walletd's own code that are run inside it, and which follow on which."""

    def __init__(self) -> None:
        self.lines = 0
        self.steps: set[Step] = set()

    def __enter__(self) -> "Ways":
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        file = frame.f_code.co_filename
        if "/tests/" in file or not frame.f_globals.get("__name__", "").startswith("walletd."):
            return None
        last = frame.f_lineno

        def step(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            if event == "line":
                self.lines += 1
                self.steps.add((file, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step


def load() -> list[tuple[str, bytes]]:
    """Every kept input, with its decoder's name."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [(row["decoder"], row["input"].encode("latin-1")) for row in map(json.loads, lines)]


def save(inputs: Iterable[tuple[str, bytes]]) -> None:
    """Write the kept inputs."""
    rows = (json.dumps({"decoder": name, "input": data.decode("latin-1")}) for name, data in inputs)
    FILE.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def chosen(decoder: Decoder, inputs: Iterable[bytes]) -> list[bytes]:
    """The shortest inputs that together take every way that all of them take, then some of all lengths, up to a bound.

    Those that break the decoder are left out.
    """
    seen: set[Step] = set()
    kept: list[bytes] = []
    rest: list[bytes] = []
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        if len(data) > LENGTH_MAX:
            continue
        with Ways() as ways:
            holds = _holds(decoder, data)
        if holds and not ways.steps <= seen and len(kept) < KEPT_OF_EACH_MAX:
            seen |= ways.steps
            kept.append(data)
        elif holds:
            rest.append(data)
    room = KEPT_OF_EACH_MAX - len(kept)
    return kept + rest[:: max(1, -(-len(rest) // room))] if room else kept


def _holds(decoder: Decoder, data: bytes) -> bool:
    """Whether a decoder holds its laws on an input. The fuzzer has reported those on which it does not."""
    try:
        decoder(data)
    except Exception:  # noqa: BLE001 - whatever it is, the input is not one to be kept
        return False
    return True
