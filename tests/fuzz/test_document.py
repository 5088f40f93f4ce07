"""Requests made up from the document, good ones and bad ones: each is answered as the document says, and nothing falls over.

The ordinary run takes a short and repeatable slice. `--fuzz-examples N` takes N of each operation at random, and what lies at the edges of its schemas as well.
"""

import copy
import re
from typing import Any

import pytest
import schemathesis
from multidict import CIMultiDict, CIMultiDictProxy
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from ..http import conformance
from .conftest import Served

SLICE = 3
"""Requests made up at random for each operation in the ordinary run, beside its examples."""

BEYOND_SCHEMAS = {
    "asset_create": r"/(code|id|scale|aliases(/\d+)?|min_amount|max_amount)",
    "asset_list": r"/cursor",
    "entry_list": r"/(cursor|from|to)",
    "event_list": r"/cursor",
    "user_list": r"/cursor",
    "wallet_freeze": r"/debits",
    "wallet_list": r"/cursor",
}
"""Rules that texts say and schemas do not, by operation, as pointers to the members that they are about: what belongs to ISO 4217, a minimum above the maximum, cursors, days that there are none of."""

BEYOND_SCHEMAS_EVERYWHERE = re.compile(r".*/metadata|/idempotency_key")
"""The size of metadata, and that a key in the header and one in the body are the same."""

BEYOND_SCHEMAS_OF_DECIMALS = "/amount"
"""How a number is written: its exponent and how many decimals it has."""

INVALID = {"invalid_request", "body_not_json", "malformed_request", "unsupported_media_type"}


def made_document() -> dict[str, Any]:
    """The document without the stream, which lasts until its client leaves."""
    members = copy.deepcopy(conformance.document())
    del members["paths"]["/v1/events/stream"]
    return members


schema = schemathesis.openapi.from_dict(made_document())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """How much is made up, before it is."""
    asked = metafunc.config.getoption("fuzz_examples")
    schema.config.generation.update(max_examples=asked or SLICE, deterministic=asked is None)
    schema.config.phases.coverage.enabled = asked is not None


@schema.parametrize()
def test_an_operation_answers_as_the_document_says(case: Any, served: Served) -> None:
    hold(case, served)


def hold(case: Any, served: Served) -> None:
    """Send a request that was made up, and hold the answer against the document and the laws of this file."""
    headers = {}
    if case.operation.definition.raw["tags"] == ["Credit transfer"] and case.meta.generation.mode.is_positive:
        headers["Authorization"] = f"Token {served.token}"
    response = case.call(base_url=served.url, headers=headers, timeout=30)
    case.validate_response(response, headers=headers, excluded_checks=_excluded(case))
    answered = CIMultiDictProxy(CIMultiDict((name, values[0]) for name, values in response.headers.items()))
    path = response.request.path_url.partition("?")[0]
    conformance.check(case.method, path, response.status_code, answered, response.content)
    if case.meta.generation.mode.is_positive and response.status_code >= 400 and not _has_whole_floats(case.body):
        _check_refusal(case.operation.definition.raw["operationId"], response.json())


def _excluded(case: Any) -> list[Any]:
    """Checks that do not hold: of acceptance there is a law here, authentication is off, and a batch answers for each item by itself."""
    is_batch = case.operation.definition.raw["operationId"] == "transfer_batch"
    return [positive_data_acceptance, ignored_auth, *([negative_data_rejection] if is_batch else [])]


def _has_whole_floats(body: Any) -> bool:
    """Whether a body has a number such as 1.0: an integer to a schema, and none to walletd."""
    if isinstance(body, dict | list):
        return any(map(_has_whole_floats, body.values() if isinstance(body, dict) else body))
    return isinstance(body, float) and body.is_integer()


def _check_refusal(operation: str, problem: dict[str, Any]) -> None:
    """What the schemas allow is refused for what they cannot say alone."""
    if problem["code"] in INVALID:
        beyond = re.compile(BEYOND_SCHEMAS.get(operation, "(?!)"))
        pointers = [error["pointer"] for error in problem.get("errors", [])]
        if not problem["instance"].startswith("/v1/"):
            pointers = [text for text in pointers if text != BEYOND_SCHEMAS_OF_DECIMALS]
        unsaid = [text for text in pointers if not (beyond.fullmatch(text) or BEYOND_SCHEMAS_EVERYWHERE.match(text))]
        assert not unsaid, f"{operation} refused what its schema allows: {problem}"
