"""Laws of the server, whatever is asked of it: methods, ids, bounds, cross-origin requests, stopping."""

import asyncio
import json
import re
from typing import Any

import pytest

from walletd.engine.engine import EngineState
from walletd.http.rates import CLIENTS_MAX, RateLimit, client_of

from .conftest import Client, Serve

TRANSFER = {"source": "a", "destination": "b", "amount": 1}


# ------------------------------------------------------------------------------------------------- methods and ids


async def test_head_works_wherever_get_does_and_has_no_body(client: Client) -> None:
    wallet = await client.wallet(amount=5)
    paths = ["/livez", "/version", "/metrics", "/problems/overloaded", "/v1/users", "/v1/users/1", "/v1/assets"]
    paths += ["/v1/assets/USD", "/v1/wallets", f"/v1/wallets/{wallet}", f"/v1/wallets/{wallet}/entries", "/v1/events"]
    paths += ["/v1/transfers/tfr_1", "/v1/transactions/txn_1", "/v1/events/stream"]
    for path in paths:
        answer = await client.send("HEAD", path)
        assert (path, answer.status, answer.body) == (path, 200, b"")


async def test_every_get_route_serves_head(client: Client) -> None:
    for endpoint in client.server.routes.endpoints:
        if endpoint.method == "GET":
            answer = await client.send("HEAD", re.sub(r"\{\w+\}", "none", endpoint.route))
            assert answer.status in (200, 400, 401, 404, 422)
            assert answer.body == b""


async def test_another_method_on_a_known_path_is_405_with_allow(client: Client) -> None:
    for path, allow in [
        ("/v1/users", "GET, HEAD, POST"),
        ("/v1/users/1", "GET, HEAD, PATCH"),
        ("/v1/transfers", "POST"),
        ("/v1/wallets/x/freeze", "POST"),
        ("/livez", "GET, HEAD"),
    ]:
        answer = await client.send("DELETE", path)
        assert (answer.status, answer.headers["Allow"], answer.code) == (405, allow, "method_not_allowed")
        assert "X-Request-Id" in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nope",
        "/v1",
        "/v1/",
        "/v1/users/",
        "/v1//users",
        "/V1/users",
        "/v1/users/1/x",
        "/v1/assets/%ff",
        "/v1/wallets//entries",
    ],
)
async def test_an_unknown_path_is_a_404_problem(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status, answer.code) == (404, "not_found")
    assert answer.headers["X-Request-Id"] == answer.json["request_id"]


@pytest.mark.parametrize("request_id", ["a", "A-b.c_d:9", "x" * 128])
async def test_a_sane_request_id_is_echoed(client: Client, request_id: str) -> None:
    for path in ("/livez", "/nope", "/v1/users?limit=0"):
        assert (await client.get(path, headers={"X-Request-Id": request_id})).headers["X-Request-Id"] == request_id


@pytest.mark.parametrize("request_id", ["x" * 129, "a b", "é", "<script>", ""])
async def test_another_request_id_is_replaced(client: Client, request_id: str) -> None:
    answer = await client.get("/livez", headers={"X-Request-Id": request_id})
    assert re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]+", answer.headers["X-Request-Id"])


async def test_made_request_ids_differ(client: Client) -> None:
    ids = {(await client.get("/livez")).headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


async def test_bytes_that_are_not_http_are_answered_with_a_problem(client: Client) -> None:
    for text in (
        b"NOT HTTP\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
    ):
        head, _, body = (await client.raw(text)).partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
        assert b"x-request-id" in head.lower()
        assert json.loads(body)["code"] == "malformed_request"


async def test_a_path_of_raw_bytes_is_answered(client: Client) -> None:
    answer = await client.raw(b"GET /v1/assets/\xff\xc3\xa9?x=\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.0 400", b"HTTP/1.1 422"))
    assert b"x-request-id" in answer.lower()


async def test_the_absolute_form_of_a_target_is_understood(client: Client) -> None:
    answer = await client.raw(b"GET http://walletd/livez HTTP/1.1\r\nHost: walletd\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")


async def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: n%d\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: n9\r\nConnection: close\r\n\r\n"
    answer = await client.raw(b"".join(one % number for number in range(9)) + last)
    assert re.findall(rb"(?i)x-request-id: n(\d)", answer) == [b"%d" % number for number in range(10)]


# ------------------------------------------------------------------------------------------------------- bodies


async def test_a_body_past_the_bound_is_413(serve: Serve) -> None:
    client = await serve(body_bytes_max=1000)
    answer = await client.post("/v1/transfers", {**TRANSFER, "description": "x" * 1000})
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert "X-Request-Id" in answer.headers


async def test_a_body_announced_past_the_bound_is_413_before_it_is_read(serve: Serve) -> None:
    client = await serve(body_bytes_max=1000)
    head = b"POST /v1/transfers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer = await client.raw(head + b"Content-Length: 100000000\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_chunked_body_past_the_bound_is_413(serve: Serve) -> None:
    client = await serve(body_bytes_max=1000)
    head = b"POST /v1/transfers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await client.raw(head + b"3e8\r\n" + b" " * 1000 + b"\r\n3e8\r\n" + b" " * 1000 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_slow_body_is_408_and_ends_the_connection(serve: Serve) -> None:
    client = await serve(body_timeout_s=0.05)
    head = b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    answer = await client.raw(head)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in answer


@pytest.mark.parametrize("rest", [b"zz\r\n{}\r\n", b"-2\r\n{}\r\n", b"2\r\n{}XX0\r\n\r\n"])
@pytest.mark.parametrize(
    "before",
    [b"", b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"],
)
async def test_chunks_that_break_on_their_way_are_400_at_once(serve: Serve, before: bytes, rest: bytes) -> None:
    client = await serve(body_timeout_s=60.0)
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        before
        + b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    await writer.drain()
    await client.get("/livez")
    writer.write(rest)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    assert answer.count(b"HTTP/1.") == 1 + bool(before)
    assert answer.startswith(b"HTTP/1.1 201") == bool(before)
    assert b"HTTP/1.1 400" in answer
    assert b"malformed_request" in answer
    assert (await client.get(f"/v1/users/{1 + bool(before)}")).status == 404


async def test_what_follows_a_whole_request_does_not_break_it(client: Client) -> None:
    whole = b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(whole)
    await writer.drain()
    await client.get("/livez")
    writer.write(b"{}")
    writer.write(b"garbage\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 201")
    assert answer.count(b"HTTP/1.") == 2


async def test_a_body_in_pieces_is_put_together(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    body = b'{"username":"pieces"}'
    head = b"POST /v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % len(body) + body[:5])
    await writer.drain()
    await client.get("/livez")
    writer.write(body[5:])
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 201")


async def test_a_sender_that_waits_for_100_continue_gets_it(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = b"POST /v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    writer.write(head + b"Expect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert (await reader.read()).startswith(b"HTTP/1.1 201")
    writer.close()


async def test_another_expectation_is_417(client: Client) -> None:
    head = b"POST /v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    assert (await client.raw(head + b"Expect: wonders\r\n\r\n")).startswith(b"HTTP/1.1 417")


async def test_a_header_that_never_ends_is_cut_off(serve: Serve) -> None:
    client = await serve(header_timeout_s=0.1)
    assert await client.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\n") == b""


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "", "application/jsonx"],
)
async def test_another_content_type_is_415(client: Client, content_type: str) -> None:
    answer = await client.post("/v1/users", data=b"{}", headers={"Content-Type": content_type})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
async def test_json_in_utf_8_is_taken(client: Client, content_type: str) -> None:
    assert (await client.post("/v1/users", data=b"{}", headers={"Content-Type": content_type})).status == 201


async def test_a_compressed_body_is_415(client: Client) -> None:
    answer = await client.post("/v1/users", data=b"{}", headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "identity")


async def test_a_client_that_leaves_does_not_undo_its_operation(client: Client) -> None:
    source, target = await client.wallet(amount=10), await client.wallet()
    body = json.dumps({"source": source, "destination": target, "amount": 10}).encode()
    _, writer = await asyncio.open_connection(client.host, client.port)
    head = b"POST /v1/transfers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % len(body) + body)
    await writer.drain()
    writer.close()
    if client.engine.ledger.wallet(target).posted == 0:
        await client.engine.beyond(client.engine.ledger.seq)
    assert await client.posted(target) == 10


# ------------------------------------------------------------------------------------------------------- bounds


async def test_a_client_past_its_rate_is_429_with_retry_after(serve: Serve) -> None:
    now = 0.0
    client = await serve(rate_limit_per_s=0.5, rate_burst=2, clock=lambda: now)
    assert [(await client.get("/v1/users")).status for _ in range(3)] == [200, 200, 429]
    answer = await client.get("/v1/users")
    assert (answer.code, answer.headers["Retry-After"]) == ("rate_limited", "2")
    assert (await client.get("/readyz")).status == 200
    now = 2.0
    assert (await client.get("/v1/users")).status == 200


def test_the_table_of_clients_is_bounded() -> None:
    rates = RateLimit(1.0, 1, lambda: 0.0)
    for number in range(CLIENTS_MAX + 10):
        rates.wait_s(str(number))
    assert len(rates) == CLIENTS_MAX


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_a_client_is_an_address_or_the_network_of_a_subscriber(first: str, second: str, same: bool) -> None:
    assert (client_of(first) == client_of(second)) is same


# --------------------------------------------------------------------------------------------------------- CORS


async def test_without_origins_there_is_no_cors(client: Client) -> None:
    answer = await client.get("/v1/users", headers={"Origin": "https://a.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    assert (await client.send("OPTIONS", "/v1/users", headers=preflight)).status == 405


async def test_configured_origins_alone_are_allowed(serve: Serve) -> None:
    client = await serve(cors_origins=("https://a.example",))
    for path in ("/v1/users", "/nope", "/v1/users?limit=0"):
        allowed = await client.get(path, headers={"Origin": "https://a.example"})
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert "X-Request-Id" in allowed.headers["Access-Control-Expose-Headers"]
        assert allowed.headers["Vary"] == "Origin"
        refused = await client.get(path, headers={"Origin": "https://b.example"})
        assert "Access-Control-Allow-Origin" not in refused.headers
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    answer = await client.send("OPTIONS", "/v1/users", headers=preflight)
    assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (204, "GET, HEAD, POST")
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"


# ------------------------------------------------------------------------------------------- probes and stopping


async def test_a_running_server_is_alive_ready_and_healthy(client: Client) -> None:
    assert (await client.get("/livez")).json == {"status": "alive"}
    assert (await client.get("/readyz")).json == {"status": "ready"}
    health = (await client.get("/health")).json
    assert (health["status"], health["version"]) == ("healthy", "1.2.3")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", health["timestamp"])
    assert (await client.get("/version")).json == {"name": "walletd", "version": "1.2.3"}


@pytest.mark.parametrize("state", [EngineState.READ_ONLY, EngineState.STOPPING, EngineState.FAILED])
async def test_a_server_that_takes_no_writes_is_neither_ready_nor_healthy(client: Client, state: EngineState) -> None:
    client.engine.state = state
    for path, status in (("/readyz", "not_ready"), ("/health", "unhealthy")):
        answer = await client.get(path)
        assert (answer.status, answer.json["status"], answer.json["reason"]) == (503, status, str(state))
    assert (await client.get("/livez")).status == 200
    client.engine.state = EngineState.RUNNING


async def test_a_full_journal_answers_503_and_reads_go_on(serve: Serve) -> None:
    client = await serve(rows_max=1)
    await client.asset()
    answer = await client.post("/v1/users", {})
    assert (answer.status, answer.code) == (503, "read_only")
    assert "Retry-After" in answer.headers
    assert (await client.get("/v1/assets/USD")).status == 200
    assert (await client.get("/readyz")).status == 503


async def test_metrics_count_operations_by_outcome_without_ids(client: Client) -> None:
    wallet = await client.wallet(amount=5)
    await client.transfer(wallet, wallet, 1)
    await client.get("/nope")
    text = (await client.get("/metrics")).body.decode()
    assert 'walletd_operations_total{operation="transfer_create",outcome="succeeded"} 1.0' in text
    assert 'walletd_operations_total{operation="transfer_create",outcome="same_wallet"} 1.0' in text
    assert 'walletd_operations_total{operation="none",outcome="not_found"} 1.0' in text
    assert 'walletd_operation_duration_seconds_count{operation="transfer_create"} 2.0' in text
    assert 'walletd_build_info{version="1.2.3"} 1.0' in text
    for name in (
        "journal_flush_seconds_count",
        "fold_lag_records",
        "in_flight",
        "mailbox_depth_peak",
        "invariant_violations_total",
    ):
        assert f"walletd_{name}" in text
    assert wallet not in text


async def test_a_stopping_server_answers_what_is_in_flight_and_refuses_the_rest(client: Client) -> None:
    entered, release = asyncio.Event(), asyncio.Event()
    transaction = client.engine.transaction

    async def slow(number: int) -> Any:
        entered.set()
        await release.wait()
        return await transaction(number)

    client.engine.transaction = slow  # type: ignore[method-assign]
    await client.wallet(amount=5)
    in_flight = asyncio.create_task(client.get("/v1/transactions/txn_1"))
    await entered.wait()
    stopping = asyncio.create_task(client.server.stop())
    ready = await client.get("/readyz")
    assert ready.status == 503
    assert ready.json["reason"] == "stopping"
    refused = await client.get("/v1/users")
    assert (refused.status, refused.code) == (503, "stopping")
    assert "Retry-After" in refused.headers
    assert not stopping.done()
    release.set()
    assert (await in_flight).status == 200
    await stopping
    with pytest.raises(OSError):
        await asyncio.open_connection(client.host, client.port)
    await client.server.stop()


async def test_a_request_is_logged_only_when_asked_for(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    quiet, loud = await serve(), await serve(log_requests=True)
    with caplog.at_level("INFO", "walletd.http"):
        await quiet.get("/livez")
        assert caplog.messages == []
        await loud.get("/v1/users/7", headers={"X-Request-Id": "logged"})
    (line,) = (vars(record) for record in caplog.records)
    assert (line["message"], line["request_id"], line["status"], line["operation"]) == (
        "request",
        "logged",
        404,
        "user_get",
    )
