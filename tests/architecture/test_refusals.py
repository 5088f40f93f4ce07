"""Every refusal code is given by the program somewhere, named by a test, and explained to its reader."""

import ast

import pytest

from walletd.engine.refusals import ADVICE, RefusalCode

from .conftest import ROOT, Module, python_files


def members_named(text: str) -> set[str]:
    """The members of RefusalCode that the source names."""
    return {
        node.attr
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "RefusalCode"
    }


def strings_in(text: str) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.fixture(scope="session")
def given(modules: dict[str, Module]) -> set[str]:
    """Members named outside of their own list and of the tables that translate them."""
    own = ("walletd.engine.refusals", "walletd.http.problem", "walletd.http.problems")
    texts = [module.path.read_text(encoding="utf-8") for module in modules.values() if module.name not in own]
    return set().union(*map(members_named, texts))


@pytest.fixture(scope="session")
def tested() -> set[str]:
    """Codes that tests name, as a member or by value."""
    names: set[str] = set()
    for path in python_files(ROOT / "tests"):
        if path.parent.name != "architecture":
            text = path.read_text(encoding="utf-8")
            names |= {RefusalCode[member].value for member in members_named(text) if member in RefusalCode.__members__}
            names |= strings_in(text)
    return names


@pytest.mark.parametrize("code", RefusalCode)
def test_a_code_is_given_somewhere(code: RefusalCode, given: set[str]) -> None:
    assert code.name in given


@pytest.mark.parametrize("code", RefusalCode)
def test_a_code_is_named_by_a_test(code: RefusalCode, tested: set[str]) -> None:
    assert code.value in tested


@pytest.mark.parametrize("code", RefusalCode)
def test_a_code_reads_as_a_sentence_and_says_what_may_be_done(code: RefusalCode) -> None:
    advice = ADVICE[code]
    assert code.value == code.name.lower()
    assert advice.title[0].isupper()
    assert not advice.title.endswith(".")
    assert advice.remedy.endswith(".")
