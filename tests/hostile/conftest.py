"""Two servers for all hostile tests of a run: one that asks nobody, and one that asks everybody who they are."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from .bystander import Bystander
from .people import POOR_MINOR, RICH_MINOR, Person, settle
from .target import Target

Start = Callable[..., Target]


class Town:
    """A server that asks everybody, an operator, ann who is rich, and mallory who is logged in and means ill."""

    def __init__(self, target: Target) -> None:
        self.target = target
        payee = target.wallet(0)
        self.ann: Person = settle(target, "ann-victim", RICH_MINOR, payee)
        self.mallory: Person = settle(target, "mallory", POOR_MINOR, payee)


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server without authentication."""
    target = Target(tmp_path_factory.mktemp("open"))
    yield target
    assert target.stop() == 0


@pytest.fixture(scope="session")
def pure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One whose HTTP parser is the one in Python."""
    target = Target(tmp_path_factory.mktemp("pure"), pure_parser=True)
    yield target
    assert target.stop() == 0


@pytest.fixture(scope="session")
def bystander(target: Target) -> Iterator[Bystander]:
    """Somebody who uses that server as it is meant, all the while."""
    bystander = Bystander(target)
    bystander.start()
    try:
        yield bystander
    finally:
        bystander.stop()


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A server with authentication."""
    target = Target(tmp_path_factory.mktemp("guarded"), authentication=True)
    try:
        yield Town(target)
    finally:
        code = target.stop()
    assert code == 0


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """Starts servers of a test's own."""
    targets: list[Target] = []

    def start(**options: Any) -> Target:
        folder = tmp_path / str(len(targets))
        folder.mkdir()
        targets.append(Target(folder, **options))
        return targets[-1]

    yield start
    for target in targets:
        target.stop()


@pytest.fixture
def chance() -> Random:
    """The same chance at each run."""
    return Random(1)
