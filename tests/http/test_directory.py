"""Laws of users, assets and wallets in the native API."""

from typing import Any

import pytest

from .conftest import Client

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_user_is_made_read_and_listed(client: Client) -> None:
    body = {"external_id": "u-1", "username": "ann", "email": "ann@example.com", "phone_number": "+123", "name": "Ann"}
    made = await client.post("/v1/users", body)
    assert (made.status, made.headers["Location"]) == (201, "/v1/users/1")
    assert made.json.items() >= {"id": 1, **body}.items()
    read = await client.get(made.headers["Location"])
    assert (read.status, read.body, read.headers["Cache-Control"]) == (200, made.body, "no-store")
    assert (await client.get("/v1/users")).json == {"data": [made.json], "next": None}


async def test_a_user_needs_nothing(client: Client) -> None:
    assert (await client.user())["id"] == 1
    assert (await client.user())["id"] == 2


@pytest.mark.parametrize("password", ["seven 7", "x" * 129, 12345678])
async def test_a_password_has_8_to_128_characters_and_is_not_repeated(client: Client, password: object) -> None:
    answer = await client.post("/v1/users", {"username": "ann", "password": password})
    assert (answer.status, answer.pointers) == (422, ["/password"])
    assert str(password).encode() not in answer.body
    assert (await client.get("/v1/users")).json["data"] == []


@pytest.mark.parametrize("body", [{"external_id": "x"}, {"username": "x"}, {"email": "x@example.com"}])
async def test_a_name_that_is_taken_is_409(client: Client, body: dict[str, str]) -> None:
    await client.user(**body)
    answer = await client.post("/v1/users", body)
    assert (answer.status, answer.code) == (409, "user_exists")


BAD_USERS: list[dict[str, Any]] = [
    {"username": ""},
    {"username": "x" * 51},
    {"username": " x"},
    {"email": "nobody"},
    {"email": "a@b c"},
    {"email": "a@b@c"},
    {"email": "a@" + "b" * 99},
    {"phone_number": "1" * 16},
    {"phone_number": "call me"},
    {"external_id": ""},
    {"external_id": "a b"},
    {"external_id": "x" * 65},
    {"name": ""},
    {"username": 5},
    {"id": 5},
]


@pytest.mark.parametrize("body", BAD_USERS, ids=str)
async def test_a_bad_member_of_a_user_is_named(client: Client, body: dict[str, Any]) -> None:
    answer = await client.post("/v1/users", body)
    assert (answer.status, answer.pointers) == (422, [f"/{name}" for name in body])


async def test_a_user_is_changed_member_by_member(client: Client) -> None:
    await client.user(username="ann", email="ann@example.com", name="Ann")
    answer = await client.send("PATCH", "/v1/users/1", {"username": "anna", "name": None})
    assert answer.status == 200
    assert answer.json.items() >= {"username": "anna", "email": "ann@example.com", "name": None}.items()
    assert (await client.get("/v1/users/1")).body == answer.body
    assert (await client.send("PATCH", "/v1/users/1", {})).body == answer.body
    assert (await client.send("PATCH", "/v1/users/1", {"external_id": "x"})).pointers == ["/external_id"]
    await client.user(username="bob")
    assert (await client.send("PATCH", "/v1/users/1", {"username": "bob"})).status == 409
    assert (await client.send("PATCH", "/v1/users/9", {"name": "x"})).status == 404


@pytest.mark.parametrize("id_", ["0", "2", "01", "-1", "1.0", "x", "１", "9" * 30, "%31%00"])
async def test_an_id_that_no_user_has_is_404(client: Client, id_: str) -> None:
    await client.user()
    answer = await client.get(f"/v1/users/{id_}")
    assert (answer.status, answer.code) == (404, "user_not_found")


async def test_an_asset_is_made_read_and_listed(client: Client) -> None:
    body = {
        "code": "GOLD",
        "id": 1,
        "name": "Gold Coins",
        "aliases": ["GOLD_COINS"],
        "scale": 3,
        "transferable": False,
        "min_amount": "5",
        "max_amount": 500,
    }
    made = await client.post("/v1/assets", body)
    assert (made.status, made.headers["Location"]) == (201, "/v1/assets/GOLD")
    assert made.json.items() >= {**body, "max_amount": "500", "active": True}.items()
    for name in ("GOLD", "GOLD_COINS"):
        assert (await client.get(f"/v1/assets/{name}")).body == made.body
    treasury = (await client.get(f"/v1/wallets/{made.json['treasury_wallet_id']}")).json
    assert (treasury["user_id"], treasury["external_user_id"], treasury["asset"]) == (None, None, "GOLD")
    assert [asset["code"] for asset in (await client.get("/v1/assets")).json["data"]] == ["USD", "GOLD"]


async def test_an_iso_code_takes_its_number_and_minor_unit(client: Client) -> None:
    for code, number, scale in (("JPY", 392, 0), ("KWD", 414, 3), ("EUR", 978, 2)):
        made = await client.asset(code)
        assert (made["id"], made["scale"]) == (number, scale)
    assert (await client.asset("XAU", scale=4))["scale"] == 4


CONTRADICTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"code": "CHF", "id": 1}, ["/id"]),
    ({"code": "CHF", "scale": 3}, ["/scale"]),
    ({"code": "CHF", "id": 1, "scale": 0}, ["/id", "/scale"]),
    ({"code": "chf"}, ["/code"]),
    ({"code": "MINE", "id": 756}, ["/id"]),
    ({"code": "MINE", "aliases": ["CHF"]}, ["/aliases/0"]),
    ({"code": "XAU"}, ["/scale"]),
    ({"code": ""}, ["/code"]),
    ({"code": "a/b"}, ["/code"]),
    ({"code": "x" * 33}, ["/code"]),
    ({"code": "MINE", "scale": 19}, ["/scale"]),
    ({"code": "MINE", "id": 0}, ["/id"]),
    ({"code": "MINE", "min_amount": "1.5"}, ["/min_amount"]),
    ({"code": "MINE", "max_amount": 0}, ["/max_amount"]),
]


@pytest.mark.parametrize(("body", "pointers"), CONTRADICTIONS, ids=str)
async def test_an_asset_that_contradicts_the_standard_or_itself_is_422(
    client: Client, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = await client.post("/v1/assets", body)
    assert (answer.status, answer.pointers) == (422, pointers)


async def test_an_asset_that_exists_is_409_and_an_unknown_one_404(client: Client) -> None:
    answer = await client.post("/v1/assets", {"code": "USD"})
    assert (answer.status, answer.code) == (409, "asset_exists")
    for name in ("NONE", "usd", "%00", "x" * 500):
        answer = await client.get(f"/v1/assets/{name}")
        assert (answer.status, answer.code) == (404, "asset_not_found")


async def test_a_wallet_is_opened_once_for_a_user_and_an_asset(client: Client) -> None:
    await client.user(external_id="ext-1")
    made = await client.post("/v1/wallets", {"user_id": 1, "asset": "USD"})
    assert (made.status, made.headers["Location"]) == (201, f"/v1/wallets/{made.json['id']}")
    wallet = made.json
    assert wallet.pop("created_at") == wallet.pop("updated_at")
    assert wallet == {
        "id": wallet["id"],
        "user_id": 1,
        "external_user_id": "ext-1",
        "asset": "USD",
        "scale": 2,
        "posted": "0",
        "held": "0",
        "available": "0",
        "version": 0,
        "status": "active",
    }
    for id_ in (wallet["id"], wallet["id"].upper()):
        assert (await client.get(f"/v1/wallets/{id_}")).body == made.body
    again = await client.post("/v1/wallets", {"user_id": 1, "asset": "USD"})
    assert (again.status, again.code) == (409, "wallet_exists")
    assert (await client.post("/v1/wallets", {"user_id": 9, "asset": "USD"})).code == "user_not_found"
    assert (await client.post("/v1/wallets", {"user_id": 1, "asset": "NONE"})).code == "asset_not_found"


async def test_wallets_are_filtered(client: Client) -> None:
    await client.asset("GOLD")
    first, second, gold = await client.wallet(), await client.wallet(), await client.wallet("GOLD")
    await client.post(f"/v1/wallets/{second}/freeze", {"reason": "why"})

    async def ids(query: str) -> list[str]:
        answer = await client.get(f"/v1/wallets?{query}")
        assert answer.status == 200
        return [wallet["id"] for wallet in answer.json["data"]]

    assert await ids("user_id=1") == [first]
    assert await ids("asset=GOLD") == [await client.treasury("GOLD"), gold]
    assert await ids("status=frozen") == [second]
    assert await ids("status=active&asset=USD") == [await client.treasury(), first]
    assert await ids("status=closed") == []


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("user_id=9", 404, "user_not_found"),
        ("user_id=0", 404, "user_not_found"),
        ("asset=NONE", 404, "asset_not_found"),
        ("user_id=x", 422, "/user_id"),
        ("status=open", 422, "/status"),
        ("colour=red", 422, "/colour"),
        ("limit=0", 422, "/limit"),
        ("limit=101", 422, "/limit"),
        ("limit=x", 422, "/limit"),
        ("limit=", 422, "/limit"),
        ("limit=%2B5", 422, "/limit"),
        ("limit=1&limit=2", 422, "/limit"),
        ("cursor=", 422, "/cursor"),
        ("cursor=%F0%9F%98%80", 422, "/cursor"),
        ("cursor=AAAA", 422, "/cursor"),
        ("cursor=" + "A" * 500, 422, "/cursor"),
        ("status=%00", 422, "/status"),
        ("asset=%ed%a0%80", 404, "asset_not_found"),
    ],
)
async def test_a_bad_parameter_of_a_list_is_refused(client: Client, query: str, status: int, detail: str) -> None:
    answer = await client.get(f"/v1/wallets?{query}")
    assert answer.status == status
    assert detail in (answer.code, *answer.pointers)


@pytest.mark.parametrize(
    "path", ["/v1/users/1", "/v1/assets/USD", "/v1/transfers/tfr_1", "/v1/wallets/x/entries", "/v1/events"]
)
async def test_an_unknown_parameter_is_refused_everywhere(client: Client, path: str) -> None:
    await client.wallet(amount=1)
    path = path.replace("x", await client.treasury())
    answer = await client.get(f"{path}?dry-run=true")
    assert (answer.status, answer.pointers) == (422, ["/dry-run"])


async def test_a_wallet_is_frozen_unfrozen_and_closed(client: Client) -> None:
    wallet, treasury = await client.wallet(amount=10), await client.treasury()
    answer = await client.post(f"/v1/wallets/{wallet}/freeze", {"reason": "under review"})
    assert (answer.status, answer.json["status"]) == (200, "frozen")
    refused = await client.transfer(wallet, treasury, 1)
    assert (refused.status, refused.code) == (422, "wallet_frozen")
    assert (await client.transfer(treasury, wallet, 1)).status == 201
    await client.post(f"/v1/wallets/{wallet}/freeze", {"reason": "more", "debits": False, "credits": True})
    assert (await client.transfer(treasury, wallet, 1)).code == "wallet_frozen"
    assert (await client.transfer(wallet, treasury, 1)).status == 201
    assert (await client.post(f"/v1/wallets/{wallet}/unfreeze")).json["status"] == "active"
    assert (await client.post(f"/v1/wallets/{wallet}/close", {})).code == "wallet_not_empty"
    await client.transfer(wallet, treasury, 10)
    assert (await client.post(f"/v1/wallets/{wallet}/close")).json["status"] == "closed"
    assert (await client.transfer(treasury, wallet, 1)).code == "wallet_closed"


async def test_what_cannot_be_frozen_or_closed_is_refused(client: Client) -> None:
    wallet, treasury = await client.wallet(), await client.treasury()
    assert (await client.post(f"/v1/wallets/{treasury}/close")).code == "wallet_is_treasury"
    assert (await client.post(f"/v1/wallets/{UNKNOWN}/close")).code == "wallet_not_found"
    assert (await client.post(f"/v1/wallets/{wallet}/freeze", {})).pointers == ["/reason"]
    nothing = {"reason": "x", "debits": False}
    assert (await client.post(f"/v1/wallets/{wallet}/freeze", nothing)).pointers == ["/debits"]
    assert (await client.post(f"/v1/wallets/{wallet}/close", {"x": 1})).pointers == ["/x"]
    assert (
        await client.post(f"/v1/wallets/{wallet}/close", data=b"x", headers={"Content-Type": "text/plain"})
    ).status == 415


# ----------------------------------------------------------------------------------------------------- dry runs


async def test_a_dry_run_answers_200_and_changes_nothing(client: Client) -> None:
    wallet = await client.wallet()
    before = client.engine.ledger.seq
    writes = [
        ("POST", "/v1/users", {"username": "x"}, "username", "x"),
        ("POST", "/v1/assets", {"code": "GOLD"}, "code", "GOLD"),
        ("PATCH", "/v1/users/1", {"name": "x"}, "name", "x"),
        ("POST", f"/v1/wallets/{wallet}/freeze", {"reason": "x"}, "status", "frozen"),
        ("POST", f"/v1/wallets/{wallet}/close", {}, "status", "closed"),
    ]
    for method, path, body, member, value in writes:
        answer = await client.send(method, f"{path}?dry_run=true", body)
        assert (path, answer.status, answer.json[member]) == (path, 200, value)
        assert "Location" not in answer.headers
    assert client.engine.ledger.seq == before
    assert (await client.get(f"/v1/wallets/{wallet}")).json["status"] == "active"
    assert (await client.post("/v1/users?dry_run=false", {})).status == 201


async def test_a_dry_run_gives_no_id_that_another_may_get(client: Client) -> None:
    await client.user()
    assert (await client.post("/v1/users?dry_run=true", {})).json["id"] is None
    assert (await client.post("/v1/wallets?dry_run=true", {"user_id": 1, "asset": "USD"})).json["id"] is None
    assert (await client.post("/v1/assets?dry_run=true", {"code": "GOLD"})).json["treasury_wallet_id"] is None


async def test_a_dry_run_is_refused_like_the_write(client: Client) -> None:
    assert (await client.post("/v1/assets?dry_run=true", {"code": "USD"})).status == 409
    for value in ("1", "True", "", "yes"):
        answer = await client.post(f"/v1/users?dry_run={value}", {})
        assert (answer.status, answer.pointers) == (422, ["/dry_run"])
    assert (await client.get("/v1/users")).json["data"] == []


# -------------------------------------------------------------------------------------------------------- lists


async def test_a_walk_has_no_gaps_and_no_repeats_while_rows_arrive(client: Client) -> None:
    for _ in range(7):
        await client.user()
    for path, add in (("/v1/users", client.user), ("/v1/wallets", client.wallet)):
        expected = [row["id"] for row in (await client.get(f"{path}?limit=100")).json["data"]]
        seen: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await client.get(f"{path}?limit=3" + (f"&cursor={cursor}" if cursor else ""))).json
            seen += [row["id"] for row in page["data"]]
            cursor = page["next"]
            if len(seen) < 7:
                await add()
        assert seen[: len(expected)] == expected
        assert len(set(seen)) == len(seen)


async def test_assets_are_walked_in_order_of_creation(client: Client) -> None:
    for code in ("ZED", "ABC", "EUR"):
        await client.asset(code)
    first = (await client.get("/v1/assets?limit=2")).json
    await client.asset("AAA", id=1000)
    second = (await client.get(f"/v1/assets?limit=100&cursor={first['next']}")).json
    assert [asset["code"] for asset in first["data"] + second["data"]] == ["USD", "ZED", "ABC", "EUR", "AAA"]


async def test_a_cursor_belongs_to_its_list_and_its_filters(client: Client) -> None:
    for _ in range(3):
        await client.wallet()
    cursor = (await client.get("/v1/wallets?limit=1&asset=USD")).json["next"]
    assert (await client.get(f"/v1/wallets?limit=2&asset=USD&cursor={cursor}")).status == 200
    for path in (
        f"/v1/wallets?cursor={cursor}",
        f"/v1/users?cursor={cursor}",
        f"/v1/wallets?status=active&asset=USD&cursor={cursor}",
    ):
        answer = await client.get(path)
        assert (answer.status, answer.pointers) == (422, ["/cursor"])
