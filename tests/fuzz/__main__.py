"""The decoders under a coverage-guided fuzzer: `python -m walletd.tests.fuzz --seconds N [--seed S] [--report FILE] [--only DECODER …] [--keep]`.

The fuzzer is Atheris, libFuzzer for Python. It is needed here alone: what it found is in `corpus.jsonl`, which the ordinary run replays without it. With `--keep`
that file is made anew of what it had and what this run found.
"""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from . import corpus, seeds
from .decoders import DECODERS

MISSING: Final = (
    "Atheris is not installed. It has wheels for Linux on x86-64 and CPython 3.11 to 3.14: `python -m pip install atheris`, best in an environment\n"
    "of its own that has walletd too. Elsewhere it is built from source with a clang that has libFuzzer. The ordinary tests do not need it."
)
INPUT_BYTES_MAX: Final = 4_096
MEMORY_MIB_MAX: Final = 2_048
ONE_INPUT_S_MAX: Final = 10
_RUNS: Final = re.compile(r"stat::number_of_executed_units:\s*([0-9]+)")
_COVERED: Final = re.compile(r"cov: ([0-9]+) ft: ([0-9]+)")


class Search:
    """What the fuzzer did with one decoder."""

    def __init__(self, name: str, seconds: int, seed: int, folder: Path) -> None:
        self.name = name
        self.kept = folder / "kept"
        self.broken = folder / "broken"
        self.kept.mkdir(parents=True)
        self.broken.mkdir()
        for number, data in enumerate([*seeds.of(name), *(data for known, data in corpus.load() if known == name)]):
            (self.kept / f"seed-{number}").write_bytes(data)
        flags = [
            str(self.kept),
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-max_len={INPUT_BYTES_MAX}",
            f"-rss_limit_mb={MEMORY_MIB_MAX}",
            f"-timeout={ONE_INPUT_S_MAX}",
            f"-artifact_prefix={self.broken}/",
            "-print_final_stats=1",
        ]
        command = [sys.executable, "-m", "walletd.tests.fuzz.guided", name, *flags]
        # The directory is a new one: modules are found by what is installed, never by where this was started.
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=folder)
        said = ended.stdout + ended.stderr
        runs = _RUNS.search(said)
        covered = _COVERED.findall(said)
        self.runs = int(runs[1]) if runs else 0
        self.coverage = int(covered[-1][0]) if covered else 0
        self.found = [] if ended.returncode == 0 else [self._why(said)]

    def inputs(self) -> list[bytes]:
        """Everything that was interesting."""
        return [file.read_bytes() for file in self.kept.iterdir()]

    def _why(self, said: str) -> str:
        trace = re.findall(r"^(?:\w+\.)*(\w*(?:Error|Exception|Exit)\b.*)$", said, re.MULTILINE)
        inputs = [file.read_bytes() for file in self.broken.iterdir()]
        return f"{self.name}: {trace[-1] if trace else said[-300:]} with {inputs!r}"


def main() -> int:
    """Search each decoder for its share of the time. The exit code is 1 when one was broken, 2 without the fuzzer."""
    given = _arguments()
    if importlib.util.find_spec("atheris") is None:
        print(MISSING, file=sys.stderr)
        return 2
    started = time.monotonic()
    names = given.only or list(DECODERS)
    searches = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            search = Search(name, max(1, given.seconds // len(names)), given.seed, Path(folder) / name)
            searches.append(search)
            print(
                f"{name}: {search.runs} runs, {search.coverage} edges, {len(search.inputs())} inputs kept", flush=True
            )
            for sentence in search.found:
                print(f"  {sentence}", flush=True)
        if given.keep:
            _keep(searches)
    seconds = round(time.monotonic() - started, 1)
    found = [sentence for search in searches for sentence in search.found]
    figures = {
        "decoders": len(searches),
        "executions": sum(search.runs for search in searches),
        "executions_per_s": round(sum(search.runs for search in searches) / seconds),
        "edges": {search.name: search.coverage for search in searches},
    }
    print(f"{figures['executions']} executions in {seconds} s, {len(found)} found; seed {given.seed}")
    if given.report is not None:
        line = {"suite": "fuzz", "seconds": seconds, "figures": figures, "found": found}
        with given.report.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    return 1 if found else 0


def _keep(searches: list[Search]) -> None:
    """Make the corpus anew; decoders that were not searched keep what they had."""
    known = corpus.load()
    by_name = {search.name: search.inputs() for search in searches}
    kept = [
        (name, data)
        for name in DECODERS
        for data in corpus.chosen(
            DECODERS[name], by_name.get(name, [data for decoder, data in known if decoder == name])
        )
    ]
    corpus.save(kept)
    print(f"kept {len(kept)} inputs")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m walletd.tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--only", action="append", choices=list(DECODERS), metavar="DECODER")
    parser.add_argument("--keep", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
