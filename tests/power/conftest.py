"""The file layer below SQLite, and a folder in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from walletd.tests.power.cuts import workplace
from walletd.tests.power.sqlite_layer import UNREACHABLE, Layer, make_layer


@pytest.fixture
def layer() -> Layer:
    found = make_layer()
    if found is None:
        pytest.skip(UNREACHABLE)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    with workplace() as path:
        yield Path(path)
