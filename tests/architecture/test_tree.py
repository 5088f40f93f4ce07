"""The tree keeps its promises to a reader: a changelog with what is new, no leftovers, nothing that is of one machine only."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, python_files


def text_files() -> list[Path]:
    names = [path for path in ROOT.iterdir() if path.is_file()]
    deeper = [
        *python_files(ROOT),
        *ROOT.glob("storage/schema/*.sql"),
        *ROOT.glob("requirements/*"),
        *ROOT.glob("*/*.md"),
        *ROOT.glob("loadtest/*.jsonl"),
        ROOT / ".ci" / "run",
    ]
    return sorted({*names, *deeper} - {Path(__file__)})


def test_the_changelog_has_an_unreleased_section_on_top() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"


@pytest.mark.parametrize("path", text_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_no_leftovers_and_no_places_of_one_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text.replace('"XXX"', ""))
    assert not re.search(r"/home/\w|/root/|/Users/\w|/work/", text)
    assert text == "" or text.endswith("\n")


@pytest.mark.parametrize("arguments", [("-O",), ("-OO",)])
def test_walletd_refuses_to_run_without_its_asserts(arguments: tuple[str, ...], tmp_path: Path) -> None:
    command = [sys.executable, *arguments, "-m", "walletd", "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "-O" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_make_knows_every_target_it_names() -> None:
    text = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"^#   make (\w+)", text, re.MULTILINE))
    targets = set(re.findall(r"^(\w+):", text, re.MULTILINE))
    assert {"demo", "test", "check", "setup"} <= named <= targets


def test_ci_runs_the_same_words_as_the_readme() -> None:
    words = set(re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
    assert words == {"setup", "lint", "types", "test"}
