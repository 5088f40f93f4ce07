"""Requests that break the document, at every operation that takes anything: the ordinary run of `test_document` meets such ones at two operations of three only.

An operation without parameters and body cannot be broken, and is left out by name.
"""

from typing import Any

import pytest
import schemathesis
from schemathesis import GenerationMode

from .conftest import Served
from .test_document import hold, made_document

SLICE = 2
"""Broken requests for each operation."""


def breakable() -> dict[str, Any]:
    """The document without the operations that take nothing."""
    document = made_document()
    for path, methods in list(document["paths"].items()):
        for method, operation in list(methods.items()):
            if not operation.get("parameters") and "requestBody" not in operation:
                del methods[method]
        if not methods:
            del document["paths"][path]
    return document


schema = schemathesis.openapi.from_dict(breakable())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """How much is made up, before it is."""
    asked = metafunc.config.getoption("fuzz_examples")
    schema.config.generation.update(
        modes=[GenerationMode.NEGATIVE], max_examples=asked or SLICE, deterministic=asked is None
    )
    schema.config.phases.coverage.enabled = False
    schema.config.phases.examples.enabled = False


@schema.parametrize()
def test_a_request_that_breaks_the_document_is_refused_as_it_says(case: Any, served: Served) -> None:
    assert case.meta.generation.mode.is_negative
    hold(case, served)


def test_all_but_a_handful_of_operations_can_be_broken() -> None:
    kept = sum(map(len, breakable()["paths"].values()))
    assert kept >= sum(map(len, made_document()["paths"].values())) - 12
