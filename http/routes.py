"""Routes: from a path to a resource, and from a method to its endpoint. Filled once, before the server listens."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote_to_bytes

from aiohttp import web

from .contract import Contract
from .problem import V1, Dialect
from .tally import Tally

Handler = Callable[..., Awaitable[web.StreamResponse]]
"""Takes a Call (call.py), returns its answer, raises Refusal or HttpFault."""
Parameters = dict[str, str]
"""The variable segments of a path by name, decoded."""
Values = tuple[str, ...]
"""The variable segments of a path in order, decoded."""

NO_PARAMETERS: Final[Parameters] = {}
NO_VALUES: Final[Values] = ()


class Endpoint:
    """One method of one resource.

    `operation` is its name in metrics and logs, `route` its path as a pattern. `no_store`: its answers are not to be cached. A `probe` is answered whatever
    the load, the rate limit and the state; a `stream` lasts, and is not counted among the requests in flight. A `public` one asks nobody who they are; one that is
    `always_authenticated` asks where authentication is off too, and takes HTTP Basic as well.
    """

    __slots__ = (
        "always_authenticated",
        "contract",
        "dialect",
        "handler",
        "method",
        "names",
        "no_store",
        "operation",
        "probe",
        "public",
        "route",
        "stream",
        "tally",
    )

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
        public: bool = False,
        always_authenticated: bool = False,
        contract: Contract | None = None,
    ) -> None:
        assert not (public and always_authenticated), f"{method} {route} asks nobody and everybody"
        self.method = method
        self.route = route
        self.operation = operation
        self.handler = handler
        self.dialect = dialect
        self.no_store = no_store
        self.probe = probe
        self.stream = stream
        self.public = public
        self.always_authenticated = always_authenticated
        self.contract = contract
        self.tally = Tally()
        self.names = tuple(segment[1:-1] for segment in route.split("/") if segment[:1] == "{")
        assert len(set(self.names)) == len(self.names), f"{route} names two segments alike"

    def parameters(self, values: Values) -> Parameters:
        """The variable segments by this endpoint's names for them."""
        return dict(zip(self.names, values, strict=True)) if values else NO_PARAMETERS


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
    __slots__ = ("children", "resource", "variable")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.resource: Resource | None = None


class Routes:
    """The table of all resources. A literal segment goes before a variable one; there is no other order.

    Endpoints at one path may name its variable segments differently: two APIs may share a path.
    """

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
        public: bool = False,
        always_authenticated: bool = False,
        contract: Contract | None = None,
        also: str | None = None,
    ) -> None:
        """Register a handler at a path, such as `/v1/wallets/{id}/freeze`, whose braces name its variable segments; `contract` is what it promises.

        `also` is another spelling of the path, which leads to the very same endpoint.
        """
        endpoint = Endpoint(
            method,
            route,
            operation,
            handler,
            dialect,
            no_store=no_store,
            probe=probe,
            stream=stream,
            public=public,
            always_authenticated=always_authenticated,
            contract=contract,
        )
        for path in (route, *([] if also is None else [also])):
            self._resource(path, dialect).add(endpoint)
        self.endpoints.append(endpoint)

    def _resource(self, route: str, dialect: Dialect) -> Resource:
        """What stands at a path, made if nothing does."""
        node = self._root
        for segment in route[1:].split("/"):
            if segment[:1] == "{":
                if node.variable is None:
                    node.variable = _Node()
                node = node.variable
            else:
                node = node.children.setdefault(segment, _Node())
        if node.resource is None:
            node.resource = Resource(route, dialect)
            if "{" not in route:
                self.fixed[route] = node.resource
        return node.resource

    def resolve(self, path: str) -> tuple[Resource | None, Values]:
        """The resource at a path as it came, percent-encoding included, and its variable segments."""
        try:
            segments = [unquote_to_bytes(part).decode() if "%" in part else part for part in path[1:].split("/")]
        except UnicodeDecodeError:
            return None, NO_VALUES
        return _found(self._root, segments, 0, NO_VALUES)


def _found(node: _Node, segments: list[str], index: int, values: Values) -> tuple[Resource | None, Values]:
    """What stands at `segments` from `index` on below a node. A literal that leads nowhere gives way to the variable beside it."""
    if index == len(segments):
        return node.resource, values
    segment = segments[index]
    child = node.children.get(segment)
    if child is not None:
        found = _found(child, segments, index + 1, values)
        if found[0] is not None:
            return found
    if node.variable is not None and segment:
        return _found(node.variable, segments, index + 1, (*values, segment))
    return None, NO_VALUES
