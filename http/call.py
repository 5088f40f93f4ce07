"""A call: one request on its way through its handler, with what the handler needs to read it and to answer."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from multidict import istr
from yarl import URL

from ..engine.commands import IdempotencyKey
from ..engine.engine import Engine
from ..engine.identity import Access
from ..engine.outcome import Outcome
from ..engine.ports import Transaction
from ..engine.receipts import NoReceipts, Receipts
from ..engine.refusals import Refusal, RefusalCode
from . import direct, idempotency
from .authentication import Authentication
from .cors import Cors
from .decoding import Body, RequestT, is_plain, refuse_fields
from .lane import LONG_BODY_BYTES, Lane
from .metrics import Metrics
from .options import ServerOptions
from .principal import OPERATOR
from .problem import HttpCode, HttpFault
from .routes import Endpoint, Parameters

SERVER_NAME: Final = "walletd"

CONTENT_TYPE: Final = istr("Content-Type")
CONTENT_ENCODING: Final = istr("Content-Encoding")
X_REQUEST_ID: Final = istr("X-Request-Id")
SERVER: Final = istr("Server")
CACHE_CONTROL: Final = istr("Cache-Control")
LOCATION: Final = istr("Location")
REPLAYED: Final = istr("Idempotency-Replayed")
TOTAL_COUNT: Final = istr("X-Total-Count")

JSON: Final = "application/json"

_encode: Final = msgspec.json.Encoder().encode

AskedT = TypeVar("AskedT")


class Services:
    """What handlers share: the engine, the keeper of passwords, logins and keys, the receipts, and the server's own state."""

    def __init__(
        self,
        engine: Engine,
        access: Access,
        authentication: Authentication,
        options: ServerOptions,
        metrics: Metrics,
        *,
        version: str,
        default_asset: str,
        cors: Cors | None,
        clock_us: Callable[[], int],
        receipts: Receipts | None = None,
    ) -> None:
        self.engine = engine
        self.access = access
        self.authentication = authentication
        self.options = options
        self.metrics = metrics
        self.version = version
        self.default_asset = default_asset
        self.cors = cors
        self.clock_us = clock_us
        self.receipts: Receipts = receipts if receipts is not None else NoReceipts()
        self.lane = Lane()
        self.stopping = asyncio.Event()
        self.streams = 0


class Call:
    """One request. `outcome` is what it is counted as, `principal` who makes it."""

    __slots__ = ("endpoint", "outcome", "parameters", "principal", "query_text", "request", "request_id", "services")

    def __init__(
        self,
        request: web.BaseRequest,
        services: Services,
        endpoint: Endpoint,
        parameters: Parameters,
        query_text: str,
        request_id: str,
    ) -> None:
        self.request = request
        self.services = services
        self.endpoint = endpoint
        self.parameters = parameters
        self.query_text = query_text
        self.request_id = request_id
        self.outcome = "succeeded"
        self.principal = OPERATOR

    @property
    def engine(self) -> Engine:
        """The engine that does what is asked."""
        return self.services.engine

    # ------------------------------------------------------------------------------------------------------ reading

    async def body(self, kind: Body[RequestT]) -> RequestT:
        """The body, typed. Raises HttpFault and Refusal INVALID_REQUEST."""
        request = self.request
        if request.headers.get(CONTENT_TYPE) != JSON or CONTENT_ENCODING in request.headers:
            _check_media_type(request)
        content = request.content
        if content.is_eof():
            raw = content.read_nowait()
            if len(raw) > self.services.options.body_bytes_max:
                raise too_large(self.services.options.body_bytes_max)
        else:
            raw = await self._read_slowly()
        if len(raw) > LONG_BODY_BYTES:
            await self.services.lane.turn()
        return kind.read(raw)

    async def optional_body(self, kind: Body[RequestT]) -> RequestT:
        """The body, typed, where none at all means an empty object."""
        if self.request.body_exists and CONTENT_TYPE in self.request.headers:
            return await self.body(kind)
        if await self._read_slowly():
            _check_media_type(self.request)
        return kind.read(b"{}")

    async def _read_slowly(self) -> bytes:
        """A body that is not here yet, as far as the size and the time allow."""
        options = self.services.options
        request = self.request
        length = request.content_length
        if length is not None and length > options.body_bytes_max:
            raise too_large(options.body_bytes_max)
        expectation = request.headers.get("Expect")
        if expectation is not None:
            if expectation.lower() != "100-continue":
                raise HttpFault(HttpCode.EXPECTATION_FAILED, "The only expectation that is met is 100-continue.")
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        raw = bytearray()
        try:
            async with asyncio.timeout(options.body_timeout_s):
                while chunk := await request.content.readany():
                    raw += chunk
                    if len(raw) > options.body_bytes_max:
                        raise too_large(options.body_bytes_max)
        except TimeoutError:
            detail = f"The body did not arrive within {options.body_timeout_s:g} seconds."
            raise HttpFault(HttpCode.REQUEST_TIMEOUT, detail) from None
        return bytes(raw)

    def query(self, names: Collection[str] = (), *, others: bool = False) -> dict[str, str]:
        """The query's parameters, each at most once and each one of `names`; with `others`, ones beside them are ignored.

        Raises Refusal INVALID_REQUEST.
        """
        if not self.query_text:
            return {}
        faults: list[tuple[str, str]] = []
        values: dict[str, str] = {}
        for name, value in URL.build(path="/", query_string=self.query_text, encoded=True).query.items():
            # Bytes that are no UTF-8 come as lone surrogates, which no answer can be made of.
            pointer = f"/{name[:64].encode('utf-8', 'replace').decode()}"
            if name not in names:
                if not others:
                    faults.append((pointer, "is not a parameter of this path"))
            elif name in values:
                faults.append((pointer, "is given more than once"))
            elif not is_plain(value):
                faults.append((pointer, "has a control character"))
            else:
                values[name] = value
        if faults:
            raise refuse_fields(faults)
        return values

    def dry_run(self) -> bool:
        """Whether `?dry_run=true` asks to try only. Any other parameter is refused."""
        if not self.query_text:
            return False
        value = self.query(("dry_run",)).get("dry_run", "false")
        if value not in ("true", "false"):
            raise refuse_fields([("/dry_run", "must be true or false")])
        return value == "true"

    def idempotency_key(
        self, members_of: Callable[[AskedT], dict[str, Any]], asked: AskedT, in_body: str | None = None
    ) -> IdempotencyKey | None:
        """The request's idempotency key, if it brings one; `members_of(asked)` is the request in canonical form.

        `in_body`: the key that the body gives, in APIs whose bodies may.
        """
        if in_body is None and idempotency.HEADER not in self.request.headers:
            return None
        scope = f"{self.principal.caller}|{self.endpoint.method} {self.endpoint.route}"
        return idempotency.key_of(self.request, scope, members_of(asked), in_body)

    # ---------------------------------------------------------------------------------------------------- answering

    def answer(
        self,
        value: Any,
        status: int = 200,
        *,
        location: str | None = None,
        replayed: bool = False,
        total: int | None = None,
    ) -> web.StreamResponse:
        """The answer with `value` as its JSON; `total` says, beside a list that is read, how many there are in all."""
        body = _encode(value)
        if replayed:
            self.outcome = "replayed"
        if self.services.cors is None and direct.is_fit(self.request, body):
            lines = f"X-Request-Id: {self.request_id}\r\n"
            if location is not None:
                lines += f"Location: {location}\r\n"
            if replayed:
                lines += "Idempotency-Replayed: true\r\n"
            if self.endpoint.no_store:
                lines += "Cache-Control: no-store\r\n"
            return direct.DirectAnswer(self.request, status, lines, body)
        headers: dict[str, str] = {CONTENT_TYPE: JSON, X_REQUEST_ID: self.request_id, SERVER: SERVER_NAME}
        if self.endpoint.no_store:
            headers[CACHE_CONTROL] = "no-store"
        if location is not None:
            headers[LOCATION] = location
        if replayed:
            headers[REPLAYED] = "true"
        if total is not None:
            headers[TOTAL_COUNT] = str(total)
        return web.Response(body=body, status=status, headers=headers)

    def made(self, value: Any, outcome: Outcome, location: str) -> web.StreamResponse:
        """The answer to a creation: 201 with its Location; of a dry run, 200 with what would be."""
        if outcome.dry_run:
            self.outcome = "dry_run"
            return self.answer(value)
        return self.answer(value, 201, location=location, replayed=outcome.replayed)

    def changed(self, value: Any, outcome: Outcome) -> web.StreamResponse:
        """The answer to a change: 200 with what is now, or of a dry run with what would be."""
        if outcome.dry_run:
            self.outcome = "dry_run"
        return self.answer(value)

    def mark(self, response: web.StreamResponse) -> None:
        """Put the cross-origin headers onto an answer that is sent before its handler returns."""
        if self.services.cors is not None:
            self.services.cors.mark(self.request, response)

    def page(self, body: bytes, headers: Mapping[str, str], status: int = 200) -> web.Response:
        """An answer that is no JSON."""
        return web.Response(
            body=body, status=status, headers={X_REQUEST_ID: self.request_id, SERVER: SERVER_NAME, **headers}
        )


def too_large(bytes_max: int) -> HttpFault:
    """The fault of a body past the bound."""
    return HttpFault(HttpCode.BODY_TOO_LARGE, f"The body is longer than {bytes_max} bytes.")


def _check_media_type(request: web.BaseRequest) -> None:
    kind, _, parameters = request.headers.get(CONTENT_TYPE, "").partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if kind.strip().lower() != JSON or charset not in ("", "charset=utf-8", "charset=utf8"):
        raise HttpFault(
            HttpCode.UNSUPPORTED_MEDIA_TYPE, "The body must come as application/json.", headers={"Accept": JSON}
        )
    if request.headers.get(CONTENT_ENCODING, "identity").lower() != "identity":
        detail = "The body must come without content coding."
        raise HttpFault(HttpCode.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept-Encoding": "identity"})


NUMBER_LENGTH_MAX: Final = 18


def number_in(text: str) -> int | None:
    """The number above zero that a text is in canonical decimal, None if it is none."""
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= NUMBER_LENGTH_MAX:
        return int(text)
    return None


def number_of(text: str, prefix: str, code: RefusalCode) -> int:
    """The number in an id such as `tfr_12`. Raises Refusal `code` if it is no such id."""
    number = number_in(text[len(prefix) :]) if text.startswith(prefix) else None
    if number is None:
        raise Refusal(code)
    return number


async def transaction_of(call: Call, prefix: str, code: RefusalCode) -> Transaction:
    """The transaction that the path's id names. Raises Refusal `code` if there is none."""
    return await numbered_transaction(call, number_of(call.parameters["id"], prefix, code), code)


async def numbered_transaction(call: Call, number: int, code: RefusalCode) -> Transaction:
    """The transaction of a number. Raises Refusal `code` if there is none."""
    try:
        return await call.engine.transaction(number)
    except Refusal as refusal:
        if refusal.code is not RefusalCode.TRANSACTION_NOT_FOUND:
            raise
        raise Refusal(code) from None
