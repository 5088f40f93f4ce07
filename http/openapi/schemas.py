"""Schemas: JSON Schema of the wire types, as components of the document.

msgspec writes them from the types; three things are put right here. Patterns are written for Python's `re` and leave it as ECMA 262 has them; a raw member that may be left
out may be null too; and the rule on control characters, which holds for every text of a request, is said in each text's schema.
"""

import typing
from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec

from .. import amounts
from ..decoding import Request

Schema = dict[str, Any]

PLAIN_TEXT: Final = r"^[^\u0000-\u0008\u000B-\u001F\u007F-\u009F]*$"
"""Texts of requests: no control characters but line feed and tab."""

_REFERENCE: Final = "#/components/schemas/"


def component_schemas(group: str, kinds: Collection[type[msgspec.Struct]]) -> dict[str, Schema]:
    """The schemas of these types and of all that they hold, by component name: `group.Type`."""
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    names = [kind.__name__ for kind in ordered]
    assert len(set(names)) == len(names), f"two types of {group} share a name: {names}"
    _, components = msgspec.json.schema_components(ordered, ref_template=f"{_REFERENCE}{group}.{{name}}")
    structs = {struct.__name__: struct for kind in ordered for struct in structs_in(kind)}
    for name, schema in components.items():
        _put_right(structs[name], schema)
    return {f"{group}.{name}": schema for name, schema in components.items()}


def schema_of(kind: Any, group: str) -> Schema:
    """The schema of a type where it is used: a reference to a component, or the schema itself of what is no Struct."""
    (schema,), _ = msgspec.json.schema_components((kind,), ref_template=f"{_REFERENCE}{group}.{{name}}")
    _ecma(schema)
    return schema


def query_schema(kind: Any) -> Schema:
    """The schema of a query's parameter, whose texts are held to the rule on control characters too."""
    schema = schema_of(kind, "")
    _say_plain_text(schema)
    return schema


def structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Every Struct that a type is or holds, each once."""
    seen: set[Any] = set()
    waiting = [kind]
    while waiting:
        current = waiting.pop()
        waiting.extend(typing.get_args(current))
        if isinstance(current, type) and issubclass(current, msgspec.Struct) and current not in seen:
            seen.add(current)
            yield current
            waiting.extend(field.type for field in msgspec.structs.fields(current))


def _put_right(kind: type[msgspec.Struct], schema: Schema) -> None:
    _ecma(schema)
    properties: Schema = schema["properties"]
    for field in msgspec.structs.fields(kind):
        member = properties[field.encode_name]
        if field.default is amounts.NOT_GIVEN and _is_raw(field.type) and member:
            description = {name: member.pop(name) for name in ("description",) if name in member}
            properties[field.encode_name] = {"anyOf": [member, {"type": "null"}], **description}
    if issubclass(kind, Request):
        for member in properties.values():
            _say_plain_text(member)


def _is_raw(kind: Any) -> bool:
    return kind is msgspec.Raw or (typing.get_origin(kind) is typing.Annotated and kind.__origin__ is msgspec.Raw)


def _say_plain_text(schema: Schema) -> None:
    """Put the pattern of plain texts onto every text in a member's schema."""
    if schema.get("type") == "string" and "enum" not in schema:
        if "pattern" in schema:
            schema["allOf"] = [{"pattern": PLAIN_TEXT}]
        else:
            schema["pattern"] = PLAIN_TEXT
    for part in schema.get("anyOf", ()):
        _say_plain_text(part)


def _ecma(schema: Any) -> None:
    """Patterns as ECMA 262 writes them, everywhere in a schema."""
    if isinstance(schema, dict):
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            schema["pattern"] = pattern.replace(r"\Z", "$")
        for part in schema.values():
            _ecma(part)
    elif isinstance(schema, list):
        for part in schema:
            _ecma(part)
