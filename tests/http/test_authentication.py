"""Who asks: keys, logins and HTTP Basic; what is open to everyone; and what happens to those who guess."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest

from walletd.engine.identity import Grant, HashedPassword, Holder, Scope
from walletd.engine.memory_access import MemoryAccess, QuickHasher
from walletd.http.authentication import ADDRESS_FAILURES_MAX, BASIC_LIFE_US, NAME_FAILURES_MAX, REGISTRATIONS_MAX
from walletd.http.server import all_routes

from .conftest import Answer, Client, Serve

PASSWORD = "correct horse"
LOGIN = "/api/auth/login/"
LOGOUT = "/api/auth/logout/"


class Clocks:
    """A wall clock in microseconds and a steady one in seconds, which stand until they are moved together."""

    def __init__(self) -> None:
        self.us = 1_700_000_000_000_000

    def wall(self) -> int:
        return self.us

    def steady(self) -> float:
        return self.us / 1_000_000

    def pass_s(self, seconds: float) -> None:
        self.us += int(seconds * 1_000_000)


class HeldHasher(QuickHasher):
    """A QuickHasher whose verifications can be held back once they have their answer."""

    def __init__(self) -> None:
        super().__init__()
        self.passing = asyncio.Event()
        self.passing.set()
        self.held = asyncio.Event()

    async def verify(self, hashed: HashedPassword | None, password: str) -> bool:
        right = await super().verify(hashed, password)
        self.held.set()
        await self.passing.wait()
        return right


class CountingAccess(MemoryAccess):
    """A MemoryAccess that counts the questions that it could not answer at once."""

    def __init__(self, hasher: QuickHasher) -> None:
        super().__init__(hasher)
        self.questions = 0

    async def find(self, digest: bytes, now: int) -> Grant | None:
        self.questions += 1
        return await super().find(digest, now)


class House:
    """A server that asks for credentials, an operator's key, and ann, who can log in."""

    def __init__(self, client: Client, access: CountingAccess, hasher: HeldHasher, clocks: Clocks) -> None:
        self.client = client
        self.access = access
        self.hasher = hasher
        self.clocks = clocks
        self.operator = client
        self.ann = 0

    async def key(self, *scopes: Scope, name: str = "test", expires_at: int | None = None) -> tuple[int, str]:
        key, secret = await self.access.create_key(name, scopes, self.clocks.us, expires_at)
        return key.id, secret

    async def log_in(self, username: str = "ann", password: str = PASSWORD) -> Answer:
        return await self.client.post(LOGIN, {"username": username, "password": password})

    async def token(self) -> str:
        answer = await self.log_in()
        assert answer.status == 200, answer.body
        return str(answer.json["token"])

    async def who(self, authorization: str) -> int:
        """The status of ann's profile, which an operator and ann may read."""
        return (await self.client.acting(authorization).get(f"/v1/users/{self.ann}")).status


@pytest.fixture
async def house(serve: Serve) -> House:
    hasher, clocks = HeldHasher(), Clocks()
    access = CountingAccess(hasher)
    client = await serve(access=access, clock=clocks.steady, clock_us=clocks.wall, authentication=True)
    house = House(client, access, hasher, clocks)
    _, secret = await house.key(*Scope, name="operator")
    house.operator = client.acting(f"Bearer {secret}")
    await house.operator.asset()
    house.ann = (await house.operator.user(username="ann", password=PASSWORD))["id"]
    return house


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


# -------------------------------------------------------------------------------------------------------- what is open

OPEN = {
    ("GET", "/livez"), ("GET", "/readyz"), ("GET", "/health"), ("GET", "/version"), ("GET", "/problems/{code}"),
    ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/docs/{file}"), ("GET", "/redoc"), ("GET", "/redoc/{file}"),
    ("POST", "/api/auth/login"), ("POST", "/api/auth/login/"), ("POST", "/users"),
}  # fmt: skip
"""The pages and probes, logging in, and registering with the digital wallet."""


def asked() -> Iterator[Any]:
    for endpoint in all_routes().endpoints:
        if not endpoint.public:
            path = endpoint.route
            for name in endpoint.names:
                path = path.replace(f"{{{name}}}", "1")
            yield pytest.param(endpoint.method, path, id=f"{endpoint.method} {endpoint.route}")


def test_only_what_is_meant_to_be_is_open() -> None:
    assert {(endpoint.method, endpoint.route) for endpoint in all_routes().endpoints if endpoint.public} == OPEN


@pytest.mark.parametrize(("method", "path"), [*asked()])
async def test_everything_else_is_401_without_credentials(house: House, method: str, path: str) -> None:
    answer = await house.client.send(method, path, {} if method != "GET" else None)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert "Bearer" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer wdk_" + "A" * 43,
        "Token wdt_" + "A" * 43,
        "Bearer wdk_" + "é" * 43,
        "Digest wdk_" + "A" * 43,
        "wdk_" + "A" * 43,
        basic("ann", PASSWORD),
    ],
)
async def test_what_is_no_credential_here_is_401(house: House, authorization: str) -> None:
    assert await house.who(authorization) == 401


async def test_two_authorization_headers_are_401(house: House) -> None:
    text = f"GET /v1/users/{house.ann} HTTP/1.1\r\nHost: x\r\nAuthorization: {house.operator.authorization}\r\n"
    raw = await house.client.raw((text + "Authorization: Bearer x\r\nConnection: close\r\n\r\n").encode())
    assert raw.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 400 "))


async def test_the_probes_and_pages_are_open_and_the_metrics_are_not(house: House) -> None:
    for path in ("/livez", "/readyz", "/health", "/version", "/problems/forbidden", "/openapi.json", "/docs", "/redoc"):
        assert (await house.client.get(path)).status == 200, path
    assert (await house.client.get("/metrics")).status == 401
    assert (await house.operator.get("/metrics")).status == 200
    assert (await house.client.acting(f"Token {await house.token()}").get("/metrics")).status == 403


async def test_without_authentication_everyone_is_the_operator(client: Client) -> None:
    assert (await client.acting("Bearer nonsense").get("/v1/users")).status == 200
    assert (await client.post(LOGOUT)).status == 401


# --------------------------------------------------------------------------------------------------------------- keys


async def test_a_key_works_as_bearer_and_as_token_in_any_case(house: House) -> None:
    _, secret = await house.key(Scope.READ)
    for scheme in ("Bearer", "bearer", "Token", "TOKEN"):
        assert await house.who(f"{scheme} {secret}") == 200


async def test_a_revoked_key_is_dead_at_once(house: House) -> None:
    key_id, secret = await house.key(Scope.READ)
    assert await house.who(f"Bearer {secret}") == 200
    await house.access.revoke_key(key_id, house.clocks.us)
    assert await house.who(f"Bearer {secret}") == 401


async def test_a_key_dies_when_its_time_has_come(house: House) -> None:
    _, secret = await house.key(Scope.READ, expires_at=house.clocks.us + 10_000_000)
    house.clocks.pass_s(9.999)
    assert await house.who(f"Bearer {secret}") == 200
    house.clocks.pass_s(0.001)
    assert await house.who(f"Bearer {secret}") == 401


async def test_a_known_key_costs_no_question_to_the_store(house: House) -> None:
    _, secret = await house.key(Scope.READ)
    before = house.access.questions
    assert [await house.who(f"Bearer {secret}") for _ in range(3)] == [200] * 3
    assert house.access.questions == before + 1


async def test_a_revoked_key_ends_its_stream_before_the_next_event(house: House) -> None:
    key_id, secret = await house.key(Scope.READ)
    async with house.client.session.get(
        "/v1/events/stream?after=2", headers={"Authorization": f"Bearer {secret}"}
    ) as stream:
        assert await stream.content.readline() == b": events follow\n"
        await house.access.revoke_key(key_id, house.clocks.us)
        await house.operator.user(username="late")
        assert b"late" not in await asyncio.wait_for(stream.content.read(), 5)


async def test_keys_of_one_name_are_one_caller_and_others_are_not(house: House) -> None:
    ann = (await house.operator.post("/v1/wallets", {"user_id": house.ann, "asset": "USD"})).json["id"]
    treasury = await house.operator.treasury()
    old, new, other = [
        house.client.acting(f"Bearer {(await house.key(*Scope, name=name))[1]}") for name in ("shop", "shop", "bar")
    ]
    first = await old.transfer(treasury, ann, 5, key="k")
    again = await new.transfer(treasury, ann, 5, key="k")
    assert (first.json["id"], again.headers["Idempotency-Replayed"]) == (again.json["id"], "true")
    assert (await other.transfer(treasury, ann, 5, key="k")).json["id"] != first.json["id"]


# ------------------------------------------------------------------------------------------------------------- logins


async def test_a_login_gives_a_token_that_says_when_it_ends(house: House) -> None:
    answer = await house.log_in()
    assert (answer.status, answer.json["user_id"]) == (200, house.ann)
    assert answer.json["expires_at"] == "2023-11-15T10:13:20.000000Z"
    assert answer.headers["Cache-Control"] == "no-store"
    for scheme in ("Token", "Bearer"):
        assert await house.who(f"{scheme} {answer.json['token']}") == 200


async def test_both_spellings_of_login_and_logout_work(house: House) -> None:
    for end in ("", "/"):
        answer = await house.client.post(f"/api/auth/login{end}", {"username": "ann", "password": PASSWORD})
        token = f"Token {answer.json['token']}"
        out = await house.client.acting(token).post(f"/api/auth/logout{end}")
        assert (out.status, out.body, await house.who(token)) == (204, b"", 401)


async def test_a_login_ends_when_its_time_has_come(house: House) -> None:
    token = await house.token()
    house.clocks.pass_s(12 * 3600 - 1)
    assert await house.who(f"Token {token}") == 200
    house.clocks.pass_s(1)
    assert await house.who(f"Token {token}") == 401


async def test_a_logout_ends_one_login_of_two(house: House) -> None:
    first, second = await house.token(), await house.token()
    assert (await house.client.acting(f"Token {first}").post(LOGOUT)).status == 204
    assert (await house.who(f"Token {first}"), await house.who(f"Token {second}")) == (401, 200)


async def test_a_key_cannot_log_out(house: House) -> None:
    assert (await house.operator.post(LOGOUT)).status == 403
    assert (await house.operator.get("/v1/users")).status == 200


async def test_wrong_name_and_wrong_password_are_answered_alike_after_the_same_work(house: House) -> None:
    await house.operator.user(username="mute")
    answers = []
    for username, password in (
        ("ann", "wrong horse"),
        ("nobody", "wrong horse"),
        ("mute", "wrong horse"),
        ("ann", "x" * 500),
    ):
        before = house.hasher.verifications
        answer = await house.log_in(username, password)
        assert house.hasher.verifications == before + 1
        problem = answer.json
        problem.pop("request_id")
        answers.append((answer.status, problem, answer.headers["WWW-Authenticate"]))
    assert answers[0][0] == 401
    assert answers[0][1]["detail"] == "The username or the password is wrong."
    assert all(answer == answers[0] for answer in answers)


async def test_a_bad_login_body_is_400_with_a_member_for_each_field(house: House) -> None:
    answer = await house.client.post(LOGIN, {"username": 5})
    assert (answer.status, answer.json["password"]) == (400, ["Is missing."])
    assert isinstance(answer.json["detail"], str)
    assert "username" in answer.json
    assert (await house.client.post(LOGIN, data=b"[]")).json["non_field_errors"]


async def test_a_login_of_another_ledgers_user_opens_nothing(house: House) -> None:
    token = await house.access.open_session(Holder(house.ann, 1), house.clocks.us, house.clocks.us + 10**9)
    assert await house.who(f"Token {token}") == 401


# ---------------------------------------------------------------------------------------------------------- passwords


async def test_an_operators_new_password_ends_the_users_logins(house: House) -> None:
    token = await house.token()
    changed = await house.operator.send("PATCH", f"/v1/users/{house.ann}", {"password": "another horse"})
    assert changed.status == 200
    assert b"horse" not in changed.body
    assert await house.who(f"Token {token}") == 401
    assert (await house.log_in()).status == 401
    assert (await house.log_in(password="another horse")).status == 200


async def test_a_user_changes_its_password_with_the_present_one_only(house: House) -> None:
    ann = house.client.acting(f"Token {await house.token()}")
    path = f"/v1/users/{house.ann}"
    missing = await ann.send("PATCH", path, {"password": "another horse"})
    wrong = await ann.send("PATCH", path, {"password": "another horse", "current_password": "wrong horse"})
    assert [(answer.status, answer.pointers) for answer in (missing, wrong)] == [(422, ["/current_password"])] * 2
    right = await ann.send("PATCH", path, {"password": "another horse", "current_password": PASSWORD})
    assert right.status == 200
    assert (await ann.get(path)).status == 401
    assert (await house.log_in(password="another horse")).status == 200


async def test_a_refused_change_changes_no_password_either(house: House) -> None:
    await house.operator.user(username="bob")
    path = f"/v1/users/{house.ann}"
    refused = await house.operator.send("PATCH", path, {"username": "bob", "password": "another horse"})
    assert refused.status == 409
    house.hasher.busy = True
    busy = await house.operator.send("PATCH", path, {"username": "anna", "password": "another horse"})
    assert busy.code == "overloaded"
    house.hasher.busy = False
    assert (await house.log_in()).status == 200


async def test_a_dry_run_sets_no_password(house: House) -> None:
    answer = await house.operator.send("PATCH", f"/v1/users/{house.ann}?dry_run=true", {"password": "another horse"})
    assert answer.status == 200
    assert (await house.log_in()).status == 200
    made = await house.operator.post("/v1/users?dry_run=true", {"username": "bob", "password": PASSWORD})
    assert made.status == 200
    assert (await house.log_in("bob")).status == 401


async def test_a_user_without_a_password_is_mended_by_the_operator(house: House) -> None:
    bob = (await house.operator.user(username="bob"))["id"]
    assert (await house.log_in("bob")).status == 401
    assert (await house.operator.send("PATCH", f"/v1/users/{bob}", {"password": PASSWORD})).status == 200
    assert (await house.log_in("bob")).status == 200


async def test_too_much_hashing_makes_no_user(house: House) -> None:
    house.hasher.busy = True
    answer = await house.operator.post("/v1/users", {"username": "bob", "password": PASSWORD})
    assert (answer.status, answer.code) == (503, "overloaded")
    assert "Retry-After" in answer.headers
    assert (await house.log_in()).code == "overloaded"
    house.hasher.busy = False
    assert (await house.operator.post("/v1/users", {"username": "bob", "password": PASSWORD})).status == 201


async def test_no_secret_is_in_the_journal_the_events_or_the_log(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = await house.token()
    await house.operator.send("PATCH", f"/v1/users/{house.ann}", {"password": "another horse", "name": "Ann"})
    await house.log_in(password="wrong horse")
    events = await house.operator.get("/v1/events?after=0&limit=100")
    for place in (events.body.decode(), caplog.text):
        assert "horse" not in place
        assert token not in place
        assert "password" not in place


# ------------------------------------------------------------------------------------------------------------- limits


async def test_guessing_one_users_password_is_slowed(house: House) -> None:
    for _ in range(NAME_FAILURES_MAX):
        assert (await house.log_in(password="wrong horse")).status == 401
    before = house.hasher.verifications
    refused = await house.log_in()
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) == 60
    assert house.hasher.verifications == before
    house.clocks.pass_s(60)
    assert (await house.log_in()).status == 200


async def test_an_unknown_name_is_slowed_alike(house: House) -> None:
    statuses = [(await house.log_in("nobody")).status for _ in range(NAME_FAILURES_MAX + 1)]
    assert statuses == [401] * NAME_FAILURES_MAX + [429]


async def test_guesses_at_once_are_counted_like_guesses_in_turn(house: House) -> None:
    answers = await asyncio.gather(*(house.log_in(password="wrong horse") for _ in range(3 * NAME_FAILURES_MAX)))
    assert sum(answer.status == 401 for answer in answers) == NAME_FAILURES_MAX


async def test_a_right_password_forgives_the_users_failures_but_not_the_addresss(house: House) -> None:
    for _ in range(ADDRESS_FAILURES_MAX // 5):
        assert (await house.log_in()).status == 200
        assert [(await house.log_in(password="wrong horse")).status for _ in range(5)] == [401] * 5
    assert (await house.log_in()).status == 429
    assert (await house.log_in("nobody")).status == 429


async def test_guessing_tokens_is_counted_by_address_and_known_ones_still_work(house: House) -> None:
    token = await house.token()
    assert await house.who(f"Token {token}") == 200
    statuses = {await house.who(f"Bearer wdk_{number:043}") for number in range(ADDRESS_FAILURES_MAX)}
    assert statuses == {401}
    assert await house.who("Bearer wdk_" + "B" * 43) == 429
    assert await house.who(f"Token {token}") == 200


async def test_others_guesses_turn_away_neither_a_login_nor_credentials_seen_for_the_first_time(house: House) -> None:
    for number in range(ADDRESS_FAILURES_MAX + 10):
        await house.who(f"Bearer wdk_{number:043}")
    token = await house.token()
    house.access._grants.withdraw_all()

    assert await house.who(f"Token {token}") == 200


async def test_users_made_by_nobody_in_particular_are_counted_by_address(house: House) -> None:
    bodies = [
        {"username": f"u{number}", "email": f"u{number}@example.com", "password": PASSWORD}
        for number in range(REGISTRATIONS_MAX + 1)
    ]
    statuses = [(await house.client.post("/users", body)).status for body in bodies]

    assert statuses == [201] * REGISTRATIONS_MAX + [429]


# -------------------------------------------------------------------------------------------------------------- basic


async def test_basic_works_where_credentials_are_always_asked_for(house: House) -> None:
    ann = house.client.acting(basic("ann", PASSWORD))
    assert (await ann.post(LOGOUT)).status == 204
    assert (await house.client.acting(basic("ann", "wrong horse")).post(LOGOUT)).status == 401
    for broken in ("Basic", "Basic !", "Basic " + base64.b64encode(b"no colon").decode(), "Basic /w=="):
        assert (await house.client.acting(broken).post(LOGOUT)).status == 401


async def test_basic_is_checked_once_a_minute(house: House) -> None:
    ann = house.client.acting(basic("ann", PASSWORD))
    before = house.hasher.verifications
    for _ in range(5):
        assert (await ann.post(LOGOUT)).status == 204
    assert house.hasher.verifications == before + 1
    house.clocks.us += BASIC_LIFE_US
    assert (await ann.post(LOGOUT)).status == 204
    assert house.hasher.verifications == before + 2


async def test_basic_dies_with_the_password_and_with_the_name(house: House) -> None:
    ann = house.client.acting(basic("ann", PASSWORD))
    assert (await ann.post(LOGOUT)).status == 204
    await house.operator.send("PATCH", f"/v1/users/{house.ann}", {"username": "anna"})
    assert (await ann.post(LOGOUT)).status == 401
    heir = (await house.operator.user(username="ann"))["id"]
    assert (await ann.post(LOGOUT)).status == 401
    await house.operator.send("PATCH", f"/v1/users/{heir}", {"username": "heir"})
    await house.operator.send("PATCH", f"/v1/users/{house.ann}", {"username": "ann"})
    assert (await ann.post(LOGOUT)).status == 204
    await house.operator.send("PATCH", f"/v1/users/{house.ann}", {"password": "another horse"})
    assert (await ann.post(LOGOUT)).status == 401


async def test_a_password_changed_while_basic_is_checked_is_not_believed(house: House) -> None:
    ann = house.client.acting(basic("ann", PASSWORD))
    house.hasher.held.clear()
    house.hasher.passing.clear()
    checking = asyncio.create_task(ann.post(LOGOUT))
    await house.hasher.held.wait()
    await house.operator.send("PATCH", f"/v1/users/{house.ann}", {"password": "another horse"})
    house.hasher.passing.set()
    await checking
    assert (await ann.post(LOGOUT)).status == 401


# -------------------------------------------------------------------------------------------------------------- guards


def names_of(function: Any, seen: set[Any]) -> set[str]:
    """Every name that a handler mentions, those of the functions of walletd that it calls included."""
    code = function.__code__
    if code in seen:
        return set()
    seen.add(code)
    names = set(code.co_names)
    for name in code.co_names:
        called = function.__globals__.get(name)
        if str(getattr(called, "__module__", "")).startswith("walletd.http") and hasattr(called, "__code__"):
            names |= names_of(called, seen)
    return names


@pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in all_routes().endpoints if not endpoint.public],
    ids=lambda endpoint: f"{endpoint.method} {endpoint.route}",
)
def test_every_handler_asks_its_principal(endpoint: Any) -> None:
    assert "principal" in names_of(endpoint.handler, set())
