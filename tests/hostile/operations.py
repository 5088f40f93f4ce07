"""Every operation of every API, read from the routes and the document, and how to send one that names a given person.

Nothing here lists routes. A route whose path or body names something by a name that is not known here cannot be sent, and the tests that send all of them fail.
"""

import copy
import json
from typing import Any, Final

import msgspec

from walletd.http.routes import Endpoint
from walletd.http.server import all_routes

from ..http import conformance
from .people import Person
from .raw import request

UUID_NOBODY_HAS: Final = "00000000-0000-4000-8000-00000000dead"

_SEGMENTS: Final = {
    "/v1/users/{id}": "user_id",
    "/v1/wallets/{id}": "wallet",
    "/v1/transfers/{id}": "transfer",
    "/v1/transactions/{id}": "transaction",
    "/v1/assets/{code}": "=USD",
    "/problems/{code}": "=overloaded",
    "/users/{user_id}": "user_id",
    "/wallet/{user_id}": "user_id",
    "/wallet/{id}": "wallet",
    "/transactions/{user_id}": "user_id",
    "/transactions/detail/{transaction_id}": "entry",
    "/transfer/{transfer_id}": "transfer_number",
    "/api/wallet/receipts/{transaction_id}": "entry",
    "/api/v1/wallets/users/{external_user_id}": "user_id",
    "/api/v1/wallets/{user_id}": "user_id",
    "/api/v1/transactions/{transaction_id}": "transaction",
    "/api/v1/users/{user_id}": "user_id",
    "/docs/{file}": "=docs.css",
    "/redoc/{file}": "=redoc.js",
}
"""What of a person a variable segment names, by the path up to it; `=` is a text of its own."""

_PAYERS: Final = {
    "source": "wallet",
    "wallet_id": "wallet",
    "walletId": "wallet",
    "fromWalletId": "wallet",
    "sender_user_id": "user_id",
    "user_id": "user_id",
    "userId": "user_id",
}
"""Members of a body that name whom it is about, or who pays."""
_PAYEES: Final = {
    "destination": "wallet",
    "toWalletId": "wallet",
    "recipient_user_id": "user_id",
    "receiver_id": "user_id",
}
"""Members that name who is paid."""
_ASSETS: Final = {"asset_type": "USD", "asset_type_id": 840}
"""Members that name what is paid, which is what everybody has."""
_OTHERS: Final = frozenset(
    [
        "aliases",
        "amount",
        "asset",
        "atomic",
        "category",
        "code",
        "credits",
        "current_password",
        "debits",
        "description",
        "email",
        "external_id",
        "id",
        "idempotency_key",
        "legs",
        "max_amount",
        "metadata",
        "min_amount",
        "name",
        "password",
        "phone_number",
        "reason",
        "reference",
        "scale",
        "transaction_type",
        "transferable",
        "transfers",
        "active",
        "username",
    ]
)
"""Members that name nobody who is there already."""


class Operation(msgspec.Struct, frozen=True):
    """One endpoint at one spelling of its path."""

    endpoint: Endpoint
    route: str

    @property
    def name(self) -> str:
        return self.endpoint.operation

    @property
    def takes_body(self) -> bool:
        return self.endpoint.contract is not None and self.endpoint.contract.takes is not None

    def path(self, person: Person) -> str:
        """The path that names this person, with the query that the operation cannot do without."""
        given = self.route.split("/")
        parts = [
            _named(_SEGMENTS["/".join(given[: place + 1])], person) if part[:1] == "{" else part
            for place, part in enumerate(given)
        ]
        query = "&".join(
            f"{parameter.name}={840 if parameter.name == 'asset_type_id' else parameter.example}"
            for parameter in (self.endpoint.contract.parameters if self.endpoint.contract else ())
            if parameter.place == "query" and parameter.required
        )
        return "/".join(parts) + (f"?{query}" if query else "")

    def body(self, payer: Person, payee: Person) -> dict[str, Any] | None:
        """The document's example of the body, with these two in it; None where it takes none."""
        if not self.takes_body:
            return None
        content = _documented()[self.name]["requestBody"]["content"]["application/json"]
        (example,) = content["examples"].values()
        body: dict[str, Any] = _with(copy.deepcopy(example["value"]), payer, payee)
        return body

    def bytes(
        self, about: Person, payee: Person, authorization: str, body: dict[str, Any] | None = None, method: str = ""
    ) -> bytes:
        """The whole request."""
        sent = self.body(about, payee) if body is None else body
        headers = {"Authorization": authorization} if authorization else {}
        raw = None if sent is None else json.dumps(sent).encode()
        return request(method or self.endpoint.method, self.path(about), raw, headers)


def every() -> list[Operation]:
    """All operations at all spellings of their paths, but the stream, which lasts until its client leaves."""
    routes = all_routes()
    found: list[Operation] = []
    for endpoint in routes.endpoints:
        if endpoint.stream:
            continue
        other = endpoint.route[:-1] if endpoint.route.endswith("/") else f"{endpoint.route}/"
        resource, _ = routes.resolve(other)
        also = resource is not None and resource.endpoints.get(endpoint.method) is endpoint
        found += [Operation(endpoint, route) for route in (endpoint.route, *([other] if also else []))]
    return found


def _documented() -> dict[str, Any]:
    paths = conformance.document()["paths"].values()
    return {operation["operationId"]: operation for methods in paths for operation in methods.values()}


def _named(what: str, person: Person) -> str:
    return what[1:] if what[:1] == "=" else str(getattr(person, what))


def _with(value: Any, payer: Person, payee: Person) -> Any:
    """The value with the two people in the places of those of the example; of legs, the first is the payer's and the rest are the payee's."""
    if not isinstance(value, dict):
        return value
    for name, inner in list(value.items()):
        if name == "legs":
            for number, leg in enumerate(inner):
                leg["wallet_id"] = (payee if number else payer).wallet
                leg["amount"] = "1" if number else str(1 - len(inner))
        elif name == "transfers":
            value[name] = [_with(item, payer, payee) for item in inner]
        elif name in _PAYERS:
            found = getattr(payer, _PAYERS[name])
            value[name] = str(found) if isinstance(inner, str) else found
        elif name in _PAYEES:
            value[name] = getattr(payee, _PAYEES[name])
        elif name in _ASSETS:
            value[name] = _ASSETS[name]
        elif name == "amount":
            value[name] = "1" if isinstance(inner, str) and inner.isdigit() else inner
        else:
            assert name in _OTHERS, f"nothing is known of the member {name}: say here whom it names"
    return value
