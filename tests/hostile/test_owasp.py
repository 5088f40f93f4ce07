"""Laws of the map of risks: it is whole, and what it names exists. And two laws that have no better place: nothing is fetched, and nothing is a sheet."""

import ast
from pathlib import Path

from ..http import conformance
from .injection import SHEETS
from .operations import every
from .owasp import TOP_TEN
from .people import Person

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
CLIENT_MODULES = {"http.client", "httpx", "requests", "smtplib", "socket", "urllib.request", "urllib3"}
CLIENT_CALLS = {"ClientSession", "create_connection", "open_connection", "urlopen"}
NOBODY = Person(
    user_id=1,
    username="nobody",
    wallet="00000000-0000-4000-8000-000000000000",
    token="wdt_",
    entry="1",
    transfer="tfr_1",
    transaction="txn_1",
    transfer_number="1",
)


def test_the_map_has_all_ten_and_every_test_that_it_names_exists() -> None:
    assert list(TOP_TEN) == [f"API{number}:2023" for number in range(1, 11)]
    for risk in TOP_TEN.values():
        assert risk.tests
        for test in risk.tests:
            file, _, name = test.partition("::")
            tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
            defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert name in defined, test


def test_every_operation_can_be_sent_by_the_tests_of_ownership() -> None:
    operations = every()
    documented = {
        operation["operationId"]
        for methods in conformance.document()["paths"].values()
        for operation in methods.values()
    }
    assert documented <= {operation.name for operation in operations} | {"event_stream"}
    for operation in operations:
        assert "{" not in operation.bytes(NOBODY, NOBODY, "").split(b" ")[1].decode()


def test_no_answer_is_a_sheet_whose_cells_may_be_formulas() -> None:
    for path, methods in conformance.document()["paths"].items():
        for operation in methods.values():
            kinds = [kind for answer in operation["responses"].values() for kind in answer.get("content", {})]
            # One that comes one day needs a law of its own: =, +, -, @, tab and carriage return begin no cell that a caller wrote.
            assert not [kind for kind in kinds if SHEETS.search(kind)], path


def test_walletd_opens_no_connection_to_others() -> None:
    for folder in ("engine", "http", "storage"):
        for file in (ROOT / folder).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
            imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
            named = {alias.name for node in imports for alias in node.names}
            named |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
            called = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            assert not (named & CLIENT_MODULES) | ((named | called) & CLIENT_CALLS), file
