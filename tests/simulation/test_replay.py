"""A seed says everything: the same one gives the same steps, in this process and in any other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from walletd.tests.simulation.campaign import hush
from walletd.tests.simulation.schedule import Schedule

SEEDS = (3, 7, 14)
PRINT_TRACE = """
import sys
from walletd.tests.simulation.campaign import hush
from walletd.tests.simulation.schedule import Schedule
hush()
for seed in map(int, sys.argv[1:]):
    schedule = Schedule(seed, tracing=True)
    schedule.run()
    print(*schedule.trace, sep="\\n")
"""


def trace_of(seed: int) -> list[str]:
    schedule = Schedule(seed, tracing=True)
    schedule.run()
    return schedule.trace


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_gives_the_same_steps_again(seed: int) -> None:
    hush()
    trace = trace_of(seed)
    assert len(trace) > 10
    assert trace_of(seed) == trace
    assert trace_of(seed + 1) != trace


def test_tracing_changes_nothing() -> None:
    hush()
    silent, told = Schedule(SEEDS[0]), Schedule(SEEDS[0], tracing=True)
    assert silent.run().records == told.run().records
    assert (silent.loop.steps, silent.reached) == (told.loop.steps, told.reached)
    assert silent.random.getstate() == told.random.getstate()


def test_the_same_seed_gives_the_same_steps_in_another_process_that_hashes_otherwise(tmp_path: Path) -> None:
    traces = [
        subprocess.run(
            [sys.executable, "-c", PRINT_TRACE, *map(str, SEEDS)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    hush()
    here = "\n".join(line for seed in SEEDS for line in trace_of(seed)) + "\n"
    assert traces == [here, here]
