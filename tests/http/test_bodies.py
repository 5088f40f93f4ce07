"""Laws of bodies: hostile or merely wrong, they are refused with the bad members named."""

import json
from typing import Any

import pytest

from .conftest import Client

NOT_JSON = [
    b"",
    b"   ",
    b"{",
    b"nope",
    b"{} {}",
    b"\xef\xbb\xbf{}",
    b'{"description":"\xff"}',
    b'{"\xff":1}',
    b'{"description":"\xed\xa0\x80"}',
    b'{"description":"\\ud800"}',
    b'{"amount":NaN}',
    b'{"amount":Infinity}',
    b'{"amount":+1}',
    b'{"amount":01}',
    b'{"amount":1.}',
    b'{"description":"a\nb"}',
    b'{"metadata":' + b"[" * 100_000 + b"}",
    b'{"metadata":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    b"[" * 100_000,
    b'{"source":1,"amount":',
]


@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize(
    "path", ["/v1/transfers", "/v1/transactions", "/v1/transfers/batch", "/v1/users", "/v1/assets", "/v1/wallets"]
)
async def test_what_is_not_json_is_400(client: Client, path: str, body: bytes) -> None:
    answer = await client.post(path, data=body)
    assert (answer.status, answer.code) == (400, "body_not_json")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null", b"true"])
async def test_json_that_is_no_object_is_422(client: Client, body: bytes) -> None:
    answer = await client.post("/v1/transfers", data=body)
    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_request", [""])


async def test_all_bad_members_are_named_at_once(client: Client) -> None:
    body = {"source": 5, "amount": "1.5", "description": "x" * 501, "category": "", "metadata": [], "a/b~c": 1}
    answer = await client.post("/v1/transfers", body)
    assert answer.status == 422
    assert answer.pointers == [
        "/source",
        "/destination",
        "/amount",
        "/description",
        "/category",
        "/metadata",
        "/a~1b~0c",
    ]


async def test_bad_members_of_nested_objects_have_their_pointers(client: Client) -> None:
    legs: list[Any] = [{"wallet_id": 1, "amount": 0}, {"amount": 1.5, "x": 1}, 7]
    assert (await client.post("/v1/transactions", {"legs": legs})).pointers == [
        "/legs/0/wallet_id",
        "/legs/0/amount",
        "/legs/1/wallet_id",
        "/legs/1/amount",
        "/legs/1/x",
        "/legs/2",
    ]
    assert (await client.post("/v1/transactions", {"legs": []})).pointers == ["/legs"]
    assert (await client.post("/v1/transactions", {"legs": "x"})).pointers == ["/legs"]
    batch = {"transfers": [{"source": "a", "destination": "b"}], "atomic": 1}
    assert (await client.post("/v1/transfers/batch", batch)).pointers == ["/transfers/0/amount", "/atomic"]


AMOUNTS = [
    "10.0",
    "1e2",
    '"1e2"',
    '"1_000"',
    '"+1"',
    '" 1"',
    "true",
    "null",
    "[]",
    "{}",
    '"NaN"',
    '"١٢"',
    '"9' + "9" * 80 + '"',
    "9" * 4000,
]


@pytest.mark.parametrize("amount", AMOUNTS, ids=lambda amount: amount[:8])
async def test_an_amount_of_another_form_is_422(client: Client, amount: str) -> None:
    body = f'{{"source":"a","destination":"b","amount":{amount}}}'.encode()
    answer = await client.post("/v1/transfers", data=body)
    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_request", ["/amount"])


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", "amount_not_positive"),
        ("-5", "amount_not_positive"),
        ('"-5"', "amount_not_positive"),
        (str(2**63), "amount_above_maximum"),
    ],
)
async def test_an_amount_out_of_bounds_has_its_own_code(client: Client, amount: str, code: str) -> None:
    body = f'{{"source":"a","destination":"b","amount":{amount}}}'.encode()
    answer = await client.post("/v1/transfers", data=body)
    assert (answer.status, answer.code, answer.pointers) == (422, code, ["/amount"])


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x1f", "\x7f", "\x85", "\r"])
async def test_control_characters_are_refused_in_every_text(client: Client, character: str) -> None:
    transfer = {"source": "a", "destination": "b", "amount": 1}
    for name in ("description", "category", "reference"):
        answer = await client.post("/v1/transfers", {**transfer, name: f"a{character}b"})
        assert (answer.status, answer.pointers) == (422, [f"/{name}"])
    for metadata in ({"a": character}, {character: 1}, {"a": [{"b": character}]}):
        answer = await client.post("/v1/transfers", {**transfer, "metadata": metadata})
        assert (answer.status, answer.pointers) == (422, ["/metadata"])
    assert (await client.post("/v1/users", {"name": f"a{character}"})).pointers == ["/name"]


async def test_line_feeds_tabs_and_all_of_unicode_are_kept(client: Client) -> None:
    wallet, treasury = await client.wallet(), await client.treasury()
    text = "a\n\tb é 日本 👩‍👩‍👧 \u200d \u2028"
    answer = await client.transfer(treasury, wallet, 1, description=text, metadata={text: [text, 1.5, None, True, {}]})
    assert answer.status == 201
    read = (await client.get(answer.headers["Location"])).json
    assert (read["description"], read["metadata"]) == (text, {text: [text, 1.5, None, True, {}]})


async def test_metadata_has_bounds(client: Client) -> None:
    transfer = {"source": "a", "destination": "b", "amount": 1}
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    for metadata in ({"a": "x" * 8192}, {"a": deep}):
        answer = await client.post("/v1/transfers", {**transfer, "metadata": metadata})
        assert (answer.status, answer.pointers) == (422, ["/metadata"])


async def test_of_a_member_given_twice_the_last_counts(client: Client) -> None:
    answer = await client.post("/v1/users", data=b'{"name":"first","name":"last"}')
    assert answer.json["name"] == "last"


async def test_huge_integers_and_exponents_are_refused_where_ids_are_meant(client: Client) -> None:
    for text in ("1" * 30, "1e3", "1.0", "0", "-1", '"1"'):
        answer = await client.post("/v1/wallets", data=f'{{"user_id":{text},"asset":"USD"}}'.encode())
        assert (answer.status, answer.pointers) == (422, ["/user_id"])


async def test_many_bad_members_are_named_up_to_a_bound(client: Client) -> None:
    body = json.dumps({f"m{number}": 1 for number in range(500)}).encode()
    answer = await client.post("/v1/users", data=body)
    assert answer.status == 422
    assert len(answer.pointers) == 100


@pytest.mark.parametrize("items", [10_001, 200_000])
async def test_a_list_that_is_too_long_is_not_looked_into(client: Client, items: int) -> None:
    body = b'{"transfers":[' + b",".join([b"{}"] * items) + b"]}"
    answer = await client.post("/v1/transfers/batch", data=body)
    assert (answer.status, answer.pointers) == (422, ["/transfers"])


async def test_bad_items_of_a_list_are_named_up_to_a_bound(client: Client) -> None:
    good = b'{"source":"a","destination":"b","amount":1}'
    for items, first in (
        ([b"{}"] * 10_000, "/transfers/0/source"),
        ([good] * 9_999 + [b"{}"], "/transfers/9999/source"),
    ):
        answer = await client.post("/v1/transfers/batch", data=b'{"transfers":[' + b",".join(items) + b"]}")
        assert (answer.status, answer.pointers[0]) == (422, first)
        assert len(answer.pointers) <= 100


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
async def test_bytes_that_are_no_utf8_inside_an_amount_are_400(client: Client, key: dict[str, str]) -> None:
    body = b'{"transfers":[{"source":"a","destination":"b","amount":"\xff"}]}'
    answer = await client.post("/v1/transfers/batch", data=body, headers=key)
    assert (answer.status, answer.code) == (400, "body_not_json")
