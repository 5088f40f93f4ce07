"""Routes: from a path to a resource, and from a method to its endpoint. Filled once, before the server listens."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote_to_bytes

from aiohttp import web

from .problem import V1, Dialect
from .tally import Tally

Handler = Callable[..., Awaitable[web.StreamResponse]]
"""Takes a Call (call.py), returns its answer, raises Refusal or HttpFault."""
Parameters = dict[str, str]

NO_PARAMETERS: Final[Parameters] = {}


class Endpoint:
    """One method of one resource.

    `operation` is its name in metrics and logs, `route` its path as a pattern. `no_store`: its answers are not to be cached. A `probe` is answered whatever
    the load, the rate limit and the state; a `stream` lasts, and is not counted among the requests in flight.
    """

    __slots__ = ("dialect", "handler", "method", "no_store", "operation", "probe", "route", "stream", "tally")

    def __init__(
        self,
        method: str,
        route: str,
        operation: str,
        handler: Handler,
        dialect: Dialect,
        *,
        no_store: bool,
        probe: bool,
        stream: bool,
    ) -> None:
        self.method = method
        self.route = route
        self.operation = operation
        self.handler = handler
        self.dialect = dialect
        self.no_store = no_store
        self.probe = probe
        self.stream = stream
        self.tally = Tally()


class Resource:
    """What stands at one path: its endpoints by method. HEAD is served by the endpoint of GET."""

    __slots__ = ("allow", "dialect", "endpoints", "route")

    def __init__(self, route: str, dialect: Dialect) -> None:
        self.route = route
        self.dialect = dialect
        self.endpoints: dict[str, Endpoint] = {}
        self.allow = ""

    def add(self, endpoint: Endpoint) -> None:
        assert endpoint.method not in self.endpoints, f"{endpoint.method} {self.route} is registered twice"
        self.endpoints[endpoint.method] = endpoint
        if endpoint.method == "GET":
            self.endpoints["HEAD"] = endpoint
        self.allow = ", ".join(sorted(self.endpoints))


class _Node:
    __slots__ = ("children", "name", "resource", "variable")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.name = ""
        self.resource: Resource | None = None


class Routes:
    """The table of all resources. A literal segment goes before a variable one; there is no other order."""

    def __init__(self) -> None:
        self.fixed: dict[str, Resource] = {}
        self.endpoints: list[Endpoint] = []
        self._root = _Node()

    def add(
        self,
        method: str,
        route: str,
        operation: str,
        handler: Handler,
        *,
        dialect: Dialect = V1,
        no_store: bool = False,
        probe: bool = False,
        stream: bool = False,
    ) -> None:
        """Register a handler at a path, such as `/v1/wallets/{id}/freeze`, whose braces name its variable segments."""
        node = self._root
        for segment in route[1:].split("/"):
            if segment[:1] == "{":
                if node.variable is None:
                    node.variable = _Node()
                    node.name = segment[1:-1]
                assert node.name == segment[1:-1], f"{route}: this segment is named {node.name} elsewhere"
                node = node.variable
            else:
                node = node.children.setdefault(segment, _Node())
        if node.resource is None:
            node.resource = Resource(route, dialect)
            if "{" not in route:
                self.fixed[route] = node.resource
        endpoint = Endpoint(method, route, operation, handler, dialect, no_store=no_store, probe=probe, stream=stream)
        node.resource.add(endpoint)
        self.endpoints.append(endpoint)

    def resolve(self, path: str) -> tuple[Resource | None, Parameters]:
        """The resource at a path as it came, percent-encoding included, and its variable segments, decoded."""
        node = self._root
        parameters: Parameters = {}
        try:
            segments = [unquote_to_bytes(part).decode() if "%" in part else part for part in path[1:].split("/")]
        except UnicodeDecodeError:
            return None, NO_PARAMETERS
        for segment in segments:
            child = node.children.get(segment)
            if child is not None:
                node = child
            elif node.variable is not None and segment:
                parameters[node.name] = segment
                node = node.variable
            else:
                return None, NO_PARAMETERS
        return node.resource, parameters
