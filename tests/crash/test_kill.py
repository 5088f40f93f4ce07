"""Nothing acknowledged is lost and nothing half-done is seen, however often and wherever the server is killed under load.

`--kills` says how often, `--crash-seed` repeats the choices of an earlier run.
"""

import time

import pytest

from .campaign import campaign

SECONDS_MAX = 1_800.0


@pytest.mark.slow
@pytest.mark.timeout(0)
async def test_whatever_was_acknowledged_survives_every_kill_and_nothing_else_does(pytestconfig: pytest.Config) -> None:
    kills: int = pytestconfig.getoption("--kills")
    given: int | None = pytestconfig.getoption("--crash-seed")
    seed = given if given is not None else time.time_ns() % 1_000_000
    tally = await campaign(seed, kills, SECONDS_MAX)
    told = {name: tally.figures.get(name, 0) for name in ("acknowledged", "refused", "restarts inspected")}
    print(f"{tally.kills} kills, {told}", *sorted(tally.kinds.items()), sep="\n")
    print(f"seed: --crash-seed {seed}")
    assert tally.found == []
    assert tally.kills >= kills
    assert told["acknowledged"] > kills
    assert told["restarts inspected"] > 0
