"""What the container promises: its own user, a health check, one volume, signals that arrive, and a port for this machine only."""

import ast
import json
import shlex
import tomllib

from walletd.settings import SETTINGS

from .conftest import ROOT

PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined, in order."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in lines]


def last_stage() -> list[tuple[str, str]]:
    all_of_them = instructions()
    start = max(index for index, (word, _) in enumerate(all_of_them) if word == "FROM")
    return all_of_them[start:]


def test_the_image_is_made_in_two_stages_and_the_last_has_no_build_tools() -> None:
    assert sum(word == "FROM" for word, _ in instructions()) == 2
    assert not any("pip" in rest for word, rest in last_stage() if word == "RUN")
    assert ("COPY", "--from=build /opt/walletd /opt/walletd") in last_stage()


def test_dependencies_come_from_the_locked_file_with_hashes() -> None:
    assert any("--require-hashes -r requirements/runtime.txt" in rest for word, rest in instructions() if word == "RUN")


def test_it_runs_as_its_own_user() -> None:
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert users == ["walletd"]
    assert any("useradd" in rest and "10001" in rest for word, rest in last_stage() if word == "RUN")


def test_it_has_one_volume_and_the_data_is_there() -> None:
    assert [rest for word, rest in last_stage() if word == "VOLUME"] == ["/data"]
    assert any("WALLETD_DATA=/data" in rest for word, rest in last_stage() if word == "ENV")


def test_signals_reach_the_server() -> None:
    stage = dict(last_stage())
    assert json.loads(stage["ENTRYPOINT"]) == ["walletd"]
    assert json.loads(stage["CMD"]) == ["serve"]
    assert stage["STOPSIGNAL"] == "SIGTERM"


def test_the_health_check_asks_livez_with_what_the_image_has() -> None:
    check = dict(last_stage())["HEALTHCHECK"]
    command = json.loads(check[check.index("[") :])
    assert command[:2] == ["python", "-c"]
    ast.parse(command[2])
    assert "http://127.0.0.1:8000/livez" in command[2]
    assert "curl" not in check


def test_compose_publishes_on_this_machine_only() -> None:
    lines = (ROOT / "compose.yaml").read_text().splitlines()
    published = [line.strip().removeprefix("- ").strip('"') for line in lines if ":8000" in line]
    assert published == ["127.0.0.1:8000:8000"]
    assert any(line.strip() == "- data:/data" for line in lines)


def test_compose_waits_longer_for_the_stop_than_the_server_takes() -> None:
    timeout_s = next(int(setting.default) for setting in SETTINGS if setting.name == "shutdown_timeout_s")
    text = (ROOT / "compose.yaml").read_text()
    grace = next(line.split(":")[1].strip() for line in text.splitlines() if "stop_grace_period" in line)
    assert int(grace.removesuffix("s")) > timeout_s


def test_the_build_is_given_the_package_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = {line.removeprefix("!").rstrip("/") for line in lines if line.startswith("!")}
    folders = {name.split(".")[1] for name in PACKAGES if "." in name}
    needed = {path.name for path in ROOT.glob("*.py")} | folders | {"py.typed", "pyproject.toml"}
    assert allowed == needed | {"LICENSE", "README.md", "requirements/runtime.txt"}


def test_every_variable_the_image_sets_is_a_setting() -> None:
    variables = {setting.variable for setting in SETTINGS}
    for word, rest in last_stage():
        if word == "ENV":
            names = {part.split("=")[0] for part in shlex.split(rest) if part.startswith("WALLETD_")}
            assert names <= variables
