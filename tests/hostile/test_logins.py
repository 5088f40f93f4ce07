"""Laws of logins: how long a refusal takes tells nobody whether a user exists.

That the same work is done is counted in tests/http; here it is measured, on the real server with its real hash. The two kinds of attempts take turns, so that a busy machine
slows both alike, and their medians are compared. It fails where one kind returns without hashing: a hash takes tens of milliseconds, and all else of an answer one. It can fail
without a fault only where something stops the machine at one kind of attempt and not at the other, most of the time.
"""

import json
import statistics
import time

from .attack import unharmed
from .conftest import Town
from .raw import Asker, request
from .target import PASSWORD, Target

USERS = 2
ATTEMPTS_EACH = 6
RATIO_MAX = 2.5


def _seconds(asker: Asker, username: str, password: str, status: int) -> float:
    body = json.dumps({"username": username, "password": password}).encode()
    started = time.perf_counter()
    answer = asker.ask(request("POST", "/api/auth/login", body, close=False))
    seconds = time.perf_counter() - started
    assert answer.status == status, answer
    return seconds


def _medians(target: Target) -> tuple[float, float]:
    """The medians for users that there are, with a wrong password, and for users that there are not."""
    known: list[float] = []
    unknown: list[float] = []
    asker = Asker(target.address)
    for number in range(USERS * ATTEMPTS_EACH):
        known.append(_seconds(asker, f"known-{number % USERS}", "wrong horse", 401))
        unknown.append(_seconds(asker, f"unknown-{number % USERS}", "wrong horse", 401))
    asker.close()
    return statistics.median(known), statistics.median(unknown)


def test_an_unknown_name_takes_as_long_as_a_wrong_password(town: Town) -> None:
    target = town.target
    for number in range(USERS):
        target.post("/v1/users", {"username": f"known-{number}", "password": PASSWORD})
    with unharmed(target):
        known, unknown = _medians(target)
    assert 1 / RATIO_MAX < known / unknown < RATIO_MAX, f"{known * 1000:.1f} ms and {unknown * 1000:.1f} ms"


def test_guesses_are_slowed_by_name_and_by_address_and_a_right_token_is_served_on(town: Town) -> None:
    target = town.target
    target.post("/v1/users", {"username": "guessed", "password": PASSWORD})
    asker = Asker(target.address)
    statuses = []
    for _ in range(14):
        body = json.dumps({"username": "guessed", "password": "wrong horse"}).encode()
        answer = asker.ask(request("POST", "/api/auth/login", body, close=False))
        statuses.append(answer.status)
        assert answer.status == 401 or (answer.code == "rate_limited" and int(answer.headers["retry-after"]) > 0)
    asker.close()
    assert statuses == [401] * 10 + [429] * 4
    assert target.get("/v1/users")["data"]
