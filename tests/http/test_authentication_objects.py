"""What each may do with what: the scopes of keys, and everything that a user with a good token tries on money that is not its own."""

import json
from typing import Any

import pytest

from walletd.engine.identity import Scope
from walletd.engine.memory_access import MemoryAccess

from .conftest import Answer, Client, Serve

PASSWORD = "correct horse"
NOWHERE = "00000000-0000-4000-8000-000000000000"


class Town:
    """An operator, and three users with a wallet of 1000 each: mallory, whose token is misused, ann, who has paid bob, and bob."""

    def __init__(self, operator: Client, access: MemoryAccess) -> None:
        self.operator = operator
        self.access = access
        self.ids: dict[str, int] = {}
        self.wallets: dict[str, str] = {}
        self.clients: dict[str, Client] = {}
        self.treasury = ""
        self.payment: dict[str, Any] = {}

    async def move_in(self, name: str) -> None:
        user = await self.operator.user(username=name, password=PASSWORD)
        self.ids[name] = user["id"]
        opened = await self.operator.post("/v1/wallets", {"user_id": user["id"], "asset": "USD"})
        self.wallets[name] = opened.json["id"]
        await self.operator.transfer(self.treasury, self.wallets[name], 1000)
        login = await self.operator.post("/api/auth/login/", {"username": name, "password": PASSWORD})
        self.clients[name] = self.operator.acting(f"Token {login.json['token']}")

    async def key(self, *scopes: Scope) -> Client:
        _, secret = await self.access.create_key("test", scopes, 0)
        return self.operator.acting(f"Bearer {secret}")

    async def books(self) -> list[Any]:
        """Everything that a successful attack would change."""
        wallets = (await self.operator.get("/v1/wallets?limit=100")).json["data"]
        users = (await self.operator.get("/v1/users?limit=100")).json["data"]
        events = (await self.operator.get("/v1/events?after=0&limit=1000")).json["data"]
        return [wallets, users, len(events), (await self.operator.get("/v1/assets")).json["data"]]


@pytest.fixture
async def town(serve: Serve) -> Town:
    access = MemoryAccess()
    client = await serve(access=access, authentication=True)
    _, secret = await access.create_key("operator", tuple(Scope), 0)
    town = Town(client.acting(f"Bearer {secret}"), access)
    await town.operator.asset()
    town.treasury = await town.operator.treasury()
    for name in ("mallory", "ann", "bob"):
        await town.move_in(name)
    paid = await town.clients["ann"].transfer(town.wallets["ann"], town.wallets["bob"], 300)
    assert paid.status == 201, paid.body
    town.payment = paid.json
    return town


@pytest.fixture
def mallory(town: Town) -> Client:
    return town.clients["mallory"]


def told(answer: Answer) -> tuple[int, Any]:
    """Status and problem without what differs between any two requests."""
    problem = answer.json
    return answer.status, {name: problem[name] for name in ("code", "title", "status")}


# ------------------------------------------------------------------------------------------------------------- scopes


def requests(town: Town) -> list[tuple[Scope, str, str, Any]]:
    """(scope that is needed, method, path, body) of every path of the native API."""
    ann, wallet, bob = town.ids["ann"], town.wallets["ann"], town.wallets["bob"]
    transfer = {"source": wallet, "destination": bob, "amount": 1}
    legs = [{"wallet_id": wallet, "amount": -1}, {"wallet_id": bob, "amount": 1}]
    return [
        (Scope.READ, "GET", "/v1/users", None),
        (Scope.READ, "GET", f"/v1/users/{ann}", None),
        (Scope.READ, "GET", "/v1/assets", None),
        (Scope.READ, "GET", "/v1/assets/USD", None),
        (Scope.READ, "GET", "/v1/wallets", None),
        (Scope.READ, "GET", f"/v1/wallets?user_id={ann}", None),
        (Scope.READ, "GET", f"/v1/wallets/{wallet}", None),
        (Scope.READ, "GET", f"/v1/wallets/{wallet}/entries", None),
        (Scope.READ, "GET", f"/v1/transfers/{town.payment['id']}", None),
        (Scope.READ, "GET", f"/v1/transactions/{town.payment['transaction_id']}", None),
        (Scope.READ, "GET", "/v1/events", None),
        (Scope.READ, "HEAD", "/v1/events/stream", None),
        (Scope.READ, "GET", "/metrics", None),
        (Scope.WRITE, "POST", "/v1/users", {}),
        (Scope.WRITE, "PATCH", f"/v1/users/{ann}", {"name": "Ann"}),
        (Scope.WRITE, "POST", "/v1/wallets", {"user_id": ann, "asset": "PTS"}),
        (Scope.WRITE, "POST", "/v1/transfers", transfer),
        (Scope.WRITE, "POST", "/v1/transfers", {**transfer, "source": town.treasury}),
        (Scope.WRITE, "POST", "/v1/transfers?dry_run=true", transfer),
        (Scope.WRITE, "POST", "/v1/transactions", {"legs": legs}),
        (Scope.WRITE, "POST", "/v1/transfers/batch", {"transfers": [transfer]}),
        (Scope.ADMIN, "POST", "/v1/assets", {"code": "GEM"}),
        (Scope.ADMIN, "POST", f"/v1/wallets/{wallet}/freeze", {"reason": "test"}),
        (Scope.ADMIN, "POST", f"/v1/wallets/{wallet}/unfreeze", {}),
        (Scope.ADMIN, "POST", f"/v1/wallets/{wallet}/close", {}),
    ]


@pytest.mark.parametrize("held", Scope)
async def test_a_key_does_what_its_scope_says_and_nothing_else(town: Town, held: Scope) -> None:
    await town.operator.asset("PTS")
    key = await town.key(held)
    for needed, method, path, body in requests(town):
        answer = await key.send(method, path, body)
        if needed is held:
            assert answer.status != 403, (method, path)
        else:
            assert answer.status == 403, (method, path, answer.body)
            if method != "HEAD":
                assert needed in answer.json["detail"]


async def test_every_path_of_the_native_api_is_in_the_table_of_scopes(town: Town) -> None:
    table = {(method.replace("HEAD", "GET"), path.partition("?")[0]) for _, method, path, _ in requests(town)}
    for endpoint in town.operator.server.routes.endpoints:
        if endpoint.route.startswith("/v1/"):
            resources = {
                town.operator.server.routes.resolve(path)[0] for method, path in table if method == endpoint.method
            }
            assert any(found is not None and found.endpoints.get(endpoint.method) is endpoint for found in resources), (
                endpoint.route
            )


# ------------------------------------------------------------------------------------------- what belongs to operators


async def test_a_user_may_not_do_what_is_for_operators_whatever_it_names(town: Town, mallory: Client) -> None:
    before = await town.books()
    own, ann = town.wallets["mallory"], town.ids["ann"]
    for method, path, body in [
        ("GET", "/v1/users", None),
        ("GET", "/v1/events", None),
        ("GET", "/v1/events?after=0&limit=1000", None),
        ("GET", "/v1/events/stream", None),
        ("POST", "/v1/users", {"username": "eve"}),
        ("POST", "/v1/users?dry_run=true", {"username": "ann"}),
        ("POST", "/v1/assets", {"code": "GEM"}),
        ("POST", "/v1/assets?dry_run=true", {"code": "GEM"}),
        ("POST", "/v1/wallets", {"user_id": town.ids["mallory"], "asset": "USD"}),
        *(
            ("POST", f"/v1/wallets/{wallet}/{verb}", {"reason": "x"} if verb == "freeze" else {})
            for wallet in (own, town.wallets["ann"], town.treasury, NOWHERE)
            for verb in ("freeze", "unfreeze", "close")
        ),
        *(("GET", f"/v1/users/{user}", None) for user in (ann, 999, 0, "x")),
        *(("PATCH", f"/v1/users/{user}", {"password": "another horse"}) for user in (ann, 999)),
        *(("GET", f"/v1/wallets?user_id={user}", None) for user in (ann, 999)),
    ]:
        answer = await mallory.send(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden"), (method, path, answer.body)
    assert await town.books() == before


# ------------------------------------------------------------------------------------------------------------- reading


async def test_a_user_reads_its_own(town: Town, mallory: Client) -> None:
    own = town.wallets["mallory"]
    for path in (
        f"/v1/users/{town.ids['mallory']}",
        f"/v1/wallets/{own}",
        f"/v1/wallets/{own}/entries",
        "/v1/assets/USD",
    ):
        assert (await mallory.get(path)).status == 200, path
    for query in ("", f"?user_id={town.ids['mallory']}", "?asset=USD", "?status=active"):
        assert [row["id"] for row in (await mallory.get(f"/v1/wallets{query}")).json["data"]] == [own]


@pytest.mark.parametrize("path", ["/v1/wallets/{}", "/v1/wallets/{}/entries", "/v1/wallets/{}/entries?type=transfer"])
async def test_anothers_wallet_does_not_exist(town: Town, mallory: Client, path: str) -> None:
    for wallet in (town.wallets["ann"], town.wallets["ann"].upper()):
        others, none = await mallory.get(path.format(wallet)), await mallory.get(path.format(NOWHERE))
        assert told(others) == told(none)
        assert others.status == 404
        assert others.json["detail"].replace(wallet, "") == none.json["detail"].replace(NOWHERE, "")
    assert (await mallory.get(path.format(town.treasury))).status == 403


async def test_anothers_payment_does_not_exist(town: Town, mallory: Client) -> None:
    for path, id_ in (("/v1/transfers/", town.payment["id"]), ("/v1/transactions/", town.payment["transaction_id"])):
        others, none = await mallory.get(path + id_), await mallory.get(path + id_[:4] + "999999")
        assert others.status == 404
        assert told(others) == told(none)
        assert others.json["detail"] == none.json["detail"]


async def test_both_parties_see_a_payment_and_neither_the_others_balance(town: Town) -> None:
    for path in (f"/v1/transfers/{town.payment['id']}", f"/v1/transactions/{town.payment['transaction_id']}"):
        for name, balances in (("ann", ["700", None]), ("bob", [None, "1300"])):
            answer = await town.clients[name].get(path)
            assert [leg["balance_after"] for leg in answer.json["legs"]] == balances
        assert [leg["balance_after"] for leg in (await town.operator.get(path)).json["legs"]] == ["700", "1300"]


async def test_a_payment_does_not_tell_the_payer_what_the_other_has(town: Town, mallory: Client) -> None:
    own, ann = town.wallets["mallory"], town.wallets["ann"]
    legs = {"legs": [{"wallet_id": own, "amount": -1}, {"wallet_id": ann, "amount": 1}]}
    batch = {"transfers": [{"source": own, "destination": ann, "amount": 1}]}
    for query in ("?dry_run=true", ""):
        seen = [
            (await mallory.transfer(own, ann, 1, query=query)).json,
            (await mallory.post(f"/v1/transactions{query}", legs)).json,
            (await mallory.post(f"/v1/transfers/batch{query}", batch)).json["results"][0]["transfer"],
        ]
        for answer in seen:
            (leg,) = [leg for leg in answer["legs"] if leg["wallet_id"] == ann]
            assert leg["balance_after"] is None


async def test_one_who_is_paid_among_many_sees_its_own_part_only(town: Town) -> None:
    payroll = [{"wallet_id": town.treasury, "amount": -30}]
    payroll += [{"wallet_id": town.wallets[name], "amount": 15} for name in ("ann", "bob")]
    made = (await town.operator.post("/v1/transactions", {"legs": payroll})).json["id"]
    seen = (await town.clients["ann"].get(f"/v1/transactions/{made}")).json["legs"]
    assert [(leg["wallet_id"], leg["amount"]) for leg in seen] == [(town.wallets["ann"], "15")]
    assert len((await town.operator.get(f"/v1/transactions/{made}")).json["legs"]) == 3


async def test_a_cursor_is_its_owners(town: Town, mallory: Client) -> None:
    theirs = (await town.operator.get("/v1/wallets?limit=1")).json["next"]
    assert theirs is not None
    answer = await mallory.get(f"/v1/wallets?limit=1&cursor={theirs}")
    assert (answer.status, answer.pointers) == (422, ["/cursor"])
    pts = await town.operator.asset("PTS")
    await town.operator.post("/v1/wallets", {"user_id": town.ids["ann"], "asset": pts["code"]})
    anns = (await town.clients["ann"].get("/v1/wallets?limit=1")).json["next"]
    assert anns is not None
    assert (await mallory.get(f"/v1/wallets?limit=1&cursor={anns}")).status == 422
    assert (await town.clients["ann"].get(f"/v1/wallets?limit=1&cursor={anns}")).status == 200


# -------------------------------------------------------------------------------------------------------------- moving


async def test_a_user_pays_from_its_own_wallet_into_any_users(town: Town, mallory: Client) -> None:
    own, ann = town.wallets["mallory"], town.wallets["ann"]
    assert (await mallory.transfer(own, ann, 10)).status == 201
    legs = [
        {"wallet_id": own, "amount": -10},
        {"wallet_id": ann, "amount": 4},
        {"wallet_id": town.wallets["bob"], "amount": 6},
    ]
    made = await mallory.post("/v1/transactions", {"legs": legs})
    assert made.status == 201
    assert [leg["balance_after"] for leg in made.json["legs"]] == ["980", None, None]


def thefts(town: Town) -> list[tuple[int, str, str]]:
    """(status, source, destination) of transfers that mallory may not make."""
    own, ann, bob, treasury = town.wallets["mallory"], town.wallets["ann"], town.wallets["bob"], town.treasury
    return [
        (404, ann, own),
        (404, ann.upper(), own),
        (404, ann, bob),
        (404, NOWHERE, own),
        (403, treasury, own),
        (403, treasury.upper(), own),
        (403, treasury, ann),
        (403, own, treasury),
        (404, ann, treasury),
    ]


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_a_user_moves_nothing_else(town: Town, mallory: Client, query: str) -> None:
    before = await town.books()
    for status, source, destination in thefts(town):
        transfer = {"source": source, "destination": destination, "amount": 1}
        legs = [{"wallet_id": source, "amount": -1}, {"wallet_id": destination, "amount": 1}]
        for path, body in (
            ("/v1/transfers", transfer),
            ("/v1/transactions", {"legs": legs}),
            ("/v1/transactions", {"legs": legs[::-1]}),
            ("/v1/transfers/batch", {"transfers": [transfer], "atomic": True}),
        ):
            answer = await mallory.post(path + query, body, headers={"Idempotency-Key": "theft"})
            allowed = {"/v1/transactions": {status, 403}, "/v1/transfers/batch": {422}}
            assert answer.status in allowed.get(path, {status}), (
                path,
                body,
                answer.body,
            )
    assert await town.books() == before


async def test_one_foreign_debit_among_own_legs_stops_the_whole(town: Town, mallory: Client) -> None:
    before = await town.books()
    own, ann = town.wallets["mallory"], town.wallets["ann"]
    legs = [{"wallet_id": own, "amount": -1}, {"wallet_id": ann, "amount": -1}, {"wallet_id": own, "amount": 2}]
    assert (await mallory.post("/v1/transactions", {"legs": legs})).status == 404
    assert await town.books() == before


async def test_a_batch_does_ones_own_items_and_no_others_and_says_so_again(town: Town, mallory: Client) -> None:
    own, ann, bob = town.wallets["mallory"], town.wallets["ann"], town.wallets["bob"]
    items = [
        {"source": ann, "destination": own, "amount": 5},
        {"source": own, "destination": bob, "amount": 5},
        {"source": town.treasury, "destination": own, "amount": 5},
        {"source": NOWHERE, "destination": own, "amount": 5},
        {"source": own, "destination": ann, "amount": 5},
    ]
    first = await mallory.post("/v1/transfers/batch", {"transfers": items}, headers={"Idempotency-Key": "b"})
    assert [item["status"] for item in first.json["results"]] == [404, 201, 403, 404, 201]
    assert [await town.operator.posted(wallet) for wallet in (own, ann, bob)] == [990, 705, 1305]
    again = await mallory.post("/v1/transfers/batch", {"transfers": items}, headers={"Idempotency-Key": "b"})
    assert (again.headers["Idempotency-Replayed"], again.body) == ("true", first.body)
    items[0]["destination"] = bob
    other = await mallory.post("/v1/transfers/batch", {"transfers": items}, headers={"Idempotency-Key": "b"})
    assert other.code == "idempotency_key_reused"


async def test_a_batch_of_nothing_but_thefts_moves_nothing(town: Town, mallory: Client) -> None:
    before = await town.books()
    items = [{"source": source, "destination": destination, "amount": 1} for _, source, destination in thefts(town)]
    answer = await mallory.post("/v1/transfers/batch", {"transfers": items})
    assert [item["status"] for item in answer.json["results"]] == [status for status, _, _ in thefts(town)]
    assert await town.books() == before


async def test_anothers_idempotency_key_is_not_replayed(town: Town, mallory: Client) -> None:
    ann, bob = town.wallets["ann"], town.wallets["bob"]
    first = await town.clients["ann"].transfer(ann, bob, 1, key="k")
    assert first.status == 201
    assert (await mallory.transfer(ann, bob, 1, key="k")).status == 404
    assert (await mallory.transfer(town.wallets["mallory"], bob, 1, key="k")).status == 201


async def test_a_refusal_tells_nothing_of_anothers_balance(town: Town, mallory: Client) -> None:
    answer = await mallory.transfer(town.wallets["ann"], town.wallets["mallory"], 10**9)
    assert answer.status == 404
    assert "700" not in json.dumps(answer.json | {"request_id": "random digits"})


# ------------------------------------------------------------------------------------------------------------ profile


async def test_a_user_changes_its_own_profile(town: Town, mallory: Client) -> None:
    path = f"/v1/users/{town.ids['mallory']}"
    assert (await mallory.send("PATCH", path, {"phone_number": "+49 30 1"})).json["phone_number"] == "+49 30 1"
    assert (await mallory.send("PATCH", path, {"username": "ann"})).status == 409
