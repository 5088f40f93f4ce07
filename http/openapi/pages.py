"""The document and its pages. Everything they load comes from this server, out of files in packages, so they work without any other host.

The policies that the pages are sent with hold them to it: scripts and requests of this origin only, and no script inside the page. ReDoc writes its styles into the page and
searches in a worker made of a blob; Swagger UI has no such need.
"""

import asyncio
import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec
import openapi_ui_bundles
from aiohttp import web

from ..call import Call
from ..contract import HTML, JSON, Answer, Contract, Parameter
from ..probes import TAG
from ..problem import HttpCode, HttpFault
from ..routes import Routes
from .document import Document

REVALIDATE: Final = "no-cache"
"""Kept, but asked for again each time: the ETag answers most with 304."""
KEEP: Final = "public, max-age=86400"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'self'{styles}"
)
POLICIES: Final = {
    "docs": _POLICY.format(styles=""),
    "redoc": _POLICY.format(styles=" 'unsafe-inline'; worker-src blob:"),
}

_OWN: Final = files(__package__) / "static"
_SWAGGER: Final = files(openapi_ui_bundles) / "swagger_ui" / "vendor"
_REDOC: Final = files(openapi_ui_bundles) / "redoc" / "vendor"

_FOREIGN_LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_OWN_LOGO: Final = b"redoc/logo-mini.svg"

FILES: Final[dict[str, dict[str, tuple[Any, str]]]] = {
    "docs": {
        "": (_OWN / "docs.html", HTML),
        "docs.js": (_OWN / "docs.js", "text/javascript; charset=utf-8"),
        "docs.css": (_OWN / "docs.css", "text/css; charset=utf-8"),
        "swagger-ui.css": (_SWAGGER / "swagger-ui.css", "text/css; charset=utf-8"),
        "swagger-ui-bundle.js": (_SWAGGER / "swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        "favicon-32x32.png": (_SWAGGER / "favicon-32x32.png", "image/png"),
    },
    "redoc": {
        "": (_OWN / "redoc.html", HTML),
        "redoc.js": (_OWN / "redoc.js", "text/javascript; charset=utf-8"),
        "docs.css": (_OWN / "docs.css", "text/css; charset=utf-8"),
        "redoc.standalone.js": (_REDOC / "redoc.standalone.js", "text/javascript; charset=utf-8"),
        "logo-mini.svg": (_REDOC / "logo-mini.svg", "image/svg+xml"),
        "favicon-32x32.png": (_SWAGGER / "favicon-32x32.png", "image/png"),
    },
}
"""What each page is made of: file → where it lies and its type. The page itself has the empty name."""


class OpenApiAnswer(msgspec.Struct, frozen=True):
    """An OpenAPI document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


class Content(msgspec.Struct, frozen=True):
    """A file as it is sent."""

    body: bytes
    etag: str


def _content(body: bytes) -> Content:
    return Content(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


class Pages:
    """The document of these routes and its pages, each read or made when it is first asked for, and kept."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._contents: dict[tuple[str, str], Content] = {}

    async def openapi(self, call: Call) -> web.StreamResponse:
        """This document. It describes every operation of this server, made of the types that decode and encode."""
        version = call.services.version
        content = await self._kept(("openapi", version), lambda: Document(self._routes.endpoints, version).encoded())
        return _sent(call, content, {"Content-Type": JSON, "Cache-Control": REVALIDATE})

    async def docs(self, call: Call) -> web.StreamResponse:
        """Swagger UI. A page for trying the operations out."""
        return await self._file(call, "docs", "")

    async def docs_file(self, call: Call) -> web.StreamResponse:
        """A file of Swagger UI."""
        return await self._file(call, "docs", call.parameters["file"])

    async def redoc(self, call: Call) -> web.StreamResponse:
        """ReDoc. A page for reading about the operations."""
        return await self._file(call, "redoc", "")

    async def redoc_file(self, call: Call) -> web.StreamResponse:
        """A file of ReDoc."""
        return await self._file(call, "redoc", call.parameters["file"])

    async def _file(self, call: Call, page: str, name: str) -> web.StreamResponse:
        found = FILES[page].get(name)
        if found is None:
            raise HttpFault(HttpCode.NOT_FOUND, "There is no such file.")
        place, media_type = found
        content = await self._kept((page, name), lambda: _own_logo(place.read_bytes()))
        headers = {
            "Content-Type": media_type,
            "Cache-Control": KEEP if name else REVALIDATE,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Content-Security-Policy": POLICIES[page],
        }
        return _sent(call, content, headers)

    async def _kept(self, key: tuple[str, str], make: Callable[[], bytes]) -> Content:
        """What stands at the key; made in a thread the first time."""
        content = self._contents.get(key)
        if content is None:
            content = self._contents[key] = _content(await asyncio.to_thread(make))
        return content


def _own_logo(body: bytes) -> bytes:
    """ReDoc's bundle with its logo taken from here: the package ships it, yet the script asks another host."""
    return body.replace(_FOREIGN_LOGO, _OWN_LOGO)


def _sent(call: Call, content: Content, headers: dict[str, str]) -> web.StreamResponse:
    headers["ETag"] = content.etag
    asked = call.request.headers.get("If-None-Match", "")
    if content.etag in asked.replace("W/", "").replace(" ", "").split(",") or asked.strip() == "*":
        del headers["Content-Type"]
        return call.page(b"", headers, 304)
    return call.page(content.body, headers)


_IF_NONE_MATCH: Final = Parameter(
    name="If-None-Match",
    kind=str,
    description="The ETag of an earlier answer; if it still stands, 304.",
    place="header",
)
_UNCHANGED: Final = Answer(description="Unchanged.", headers=("ETag",))


def _contract(body: Any, media_type: str, *parameters: Parameter, refuses: tuple[str, ...] = ()) -> Contract:
    answer = Answer(body=body, description="The content.", media_type=media_type, headers=("ETag",))
    return Contract(
        answers={200: answer, 304: _UNCHANGED}, parameters=(*parameters, _IF_NONE_MATCH), refuses=refuses, tag=TAG
    )


def _file_contract(page: str) -> Contract:
    names = tuple(name for name in FILES[page] if name)
    file = Parameter(name="file", kind=Literal[names], description="The file's name.", example=names[0], place="path")
    return _contract(bytes, "*/*", file, refuses=(HttpCode.NOT_FOUND,))


def register(routes: Routes) -> None:
    """Add the document, Swagger UI and ReDoc."""
    pages = Pages(routes)
    document, page = _contract(OpenApiAnswer, JSON), _contract(str, HTML)
    routes.add("GET", "/openapi.json", "openapi", pages.openapi, public=True, contract=document)
    routes.add("GET", "/docs", "docs", pages.docs, public=True, contract=page)
    routes.add("GET", "/docs/{file}", "docs_file", pages.docs_file, public=True, contract=_file_contract("docs"))
    routes.add("GET", "/redoc", "redoc", pages.redoc, public=True, contract=page)
    routes.add("GET", "/redoc/{file}", "redoc_file", pages.redoc_file, public=True, contract=_file_contract("redoc"))
