"""Options of the test run."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("walletd")
    group.addoption("--kills", type=int, default=20, help="how many times the crash tests kill the server")
    group.addoption("--crash-seed", type=int, default=None, help="repeats the timing of an earlier crash test")
    group.addoption("--fuzz-examples", type=int, default=None, help="requests made up at random for each operation")
