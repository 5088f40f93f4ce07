"""The document: OpenAPI 3.1, put together from the routes, their contracts and their types.

Everything in it has one source: schemas come from the types that decode and encode, statuses from the tables that answer refusals, error examples from the very functions that
write errors. It is made once, when it is first asked for.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from ..contract import IDEMPOTENCY_KEY, JSON, Answer, Contract, Parameter, refusals_of
from ..problem import ADVICE, RETRY_AFTER_S, Dialect, Problem
from ..routes import Endpoint
from . import problems
from .examples import Examples
from .schemas import Schema, component_schemas, query_schema, schema_of, structs_in
from .tags import TAGS

DESCRIPTION: Final = """\
A self-hosted wallet engine: one ledger, in memory, with a durable journal, behind several APIs.

**Amounts** are exact. The native API speaks in integer minor units, as an integer or a string of digits in requests and as a string in answers; the others speak in decimals of major units.
Too many decimals, exponents and anything out of bounds are refused, never rounded.

**Errors** are problem details (RFC 9457); switch on `code`, and follow `type` for what may be done. **Idempotency**: send an `Idempotency-Key` with each movement of money, and
after a failure send the same request with the same key. **Times** are RFC 3339 in UTC with microseconds. HEAD works wherever GET does.
"""

PROBLEM_TYPE: Final = "application/problem+json"

SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of an operator, or the token of a logged-in user. Needed where the server is set to ask for it.",
    },
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token <token>`: another spelling of the bearer token.",
    },
    "basic": {"type": "http", "scheme": "basic", "description": "A user's name and password."},
}

_TEXT: Final[Schema] = {"type": "string"}
HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The request's id: its own, or one made for it. The server's log has it too.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
        "example": problems.REQUEST_ID,
    },
    "Location": {
        "description": "Where GET answers what was made.",
        "required": True,
        "schema": {"type": "string", "pattern": "^/"},
    },
    "Idempotency-Replayed": {
        "description": "`true` where the request had been done before, and this is its first answer again.",
        "schema": {"const": "true"},
    },
    "Retry-After": {
        "description": "Seconds to wait before sending the request again.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "example": "1",
    },
    "WWW-Authenticate": {"description": "How to say who asks.", "required": True, "schema": _TEXT},
    "Cache-Control": {"description": "Money is not to be cached.", "required": True, "schema": {"const": "no-store"}},
    "X-Total-Count": {
        "description": "Rows of the whole list.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "42",
    },
    "ETag": {"description": "Stands for this very content.", "required": True, "schema": _TEXT},
}
"""Headers of answers, by name."""


class Document:
    """The document of these endpoints, of which each needs a contract."""

    def __init__(self, endpoints: Iterable[Endpoint], version: str) -> None:
        self._endpoints = documented(endpoints)
        self._version = version
        self._dialects = {endpoint.dialect.name: endpoint.dialect for endpoint in self._endpoints}
        self._examples = Examples()
        self._problem_examples: dict[str, Any] = {}

    def encoded(self) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.members())

    def members(self) -> dict[str, Any]:
        """The document's members."""
        paths: dict[str, dict[str, Any]] = {}
        for endpoint in self._endpoints:
            paths.setdefault(endpoint.route, {})[endpoint.method.lower()] = self._operation(endpoint)
        used = {tag for path in paths.values() for operation in path.values() for tag in operation["tags"]}
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "walletd",
                "summary": "One ledger behind several wallet APIs.",
                "description": DESCRIPTION,
                "version": self._version,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "tags": [{"name": tag.title, "description": tag.description} for tag in TAGS.values() if tag.title in used],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self._schemas().items())),
                "examples": dict(sorted(self._problem_examples.items())),
                "headers": HEADERS,
                "securitySchemes": SECURITY_SCHEMES,
            },
        }

    def _schemas(self) -> dict[str, Schema]:
        kinds: dict[str, set[type[msgspec.Struct]]] = {name: set() for name in self._dialects}
        for endpoint in self._endpoints:
            contract = contract_of(endpoint)
            bodies = [contract.takes, *(contract.answer(status).body for status in contract.answers)]
            kinds[endpoint.dialect.name].update(struct for body in bodies for struct in structs_in(body))
        schemas: dict[str, Schema] = {}
        for name, dialect in self._dialects.items():
            schemas |= component_schemas(name, kinds[name] | set(structs_in(Problem)))
            schemas[f"{name}.Problem"] = problems.schema(dialect)
        return schemas

    # ---------------------------------------------------------------------------------------------------- operations

    def _operation(self, endpoint: Endpoint) -> dict[str, Any]:
        contract = contract_of(endpoint)
        summary, description = _words(endpoint, contract)
        operation: dict[str, Any] = {
            "operationId": endpoint.operation,
            "tags": [TAGS[contract.tag or endpoint.dialect.name].title],
            "summary": summary,
            **({"description": description} if description else {}),
            "security": _security(endpoint),
        }
        parameters = self._parameters(endpoint, contract)
        if parameters:
            operation["parameters"] = parameters
        if contract.takes is not None:
            media = {
                "schema": schema_of(contract.takes, endpoint.dialect.name),
                "examples": self._examples.requests(endpoint.operation, contract.takes),
            }
            operation["requestBody"] = {"required": not contract.body_optional, "content": {JSON: media}}
        answers = {str(status): self._answer(endpoint, contract, status) for status in contract.answers}
        refusals = self._refusals(endpoint, contract)
        assert not answers.keys() & refusals.keys(), f"{endpoint.operation} answers and refuses with one status"
        operation["responses"] = dict(sorted((answers | refusals).items()))
        return operation

    def _parameters(self, endpoint: Endpoint, contract: Contract) -> list[dict[str, Any]]:
        declared = {parameter.name: parameter for parameter in contract.parameters if parameter.place == "path"}
        assert declared.keys() <= set(endpoint.names), f"{endpoint.operation} has no such segments: {declared}"
        parameters = [declared.get(name) or _segment(name) for name in endpoint.names]
        parameters += [parameter for parameter in contract.parameters if parameter.place != "path"]
        if contract.keyed:
            in_body = contract.takes is not None and "idempotency_key" in contract.takes.__struct_fields__
            example = None if in_body else IDEMPOTENCY_KEY.example
            parameters.append(msgspec.structs.replace(IDEMPOTENCY_KEY, example=example))
        return [_parameter(parameter, endpoint.dialect.name) for parameter in parameters]

    def _answer(self, endpoint: Endpoint, contract: Contract, status: int) -> dict[str, Any]:
        answer = contract.answer(status)
        names = ["X-Request-Id", *answer.headers]
        if endpoint.no_store:
            names.append("Cache-Control")
        if status == 201:
            names.append("Location")
        if contract.keyed:
            names.append("Idempotency-Replayed")
        described: dict[str, Any] = {"description": answer.description, "headers": _headers(names)}
        if answer.body is not None:
            media = self._media(endpoint, answer, status)
            described["content"] = dict.fromkeys((answer.media_type, *answer.also), media)
        return described

    def _media(self, endpoint: Endpoint, answer: Answer, status: int) -> dict[str, Any]:
        if answer.body is bytes:
            return {"schema": {}}
        schema = schema_of(answer.body, endpoint.dialect.name)
        if answer.media_type != JSON:
            return {"schema": schema, "example": _text_example(answer.media_type)}
        return {"schema": schema, "examples": self._examples.answers(endpoint.operation, status, answer.body)}

    def _refusals(self, endpoint: Endpoint, contract: Contract) -> dict[str, Any]:
        dialect = endpoint.dialect
        codes: dict[int, list[str]] = {}
        for code in refusal_codes(endpoint):
            status = dialect.status(code)
            codes.setdefault(status, []).append(code)
            if contract.atomic and status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                codes.setdefault(HTTPStatus.UNPROCESSABLE_ENTITY, []).append(code)
        return {
            str(int(status)): self._refusal(endpoint, int(status), of_status) for status, of_status in codes.items()
        }

    def _refusal(self, endpoint: Endpoint, status: int, codes: list[str]) -> dict[str, Any]:
        dialect = endpoint.dialect
        names = ["X-Request-Id"]
        if all(code in RETRY_AFTER_S for code in codes):
            names.append("Retry-After")
        if status == 401:
            names.append("WWW-Authenticate")
        return {
            "description": "; ".join(f"{ADVICE[code].title} (`{code}`)" for code in codes) + ".",
            "headers": _headers(names),
            "content": {
                PROBLEM_TYPE: {
                    "schema": {"$ref": f"#/components/schemas/{dialect.name}.Problem"},
                    "examples": {code: self._problem_example(endpoint, dialect, code, status) for code in codes},
                }
            },
        }

    def _problem_example(self, endpoint: Endpoint, dialect: Dialect, code: str, status: int) -> dict[str, str]:
        """A reference to the dialect's example of a code, whose instance is the first operation that has it."""
        index = 0 if status != dialect.status(code) else None  # of an atomic batch
        name = f"{dialect.name}.{code}" if index is None else f"{dialect.name}.{code}.atomic"
        if name not in self._problem_examples:
            contract = contract_of(endpoint)
            path = endpoint.route
            for parameter in contract.parameters:
                path = path.replace(f"{{{parameter.name}}}", str(parameter.example))
            path = path.replace("{", "").replace("}", "")
            value = problems.example(dialect, code, path, index)
            self._problem_examples[name] = {"summary": ADVICE[code].title, "value": value}
        return {"$ref": f"#/components/examples/{name}"}


_TEXT_EXAMPLES: Final = {
    "text/event-stream": 'id: 7\nevent: wallet_frozen\ndata: {"id":"evt_7","sequence":7,"type":"wallet_frozen"}\n\n',
    "text/html": '<!doctype html>\n<html lang="en">\n</html>\n',
    "application/javascript": "window.onload = () => {};\n",
    "text/css": "body { margin: 0; }\n",
}


def _text_example(media_type: str) -> str:
    """What a body that is text begins with or looks like."""
    return _TEXT_EXAMPLES.get(media_type.partition(";")[0], "walletd_info 1.0\n")


def documented(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints that the document shows: those with a contract, and of several spellings of one operation the first."""
    shown: dict[tuple[str, str], Endpoint] = {}
    for endpoint in endpoints:
        if endpoint.contract is not None:
            shown.setdefault((endpoint.method, endpoint.operation), endpoint)
    return list(shown.values())


def contract_of(endpoint: Endpoint) -> Contract:
    """An endpoint's contract, which each has."""
    assert endpoint.contract is not None, f"{endpoint.method} {endpoint.route} is registered without a contract"
    return endpoint.contract


def refusal_codes(endpoint: Endpoint) -> tuple[str, ...]:
    """Every code that an endpoint may refuse with."""
    return refusals_of(contract_of(endpoint), endpoint.method, probe=endpoint.probe, public=endpoint.public)


def _words(endpoint: Endpoint, contract: Contract) -> tuple[str, str]:
    """Summary and description: the contract's, or the handler's docstring."""
    if contract.summary:
        return contract.summary, ""
    text = " ".join((endpoint.handler.__doc__ or "").split())
    summary, _, description = text.partition(". ")
    assert summary, f"{endpoint.operation} has no summary: its handler has no docstring"
    return summary.removesuffix(".").replace("`", ""), description


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.public:
        return []
    if endpoint.always_authenticated:
        return [{"bearer": []}, {"token": []}, {"basic": []}]
    return [{"bearer": []}, {}]


def _segment(name: str) -> Parameter:
    return Parameter(name=name, kind=str, description=f"The {name.replace('_', ' ')}.", example="1", place="path")


def _parameter(parameter: Parameter, group: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.place == "path" or parameter.required,
        "schema": query_schema(parameter.kind) if parameter.place == "query" else schema_of(parameter.kind, group),
    }
    if parameter.example is not None:
        described["example"] = parameter.example
    return described


def _headers(names: Iterable[str]) -> Mapping[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
