"""The README tells the truth: its commands and snippets run, and its tables are those of the program."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from walletd.cli.service import EXIT_MEANINGS
from walletd.settings import SETTINGS

from .conftest import Run, Start, clean_environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, as it stands after the fence."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(word: str) -> list[list[str]]:
    """Every command line of the README's shell blocks that starts with the word, without its comment."""
    lines = [line.split("  #")[0].split() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line and line[0] == word]


def rows_below(heading: str) -> list[str]:
    section = README.partition(f"### {heading}\n")[2].split("\n#")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def test_the_table_of_settings_is_the_programs() -> None:
    assert rows_below("Settings") == [
        f"| {setting.name} | `{setting.flag}` | `{setting.variable}` | "
        f"{f'`{setting.default}`' if setting.default else 'none'} | {setting.help} |"
        for setting in SETTINGS
    ]


def test_the_table_of_exit_codes_is_the_programs() -> None:
    assert rows_below("Exit codes") == [f"| {code} | {meaning} |" for code, meaning in EXIT_MEANINGS.items()]


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_the_session_prints_what_it_says(start: Start, tmp_path: Path, command: str) -> None:
    server = start(tmp_path / "data", command=command)
    script = "\n".join(blocks("sh session")).replace("http://127.0.0.1:8000", server.url)
    shown = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    (expected,) = blocks("text session")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.startswith(expected)
    # The two lists that follow are JSON, one after the other.
    decoder = json.JSONDecoder()
    rest = shown.stdout[len(expected) :].strip()
    entries, end = decoder.raw_decode(rest)
    events = json.loads(rest[end:])
    assert [entry["amount"] for entry in entries["data"]] == ["-2550", "10000"]
    assert events["data"][0]["sequence"] in (1, "1")


@pytest.mark.parametrize(
    "name", ["digital-wallet", "wallet-service", "credit-transfer", "application-credits", "internal-wallet"]
)
def test_a_session_over_the_sample_data_prints_what_it_says(start: Start, tmp_path: Path, name: str) -> None:
    server = start(tmp_path / "data", command="demo")
    (script,), (expected,) = blocks(f"sh {name}"), blocks(f"text {name}")
    shown = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8000", server.url)],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (shown.returncode, shown.stdout) == (0, expected), shown.stderr


def test_the_program_runs(tmp_path: Path) -> None:
    (program,) = blocks("python")
    command = [sys.executable, "-W", "error", "-c", program]
    shown = subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=60)
    assert (shown.returncode, shown.stdout) == (0, "10000\n"), shown.stderr


def test_the_care_of_the_data_works_as_written(start: Start, run: Run, tmp_path: Path) -> None:
    server = start(tmp_path / "lib" / "walletd", command="demo")
    assert server.stop() == 0
    (tmp_path / "backup").mkdir()
    lines = [line for line in commands("walletd") if line[1] in ("backup", "verify", "restore", "rebuild", "doctor")]
    assert {line[1] for line in lines} == {"backup", "verify", "restore", "rebuild", "doctor"}
    for line in lines:
        words = [word.replace("/var/", f"{tmp_path}/").replace("/backup/", f"{tmp_path}/backup/") for word in line[1:]]
        if words[-1] == "FOLDER":
            words[-1] = str(tmp_path / "lib" / "walletd")
        if words[0] == "doctor":
            words += ["--port", "0", "--disk-reserve-mib", "0"]
        done = run(*words)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"


def test_serve_starts_as_written(start: Start, tmp_path: Path) -> None:
    (line,) = [line for line in commands("walletd") if line[1] == "serve"]
    assert line[2:] == ["--data", "/var/lib/walletd", "--host", "127.0.0.1", "--port", "8000"]
    server = start(tmp_path / "data", *line[4:6])
    assert server.url.startswith("http://127.0.0.1:")


def test_make_has_every_word_that_is_named() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {line[1] for line in commands("make")} <= targets
    assert {"demo", "test", "check"} <= {line[1] for line in commands("make")}


@pytest.fixture
def tree_that_is_set_up(tmp_path: Path) -> Path:
    """A folder with the Makefile whose environment is this one, set up already."""
    venv = tmp_path / ".venv"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    for name in ("Makefile", "pyproject.toml", "requirements/runtime.txt", "requirements/dev.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (venv / ".ready").touch()
    return tmp_path


def test_make_demo_starts_the_demo(tree_that_is_set_up: Path) -> None:
    if not Path(sys.executable).with_name("walletd").exists():
        pytest.skip("walletd is not installed in this environment")
    command = ["make", "--no-print-directory", "demo", "PORT=0"]
    with subprocess.Popen(
        command, cwd=tree_that_is_set_up, env=clean_environment(), stdout=subprocess.PIPE, text=True
    ) as make:
        assert make.stdout is not None
        first = make.stdout.readline()
        # Its only child is the demo; make ends when that does.
        child = Path(f"/proc/{make.pid}/task/{make.pid}/children")
        if child.exists():
            subprocess.run(["kill", "-TERM", child.read_text().strip()], check=True)
            assert make.wait(60) == 0
        else:
            make.terminate()
    assert first.startswith("walletd is ready at http://127.0.0.1:")


def test_make_test_runs_all_tests(tree_that_is_set_up: Path) -> None:
    command = ["make", "--no-print-directory", "--dry-run", "test"]
    shown = subprocess.run(
        command, cwd=tree_that_is_set_up, env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == [".venv/bin/python", "-m", "pytest", "-n", "2"]
