"""Laws of the document: it is valid, says everything about every operation, and its examples are what it says they are."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from walletd.http.contract import JSON
from walletd.http.openapi.document import contract_of, documented, refusal_codes
from walletd.http.openapi.tags import TAGS
from walletd.http.problem import RETRY_AFTER_S
from walletd.http.routes import Endpoint
from walletd.http.server import all_routes

from .conformance import PROBLEM, Departure, check, document, validator
from .conftest import Client, Serve

ENDPOINTS = documented(all_routes().endpoints)
OPERATIONS = {
    operation["operationId"]: operation for path in document()["paths"].values() for operation in path.values()
}
MONEY = re.compile(r"amount|balance|posted|held|available")


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where a body is, its media type, and what is said of it: of the request and of each answer."""
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        yield "request", media_type, media
    for status, answer in operation["responses"].items():
        for media_type, media in answer.get("content", {}).items():
            yield status, media_type, media


def example_values(media: dict[str, Any]) -> list[Any]:
    """The values of a body's examples, references followed."""
    values = []
    for example in media.get("examples", {}).values():
        name = example.get("$ref", "").rpartition("/")[2]
        values.append((document()["components"]["examples"][name] if name else example)["value"])
    return values


async def test_the_document_is_served_as_it_is_made(client: Client) -> None:
    answer = await client.get("/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, JSON)
    assert answer.json == document()
    assert answer.json["openapi"].startswith("3.1.")
    assert answer.json["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
    assert "contact" not in answer.json["info"]


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(document()).validate()


@pytest.mark.parametrize("endpoint", all_routes().endpoints, ids=lambda endpoint: f"{endpoint.method} {endpoint.route}")
def test_every_route_says_what_it_takes_answers_and_refuses(endpoint: Endpoint) -> None:
    assert endpoint.contract is not None, "registered without a contract"
    operation = OPERATIONS[endpoint.operation]
    assert operation["summary"]
    assert operation["responses"]
    assert operation["tags"][0] in {tag.title for tag in TAGS.values()}


def test_an_operation_has_one_id_and_no_other_has_it() -> None:
    ids = [operation["operationId"] for path in document()["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids)) == len(ENDPOINTS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", id_) for id_ in ids)


def test_every_group_is_described() -> None:
    used = {tag for operation in OPERATIONS.values() for tag in operation["tags"]}
    assert {tag["name"] for tag in document()["tags"]} == used
    assert all(tag["description"] for tag in document()["tags"])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.operation)
def test_an_operation_refuses_with_the_statuses_of_its_dialect(endpoint: Endpoint) -> None:
    responses = OPERATIONS[endpoint.operation]["responses"]
    declared = {
        (code, status)
        for status, answer in responses.items()
        for code in answer.get("content", {}).get(PROBLEM, {}).get("examples", {})
    }
    expected = {(code, str(endpoint.dialect.status(code))) for code in refusal_codes(endpoint)}
    if contract_of(endpoint).atomic:  # all or nothing: what one item lacks is a fault of the whole
        expected |= {(code, "422") for code, status in expected if status in ("403", "404")}
    assert declared == expected
    for code, status in declared:
        assert code not in RETRY_AFTER_S or "Retry-After" in responses[status]["headers"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_body_of_an_operation_has_an_example_that_its_schema_allows(name: str) -> None:
    for where, media_type, media in contents(OPERATIONS[name]):
        if media_type in (JSON, PROBLEM):
            values = example_values(media)
            assert values, f"{where} has no example"
            for value in values:
                errors = [
                    f"{error.message} at {error.instance_path}"
                    for error in validator(media["schema"]).iter_errors(value)
                ]
                assert not errors, f"{where}: {errors} in {value}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_parameter_is_described_and_its_example_allowed(name: str) -> None:
    for parameter in OPERATIONS[name].get("parameters", ()):
        assert parameter["description"]
        assert parameter["required"] or parameter["in"] != "path"
        if "example" in parameter:
            assert validator(parameter["schema"]).is_valid(parameter["example"])


def test_every_type_is_described() -> None:
    for name, schema in document()["components"]["schemas"].items():
        assert schema.get("description"), f"{name} has no docstring"


def test_an_amount_is_never_a_bare_number_or_string() -> None:
    for name, schema in document()["components"]["schemas"].items():
        for member, said in schema.get("properties", {}).items():
            if MONEY.search(member) and said.get("type") != "array":
                text = json.dumps(said)
                assert "pattern" in text or '"number"' in text, f"{name}.{member}: {text}"


def test_everything_that_is_referred_to_is_there_and_used() -> None:
    components = document()["components"]
    text = json.dumps(document())
    named = set(re.findall(r'"#/components/(\w+/[\w.-]+)"', text))
    there = {f"{kind}/{name}" for kind in ("schemas", "examples", "headers") for name in components[kind]}
    assert named <= there
    unused = there - named - {f"headers/{name}" for name in components["headers"]}
    assert {name for name in unused if not name.startswith("headers/")} == set()


def test_who_must_say_who_asks_is_said() -> None:
    for endpoint in ENDPOINTS:
        security = OPERATIONS[endpoint.operation]["security"]
        if endpoint.public:
            assert security == []
        else:
            assert {"bearer": []} in security
            assert ({} in security) == (not endpoint.always_authenticated)


async def test_an_answer_that_departs_from_the_document_is_found(client: Client) -> None:
    made = await client.post("/v1/users", {"username": "ann"})
    for status, body in ((418, made.body), (201, made.body[:-1] + b',"more":1}'), (201, b"{}"), (202, b"")):
        with pytest.raises(Departure, match="user_create"):
            check("POST", "/v1/users", status, made.headers, body)
    headers = made.headers.copy()
    del headers["Location"]
    with pytest.raises(Departure, match="Location"):
        check("POST", "/v1/users", 201, headers, made.body)
    with pytest.raises(Departure, match="not in the document"):
        check("GET", "/nowhere", 200, made.headers, made.body)


async def test_the_document_and_its_pages_need_no_credentials(serve: Serve) -> None:
    client = await serve(authentication=True)
    for path in ("/openapi.json", "/docs", "/redoc", "/docs/swagger-ui-bundle.js", "/redoc/redoc.standalone.js"):
        assert (await client.get(path)).status == 200
    assert (await client.get("/v1/users")).status == 401
