"""The planted defects still fit the tree, and two of them are planted for real."""

import ast

import pytest

from walletd.tests.planted.copying import ROOT, tree_files
from walletd.tests.planted.defect import Change, Defect, Misplaced, changed_files
from walletd.tests.planted.defects import DEFECTS
from walletd.tests.planted.running import run_defect

DEFECTS_LEAST = 20
QUICK = {"signs_swapped": "unit/test_movements.py", "amount_beyond_64_bits": "http/test_amounts.py"}


def test_defects_are_many_and_each_has_a_name_of_its_own() -> None:
    names = [planted.name for planted in DEFECTS]
    assert len(names) >= DEFECTS_LEAST
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("planted", DEFECTS, ids=lambda planted: planted.name)
def test_a_defect_has_its_place_and_compiles_and_changes_the_program(planted: Defect) -> None:
    for name, text in changed_files(planted, ROOT).items():
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse((ROOT / name).read_text()))
        compile(text, name, "exec")


@pytest.mark.parametrize("old", ["no such text", "\n"])
def test_a_change_without_exactly_one_place_is_refused(old: str) -> None:
    with pytest.raises(Misplaced):
        changed_files(Defect("x", "", (Change("engine/wallet.py", old, ""),)), ROOT)


@pytest.mark.parametrize(("name", "suite"), QUICK.items())
def test_a_planted_defect_is_seen_in_its_copy_alone(name: str, suite: str) -> None:
    (planted,) = (each for each in DEFECTS if each.name == name)
    result = run_defect(planted, tree_files(), (suite,), 60, every=True)
    assert [run.suite for run in result.catches] == [suite]
    assert "::" in (result.catches[0].caught or "")
    assert run_defect(None, tree_files(), (suite,), 60, every=True).catches == ()
