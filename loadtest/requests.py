"""Requests as bytes, encoded before anything is measured."""

from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

_PORT_DEFAULT: Final = 80


class Address(NamedTuple):
    """Where a service listens."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """As in a URL or a Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(url: str) -> Address:
    """The address of a base URL such as http://127.0.0.1:8000. Raises ValueError for anything but plain HTTP without a path."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError(f"{url!r} must be a base URL such as http://127.0.0.1:8000")
    return Address(parts.hostname, parts.port or _PORT_DEFAULT)


def get(address: Address, path: str) -> bytes:
    """A GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {address.authority}\r\n\r\n".encode()


def post(address: Address, path: str, body: Any, key: str | None = None) -> bytes:
    """A POST of JSON, with an idempotency key if one is given."""
    content = msgspec.json.encode(body)
    keyed = f"Idempotency-Key: {key}\r\n" if key is not None else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.authority}\r\n{keyed}"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def with_key(request: bytes, key: str) -> bytes:
    """A POST that was encoded without a key, with this one."""
    at = request.index(b"\r\nContent-Type: ") + 2
    return b"%b%b%b%b%b" % (request[:at], b"Idempotency-Key: ", key.encode(), b"\r\n", request[at:])
