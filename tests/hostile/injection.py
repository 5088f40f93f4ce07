"""Texts that mean something to whoever reads them next: a log, a terminal, a head of an answer, a page, a sheet, a printer."""

import json
import re
import time
import zlib
from collections.abc import Mapping
from random import Random
from typing import Final
from urllib.parse import quote

from .people import POOR_MINOR, settle
from .raw import Asker, asked, request
from .target import Target

FORGED: Final = '{"ts":"2026-01-01T00:00:00Z","level":"critical","event":"forged"}'
TEXTS: Final = (
    f"\r\n{FORGED}\r\n",
    f"\n{FORGED}",
    f'"}}\n{FORGED}',
    f"\x85{FORGED}\u2028{FORGED}",
    "\x1b[2J\x1b]0;owned\x07",
    "\x00\x08\x7f",
    "\r\nX-Injected: yes\r\n\r\n<script>alert(1)</script>",
    "\r\n\r\nHTTP/1.1 200 OK\r\nX-Injected: yes\r\n\r\n",
    "\u202egnp.exe",
    "%s%n%x${jndi:ldap://x}{0.__class__}",
    "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
)

HEADS: Final = frozenset(
    [
        "accept",
        "accept-encoding",
        "allow",
        "cache-control",
        "connection",
        "content-disposition",
        "content-length",
        "content-security-policy",
        "content-type",
        "date",
        "etag",
        "idempotency-replayed",
        "location",
        "referrer-policy",
        "retry-after",
        "server",
        "vary",
        "www-authenticate",
        "x-content-type-options",
        "x-frame-options",
        "x-request-id",
        "x-total-count",
    ]
)
"""Every header that an answer may have here."""

SHEETS: Final = re.compile(r"csv|tab-separated|excel|spreadsheet|opendocument", re.IGNORECASE)
"""Media types of files whose cells may begin with `=`, `+`, `-`, `@`, a tab or a carriage return, and be run as formulas."""


def everywhere(target: Target, chance: Random) -> int:
    """Each text in each place: what is logged stays one event a line, what is answered has no header but its own."""
    asker = Asker(target.address)
    since = target.log_size()
    count = 0
    for text in TEXTS:
        escaped = quote(text, safe="")
        # A header cannot have what ends it: what is left is what a client could send.
        inline = re.sub(r"[\r\n\x00]", " ", text)
        headers = dict.fromkeys(
            ("User-Agent", "Referer", "X-Request-Id", "Origin", "X-Forwarded-For", "Idempotency-Key", "Host"), inline
        )
        for path in (
            f"/v1/users/{escaped}",
            f"/v1/wallets/{escaped}/entries",
            f"/{escaped}",
            f"/v1/users?{escaped}={escaped}",
        ):
            count += _harmless(asker, request("GET", path, close=False))
        for name, value in headers.items():
            count += _harmless(asker, request("GET", "/v1/assets/USD", None, {name: value}, close=False))
        count += _harmless(asker, request("POST", "/v1/users", _body(text), close=False))
    asker.close()
    events = target.logged(since)
    assert not [event for event in events if event["event"] == "forged"]
    assert all(isinstance(event.get("status"), int) for event in events if event["event"] == "request")
    return count


def _body(text: str) -> bytes:
    escaped = "".join(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else char for char in text)
    return f'{{"external_id":"{escaped}","name":"{escaped}"}}'.encode("utf-8", "surrogatepass")


def _harmless(asker: Asker, data: bytes) -> int:
    answer = asker.ask(data)
    assert answer.status < 500, answer
    assert answer.headers.keys() <= HEADS, answer
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", answer.headers["x-request-id"]), answer
    assert not any(byte < 32 for byte in answer.head.replace(b"\r\n", b"")), answer
    kind = answer.headers.get("content-type", "")
    assert "html" not in kind, answer
    return 1


def log_lines(target: Target) -> None:
    """Each request is one line, whatever its client calls it."""
    since = target.log_size()
    names = [f"line-{number}" for number in range(len(TEXTS))]
    for name, text in zip(names, TEXTS, strict=True):
        asked(target.address, request("GET", f"/v1/users/{quote(text, safe='')}", None, {"X-Request-Id": name}))
    events = target.await_logged(len(names), since)
    found = [event["request_id"] for event in events if event.get("request_id") in names]
    assert sorted(found) == sorted(names)


def receipts(target: Target, chance: Random) -> int:
    """People whose names are programs: on the receipts these are texts, and no lines, operators, links or scripts of their own."""
    payee = target.wallet(0)
    name = f"receipt-{chance.getrandbits(64):x}"
    ann, bob = settle(target, f"{name}-a", POOR_MINOR, payee), settle(target, f"{name}-b", POOR_MINOR, payee)
    headers = {"Authorization": f"Token {ann.token}"}
    payment = request(
        "POST", "/api/wallet/transfer/", _json({"receiver_id": bob.user_id, "amount": "0.01"}), headers, close=False
    )
    asker = Asker(target.address)
    urls: list[str] = []
    for text in PRINTED:
        renamed = asker.ask(request("PATCH", f"/v1/users/{ann.user_id}", _json({"name": text}), close=False))
        assert renamed.status == 200 or "\r" in text, renamed
        paid = asker.ask(payment)
        assert paid.status == 201, paid
        urls.append(paid.json["receipt_url"])
    for url in urls:
        _check_text(_receipt(asker, f"{url}?format=txt", headers))
        _check_pdf(_receipt(asker, url, headers))
    asker.close()
    return len(PRINTED)


PRINTED: Final = (
    "A\n\nAmount          9999.00 USD",
    "Eve\u202e\u2066 DSU 00.1\u2069",
    ") Tj ET Q endstream endobj /OpenAction (",
    "<script>alert(1)</script> /JavaScript (app.alert)",
    "\\) /URI (http://else.example) \\(",
    "=HYPERLINK(1)\tx",
    "Z" + "\u0301" * 60,
)
_ACTIVE: Final = (
    b"/JavaScript",
    b"/JS",
    b"/Launch",
    b"/OpenAction <<",
    b"/AA",
    b"/EmbeddedFile",
    b"/SubmitForm",
    b"/RichMedia",
    b"/URI",
)


def _json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body).encode()


def _receipt(asker: Asker, path: str, headers: dict[str, str]) -> bytes:
    end = time.monotonic() + 30
    while True:
        answer = asker.ask(request("GET", path, None, headers, close=False))
        if answer.status != 202 or time.monotonic() > end:
            assert answer.status == 200, answer
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert re.fullmatch(r'inline; filename="receipt-[0-9]+\.(pdf|txt)"', answer.headers["content-disposition"])
            return answer.body
        time.sleep(0.05)


def _check_text(receipt: bytes) -> None:
    text = receipt.decode()
    lines = text.split("\n")
    assert len([line for line in lines if line.startswith("Amount ")]) == 1, text
    assert all(char.isprintable() or char in "\n\u2068\u2069" for char in text), text
    assert "\u202e" not in text
    assert "\u2066" not in text


def _check_pdf(receipt: bytes) -> None:
    assert receipt.startswith(b"%PDF-")
    assert receipt.count(b"%%EOF") == 1
    pieces = [receipt]
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", receipt, re.DOTALL):
        try:
            pieces.append(zlib.decompress(stream))
        except zlib.error:
            pieces.append(stream)
    for mark in _ACTIVE:
        assert not any(mark in piece for piece in pieces), mark
    # Letters are drawn by the numbers of their glyphs, so no text of a caller is in a page's program.
    assert not any(b"alert" in piece or b"else.example" in piece for piece in pieces)
