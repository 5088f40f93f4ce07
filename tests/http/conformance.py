"""Every answer is held against the document: status, media type, headers and body must be what its operation declares, and nothing else."""

import json
from functools import cache
from typing import Any

import aiohttp
import jsonschema_rs
from multidict import CIMultiDictProxy

from walletd.http import server as http_server
from walletd.http.openapi.document import Document
from walletd.http.routes import Routes

BASE = "urn:walletd:document"
PROBLEM = "application/problem+json"
OPEN = {"v1.OpenApiAnswer"}
"""Schemas whose further members are not for this document to name."""


class Departure(AssertionError):
    """An answer is not what the document says."""


@cache
def document() -> dict[str, Any]:
    """The document of a server, as a client reads it."""
    members: dict[str, Any] = json.loads(Document(_routes().endpoints, "1.2.3").encoded())
    return members


@cache
def _closed() -> dict[str, Any]:
    """The schemas, refusing members that they do not name."""
    schemas: dict[str, Any] = json.loads(json.dumps(document()["components"]["schemas"]))
    for name, schema in schemas.items():
        if "properties" in schema and name not in OPEN:
            schema.setdefault("additionalProperties", False)
    return schemas


@cache
def _registry() -> jsonschema_rs.Registry:
    resource = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": {"schemas": _closed()}}
    return jsonschema_rs.Registry([(BASE, resource)])


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    text = schema.replace('"#/components/', f'"{BASE}#/components/')
    return jsonschema_rs.Draft202012Validator(json.loads(text), validate_formats=True, registry=_registry())


def validator(schema: Any) -> jsonschema_rs.Draft202012Validator:
    """The compiled schema, its references taken from the document's components."""
    return _validator(json.dumps(schema, sort_keys=True))


@cache
def _routes() -> Routes:
    return http_server.all_routes()


@cache
def _operations() -> dict[str, dict[str, Any]]:
    """The document's operations by their ids."""
    paths = document()["paths"].values()
    return {operation["operationId"]: operation for path in paths for operation in path.values()}


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """The operation that a request asks for, whichever of its spellings it uses."""
    resource, _ = _routes().resolve(path)
    endpoint = None if resource is None else resource.endpoints.get(method)
    return None if endpoint is None else _operations().get(endpoint.operation)


def check(method: str, path: str, status: int, headers: CIMultiDictProxy[str], body: bytes) -> None:
    """Raises Departure, naming the operation."""
    operation = operation_of(method, path)
    media_type = headers.get("Content-Type", "")
    if operation is None:
        if method == "OPTIONS" and status == 204:
            return
        _require(status in (400, 404, 405), f"{method} {path} is not in the document and was answered {status}")
        _require("X-Request-Id" in headers, f"{method} {path}: no X-Request-Id")
        _require(media_type == PROBLEM, f"{method} {path}: {media_type} is no problem")
        return
    name = operation["operationId"]
    declared = operation["responses"].get(str(status))
    _require(declared is not None, f"{name} answered {status}, which it does not declare: {body[:300]!r}")
    _check_headers(f"{name} {status}", declared, headers)
    content = declared.get("content", {})
    if not content:
        _require(not body, f"{name} {status} has a body, which it does not declare")
        return
    _require(media_type in content or "*/*" in content, f"{name} {status} came as {media_type}, not {list(content)}")
    if method == "HEAD" or media_type not in content or "json" not in media_type:
        return
    value = json.loads(body)
    if media_type == PROBLEM:
        codes = content[PROBLEM]["examples"]
        _require(value.get("code") in codes, f"{name} {status} has the code {value.get('code')}, not of {list(codes)}")
    for error in validator(content[media_type]["schema"]).iter_errors(value):
        raise Departure(f"{name} {status}: {error.message} at {error.instance_path} in {body[:1000]!r}")


def _check_headers(where: str, declared: dict[str, Any], headers: CIMultiDictProxy[str]) -> None:
    components = document()["components"]["headers"]
    for name in declared.get("headers", {}):
        header = components[name]
        if name not in headers:
            _require(not header.get("required"), f"{where} lacks the header {name}")
        elif not validator(header["schema"]).is_valid(headers[name]):
            raise Departure(f"{where}: the header {name} is {headers[name]!r}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise Departure(message)


class CheckedResponse(aiohttp.ClientResponse):
    """A response that is held against the document when its body is read."""

    async def read(self) -> bytes:
        body = await super().read()
        check(self.method, self.url.raw_path, self.status, self.headers, body)
        return body
