"""Decoding: from the bytes of a body to a typed request, or a refusal that names every bad member.

The fast path is one msgspec decode. Only when that fails is the body looked at member by member, so that all faults are named at once. A member that appears twice counts with
its last value, as in every common JSON decoder: finding doubles would cost a second parse of each body.
"""

import re
import typing
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

from ..engine.limits import METADATA_BYTES_MAX
from ..engine.refusals import Refusal, RefusalCode
from . import amounts
from .problem import HttpCode, HttpFault

FIELDS_MAX: Final = 100
"""Bad members named in one problem."""

METADATA_DEPTH_MAX: Final = 32
"""Levels of objects and arrays in metadata."""

Metadata = Annotated[
    dict[str, Any],
    msgspec.Meta(description=f"Any JSON object of at most {METADATA_BYTES_MAX} bytes and {METADATA_DEPTH_MAX} levels."),
]
"""Data of the caller's own."""

Fields = Iterator[tuple[str, str]]

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_encode: Final = msgspec.json.Encoder().encode


def is_plain(text: str) -> bool:
    """Whether a text has no control characters but line feed and tab."""
    return text.isprintable() or _FORBIDDEN.search(text) is None


class Request(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A body of a request: members that it does not have are refused."""

    def faults(self, pointer: str = "") -> Fields:
        """What is wrong with the texts and metadata, beyond their types and lengths."""
        for field, name in zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True):
            value = getattr(self, field)
            if value.__class__ is str:
                if not value.isprintable() and _FORBIDDEN.search(value) is not None:
                    yield f"{pointer}/{name}", "has a control character"
            elif value.__class__ is dict:
                yield from _metadata_faults(value, f"{pointer}/{name}")


class OpenRequest(Request, forbid_unknown_fields=False, frozen=True, kw_only=True):
    """A body whose other members are ignored, as the clients of the dialects are used to."""


def _metadata_faults(metadata: dict[str, Any], pointer: str) -> Fields:
    if len(_encode(metadata)) > METADATA_BYTES_MAX:
        yield pointer, f"is longer than {METADATA_BYTES_MAX} bytes"
        return
    level: list[Any] = [metadata]
    for _ in range(METADATA_DEPTH_MAX):
        texts: list[str] = []
        deeper: list[Any] = []
        for holder in level:
            if isinstance(holder, dict):
                texts.extend(holder)
            for value in holder.values() if isinstance(holder, dict) else holder:
                if isinstance(value, str):
                    texts.append(value)
                elif isinstance(value, dict | list):
                    deeper.append(value)
        if not all(map(is_plain, texts)):
            yield pointer, "has a control character"
            return
        if not deeper:
            return
        level = deeper
    yield pointer, f"is nested deeper than {METADATA_DEPTH_MAX} levels"


def refuse_fields(fields: list[tuple[str, str]]) -> Refusal:
    """The refusal that names bad members."""
    first_pointer, first_sentence = fields[0]
    more = f" ({len(fields) - 1} more below)" if len(fields) > 1 else ""
    where = first_pointer or "The body"
    return Refusal(RefusalCode.INVALID_REQUEST, f"{where} {first_sentence}{more}.", fields=tuple(fields[:FIELDS_MAX]))


RequestT = TypeVar("RequestT", bound=Request)


class Body(Generic[RequestT]):
    """The decoder of one kind of body."""

    def __init__(self, kind: type[RequestT]) -> None:
        self.kind = kind
        self._decode = msgspec.json.Decoder(kind).decode
        self._metadata = [
            field.name
            for field in msgspec.structs.fields(kind)
            if Metadata in (field.type, *typing.get_args(field.type))
        ]

    def read(self, raw: bytes) -> RequestT:
        """The request in `raw`. Raises HttpFault BODY_NOT_JSON and Refusal INVALID_REQUEST."""
        try:
            is_ascii = raw.isascii()
            if not is_ascii:
                raw.decode()  # also inside members that are kept as they came
            request = self._decode(raw)
        except msgspec.ValidationError as error:
            raise refuse_fields(_explain(self.kind, raw, error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _not_json(raw, error) from None
        # JSON keeps control characters out of texts, but for escapes, DEL and what is not ASCII: without those, and
        # without metadata, there is nothing to look for, which saves a third of reading a transfer.
        is_plain_raw = is_ascii and b"\\" not in raw and b"\x7f" not in raw
        if is_plain_raw and not any(getattr(request, name) for name in self._metadata):
            return request
        fields = list(request.faults())
        if fields:
            raise refuse_fields(fields)
        return request


def _not_json(raw: bytes, error: Exception) -> HttpFault:
    if not raw.strip(b" \t\r\n"):
        return HttpFault(HttpCode.BODY_NOT_JSON, "The body is empty; a JSON object is needed.")
    if isinstance(error, RecursionError):
        return HttpFault(HttpCode.BODY_NOT_JSON, "The body is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        return HttpFault(HttpCode.BODY_NOT_JSON, "The body is not UTF-8.")
    return HttpFault(HttpCode.BODY_NOT_JSON, f"The body is not JSON: {str(error).removeprefix('JSON is malformed: ')}.")


def _explain(kind: type[Request], raw: bytes, error: msgspec.ValidationError) -> list[tuple[str, str]]:
    """Every bad member of a body that failed to decode; raises HttpFault when it is no JSON further on."""
    try:
        with suppress(msgspec.ValidationError):  # a number out of every range: named below, where it stands
            msgspec.json.decode(raw)
        faults = list(islice(_struct_faults(kind, raw, ""), FIELDS_MAX + 1))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as other:
        raise _not_json(raw, other) from None
    return faults or [("", _sentence(error))]


def _struct_faults(kind: type[msgspec.Struct], raw: bytes, pointer: str) -> Fields:
    try:
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        yield pointer, _sentence(error)
        return
    for field in msgspec.structs.fields(kind):
        value = members.pop(field.encode_name, None)
        where = f"{pointer}/{_escaped(field.encode_name)}"
        if value is not None:
            is_optional_amount = field.default is amounts.NOT_GIVEN and _amount_form(field.type) is not None
            if not is_optional_amount or amounts.is_given(value):
                yield from _value_faults(field.type, bytes(value), where)
        elif field.required:
            yield where, "is missing"
    if kind.__struct_config__.forbid_unknown_fields:
        for name in members:
            yield f"{pointer}/{_escaped(name)}", "is not a member of this request"


def _value_faults(kind: Any, raw: bytes, pointer: str) -> Fields:
    struct, is_list = _struct_inside(kind)
    if struct is not None and not is_list and raw != b"null":
        yield from _struct_faults(struct, raw, pointer)
        return
    if struct is not None and is_list:
        yield from _list_faults(kind, struct, raw, pointer)
        return
    amount = _amount_form(kind)
    try:
        if amount == "minor":
            amounts.minor_units(raw, pointer)
        elif amount == "signed":
            amounts.signed_minor_units(raw, pointer)
        elif amount == "major":
            amounts.check_decimal(raw, pointer)
        else:
            msgspec.json.decode(raw, type=kind)
    except Refusal as refusal:
        yield from refusal.fields
    except msgspec.ValidationError as error:
        yield pointer, _sentence(error)


def _list_faults(kind: Any, item_kind: type[msgspec.Struct], raw: bytes, pointer: str) -> Fields:
    """A list's own fault, or else those of its items: a list that is too long is not looked into."""
    try:
        items = msgspec.json.decode(raw, type=_without_items(kind))
    except msgspec.ValidationError as error:
        yield pointer, _sentence(error)
        return
    decode = msgspec.json.Decoder(item_kind).decode
    for index, item in enumerate(items):
        try:
            decode(item)
        except msgspec.ValidationError:
            yield from _struct_faults(item_kind, bytes(item), f"{pointer}/{index}")


def _without_items(kind: Any) -> Any:
    """A list type with its bounds, whose items are not looked at."""
    if typing.get_origin(kind) is Annotated:
        return Annotated[(list[msgspec.Raw], *kind.__metadata__)]
    return list[msgspec.Raw]


def _struct_inside(kind: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The Struct that a type is, or is a list or tuple of."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return _struct_inside(kind.__origin__)
    if origin in (typing.Union, UnionType):
        kinds = [kind for kind in typing.get_args(kind) if kind is not NoneType and kind is not msgspec.UnsetType]
        return _struct_inside(kinds[0]) if len(kinds) == 1 else (None, False)
    if origin in (list, tuple):
        return _struct_inside(typing.get_args(kind)[0])[0], True
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind, False
    return None, False


def _amount_form(kind: Any) -> str | None:
    """`minor`, `signed` or `major` for the type of an amount."""
    if typing.get_origin(kind) is Annotated:
        for meta in kind.__metadata__:
            if (
                isinstance(meta, msgspec.Meta)
                and meta.extra_json_schema is not None
                and "x-amount" in meta.extra_json_schema
            ):
                return str(meta.extra_json_schema["x-amount"])
    return None


_PATH: Final = re.compile(r" - at `.*`$", re.DOTALL)


def _sentence(error: msgspec.ValidationError) -> str:
    text = _PATH.sub("", str(error))
    return f"is wrong: {text[:1].lower()}{text[1:]}"


def _escaped(name: str) -> str:
    """A member's name as a step of a JSON pointer, cut where it is long."""
    return name[:64].replace("~", "~0").replace("/", "~1")
