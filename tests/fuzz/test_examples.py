"""The document's examples work: sent as they stand, each is done, or meets what is there already or is not there yet."""

import re
from typing import Any

import requests

from ..http import conformance
from .conftest import Served

MET = {
    "asset_create": 409,
    "digital_wallet_user_create": 409,
    "internal_wallet_user_create": 409,
    "wallet_open": 409,
    "wallet_close": 422,
}
"""Operations that meet what the server was filled with: the asset, the users, the wallet, and money in the one to be closed."""


def sent(served: Served, method: str, path: str, operation: dict[str, Any]) -> requests.Response:
    """The answer to an operation's example."""
    places: dict[str, dict[str, str]] = {"path": {}, "query": {}, "header": {}}
    for parameter in operation.get("parameters", ()):
        if "example" in parameter:
            places[parameter["in"]][parameter["name"]] = str(parameter["example"]).lower()
    url = served.url + re.sub(r"{(\w+)}", lambda name: places["path"].get(name[1], "1"), path)
    body = None
    if "requestBody" in operation:
        (example,) = operation["requestBody"]["content"]["application/json"]["examples"].values()
        body = example["value"]
    headers = places["header"]
    if operation["tags"] == ["Credit transfer"]:
        headers["Authorization"] = f"Token {served.token}"
    return requests.request(method, url, params=places["query"], json=body, headers=headers, timeout=30)


def test_every_example_is_done_or_meets_what_is_there_or_is_not(fresh: Served) -> None:
    done = set()
    operations = [
        (operation["operationId"], method, path, operation)
        for path, methods in conformance.document()["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] not in ("event_stream", "credit_logout")
    ]
    for name, method, path, operation in sorted(operations, key=lambda found: found[0] == "wallet_freeze"):
        answer = sent(fresh, method, path, operation)
        expected = MET.get(name) or (404 if method == "get" and "{" in path else 200)
        assert answer.status_code < 300 or answer.status_code == expected, f"{name}: {answer.status_code} {answer.text}"
        if answer.status_code < 300:
            done.add(name)
    assert len(done) >= len(operations) * 2 // 3
