"""API keys from the command line: made, listed, used on a server with authentication on, and revoked beside it."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from walletd.settings import SettingsError, resolve

from .conftest import Run, Running, Start

ALL = ("--scope", "read", "--scope", "write", "--scope", "admin")


def create(run: Run, data: Path, *arguments: str) -> str:
    """A new key."""
    made = run("keys", "create", "--data", data, "--name", "test", *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def ask(server: Running, path: str, key: str = "", body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Status and JSON."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def rows(run: Run, data: Path) -> list[list[str]]:
    shown = run("keys", "list", "--data", data)
    assert shown.returncode == 0, shown.stderr
    return [line.split() for line in shown.stdout.splitlines()[1:]]


def test_a_key_is_printed_alone_and_once(run: Run, tmp_path: Path) -> None:
    made = run("keys", "create", "--data", tmp_path / "data", "--name", "shop", "--scope", "read", "--expires", "90d")
    assert made.stdout.startswith("wdk_")
    assert made.stdout.count("\n") == 1
    assert made.stdout.strip() not in made.stderr
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "access.db").stat().st_mode & 0o777 == 0o600
    ((id_, name, hint, scopes, state, *_),) = rows(run, tmp_path / "data")
    assert (id_, name, hint, scopes, state) == ("1", "shop", made.stdout[:8] + "…", "read", "active")


def test_a_key_opens_a_server_with_authentication_on_until_it_is_revoked_beside_it(
    run: Run, start: Start, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    key = create(run, data, *ALL)
    server = start(data, "--authentication", "on")
    assert "unauthenticated" not in server.stderr
    assert ask(server, "/v1/users")[0] == 401
    assert ask(server, "/v1/users", key)[0] == 200
    status, user = ask(server, "/v1/users", key, {"username": "ann", "password": "correct horse"})
    assert status == 201
    assert ask(server, "/api/auth/login/", body={"username": "ann", "password": "wrong horse"})[0] == 401
    status, login = ask(server, "/api/auth/login/", body={"username": "ann", "password": "correct horse"})
    assert (status, login["user_id"]) == (200, user["id"])
    assert ask(server, f"/v1/users/{user['id']}", login["token"])[0] == 200
    assert ask(server, "/v1/users", login["token"])[0] == 403

    assert run("keys", "revoke", "1", "--data", data).returncode == 0
    # The command has ended, which takes longer than the server needs to notice; still, it is given its twentieth of a second.
    time.sleep(0.05)
    assert ask(server, "/v1/users", key)[0] == 401
    assert [row[4] for row in rows(run, data)] == ["revoked"]
    fresh = create(run, data, "--scope", "read")
    assert ask(server, "/v1/users", fresh)[0] == 200
    assert server.stop() == 0
    for secret in (key, fresh, login["token"], "horse"):
        assert secret not in server.stderr
    assert [row[-2:] == ["never", "never"] for row in rows(run, data)] == [False, False]


def test_a_key_that_is_gone_or_never_was_cannot_be_revoked(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run("keys", "revoke", "1", "--data", data).returncode == 4
    assert not data.exists()
    create(run, data, "--scope", "read")
    assert run("keys", "revoke", "1", "--data", data).returncode == 0
    for id_ in ("1", "2"):
        refused = run("keys", "revoke", id_, "--data", data)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert id_ in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "--name", "a b", "--scope", "read"],
        ["create", "--name", "a|b", "--scope", "read"],
        ["create", "--name", "x"],
        ["create", "--scope", "read"],
        ["create", "--name", "x", "--scope", "all"],
        ["create", "--name", "x", "--scope", "read", "--expires", "soon"],
        ["create", "--name", "x", "--scope", "read", "--expires", "0d"],
        ["revoke", "x"],
        [],
    ],
)
def test_wrong_usage_ends_with_2_and_makes_nothing(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    tail = ["--data", str(tmp_path / "data")] if arguments else []
    assert run("keys", *arguments, *tail).returncode == 2
    assert not (tmp_path / "data").exists()


def test_authentication_is_off_by_default_and_then_on_loopback_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve({}, {}).settings.authentication == "off"
    with pytest.raises(SettingsError, match="authentication is off"):
        resolve({"host": "0.0.0.0"}, {})
    for settings in (
        resolve({"host": "0.0.0.0", "authentication": "on"}, {}).settings,
        resolve({"host": "0.0.0.0"}, {"WALLETD_AUTHENTICATION": "ON"}).settings,
    ):
        assert settings.authentication == "on"
        assert not settings.unsafe_allow_unauthenticated_network
    with pytest.raises(SettingsError, match="one of off, on"):
        resolve({"authentication": "maybe"}, {})


def test_a_server_that_asks_nobody_says_so(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    said = [json.loads(line) for line in server.stderr.splitlines()]
    assert ("info", "unauthenticated") in [(line["level"], line["event"]) for line in said]


def test_the_doctor_says_who_may_move_money(run: Run, tmp_path: Path) -> None:
    def line(*arguments: str) -> str:
        shown = run("doctor", "--data", tmp_path / "data", "--port", "0", *arguments).stdout
        return next(line for line in shown.splitlines() if " authentication: " in line)

    assert line().startswith("ok    authentication: Off")
    assert line("--authentication", "on").startswith("warn  authentication: On, and no API key")
    create(run, tmp_path / "data", "--scope", "read")
    assert line("--authentication", "on").startswith("ok    authentication: On; 1 ")
