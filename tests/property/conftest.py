"""How long the random tests search: WALLETD_HYPOTHESIS_PROFILE is `default` or `thorough`.

A failing example is made small, which may take minutes, and printed last with the line that reproduces it. Nothing is kept between runs, so
two of them never meet.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

_TIMEOUT_S = 900
"""More than finding and shrinking an example takes, so that it is always printed."""
_TIMEOUT_THOROUGH_S = 7_200

settings.register_profile(
    "default",
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000, stateful_step_count=60)

_PROFILE = os.environ.get("WALLETD_HYPOTHESIS_PROFILE", "default")
settings.load_profile(_PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder the time that shrinking needs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S if _PROFILE == "default" else _TIMEOUT_THOROUGH_S))
