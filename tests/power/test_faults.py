"""Faults of the disk at fixed seeds, a few of each kind. `python -m walletd.tests.power` strikes at every call."""

from pathlib import Path

import pytest

from walletd.tests.power.faults import KINDS, Faults, Kind
from walletd.tests.power.sqlite_layer import Layer

PLACES = {
    "fsync": (1, 20, 31),
    "every_fsync": (12,),
    "full": (30, 90),
    "full_for_long": (35,),
    "full_half_way": (60,),
    "short_write": (70,),
    "write": (25,),
    "read": (5, 60),
    "reads_for_long": (20,),
    "truncate": (1,),
    "delete": (1, 3),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
def test_a_fault_of_the_disk_is_named_and_takes_nothing_that_was_acknowledged(
    layer: Layer, folder: Path, kind: Kind
) -> None:
    faults = Faults(layer, folder, steps=2)

    for place in PLACES[kind.name]:
        faults.strike(5, kind, place)

    assert faults.found == []
    assert faults.figures["faults"] == len(PLACES[kind.name])
