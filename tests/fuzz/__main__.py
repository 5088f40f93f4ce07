"""Broken input for as long as is asked for: `python -m walletd.tests.fuzz --seconds N [--seed S] [--report FILE] [--only DECODER …] [--keep]`.

First the whole OpenAPI document, with requests that fit it and requests that do not (Schemathesis); then each decoder under a coverage-guided fuzzer. That is Atheris,
libFuzzer for Python, which is needed here alone: what it found is in `corpus.jsonl`, which the ordinary run replays without it, and where it is not installed its part is
left out and said to be. With `--only` the document is left out; with `--keep` the corpus is made anew of what it had and what this run found.
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
from typing import Any, Final

from . import corpus, seeds
from .decoders import DECODERS

MISSING: Final = (
    "Atheris is not installed: the decoders are not searched. It has wheels for Linux on x86-64 and CPython 3.11 to 3.14: `python -m pip install atheris`, best in an environment\n"
    "of its own that has walletd too. Elsewhere it is built from source with a clang that has libFuzzer. The ordinary tests do not need it."
)
INPUT_BYTES_MAX: Final = 4_096
MEMORY_MIB_MAX: Final = 2_048
ONE_INPUT_S_MAX: Final = 10
_RUNS: Final = re.compile(r"stat::number_of_executed_units:\s*([0-9]+)")
_PASSED: Final = re.compile(r"([0-9]+) passed")
EXAMPLES_PER_S: Final = 0.05
"""Of each operation in each test: some two thirds of the time, as measured on two cores."""
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


class Document:
    """What Schemathesis did with the document: `examples` of each operation in each of its tests."""

    def __init__(self, examples: int, seed: int) -> None:
        tree = Path(__file__).parent
        options = [
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            f"--fuzz-examples={examples}",
            f"--hypothesis-seed={seed}",
        ]
        files = [str(tree / name) for name in ("test_document.py", "test_negative.py")]
        command = [sys.executable, "-m", "pytest", *options, *files]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=tree.parent.parent)
        said = _PASSED.search(ended.stdout)
        self.tests = int(said[1]) if said else 0
        failed = re.findall(r"^(?:FAILED|ERROR) (.+)$", ended.stdout, re.MULTILINE)
        self.found = [] if ended.returncode == 0 else failed or [ended.stdout[-1000:] + ended.stderr[-300:]]


def main() -> int:
    """Try the document, and search each decoder for its share of what time is left. The exit code is 1 when something was found."""
    given = _arguments()
    started = time.monotonic()
    figures: dict[str, Any] = {}
    found: list[str] = []
    if not given.only:
        examples = max(1, round(given.seconds * EXAMPLES_PER_S))
        document = Document(examples, given.seed)
        figures |= {"document_tests": document.tests, "document_examples_each": examples}
        found += document.found
        print(
            f"the document: {document.tests} tests with {examples} examples each, {len(document.found)} found",
            flush=True,
        )
    if importlib.util.find_spec("atheris") is None:
        print(MISSING, file=sys.stderr)
        figures["decoders"] = 0
    else:
        searches = _search(given, given.seconds - (time.monotonic() - started))
        executions = sum(search.runs for search in searches)
        figures |= {"decoders": len(searches), "executions": executions}
        figures["edges"] = {search.name: search.coverage for search in searches}
        found += [sentence for search in searches for sentence in search.found]
        print(f"{executions} executions", flush=True)
    seconds = round(time.monotonic() - started, 1)
    print(f"{len(found)} found in {seconds} s; seed {given.seed}", *found, sep="\n  ")
    if given.report is not None:
        line = {"suite": "fuzz", "seconds": seconds, "figures": figures, "found": found}
        with given.report.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    return 1 if found else 0


def _search(given: argparse.Namespace, seconds: float) -> list[Search]:
    names = given.only or list(DECODERS)
    searches = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            search = Search(name, max(1, int(seconds / len(names))), given.seed, Path(folder) / name)
            searches.append(search)
            print(
                f"{name}: {search.runs} runs, {search.coverage} edges, {len(search.inputs())} inputs kept", flush=True
            )
        if given.keep:
            _keep(searches)
    return searches


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
