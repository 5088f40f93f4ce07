"""The torture run's table is honest: what was found, or did not run to its end, is shown and fails."""

import sys
from pathlib import Path

import msgspec
import pytest

from walletd.tests.torture import __main__ as torture

REPORTING = """
import pathlib, sys
path = pathlib.Path(sys.argv[sys.argv.index("--report") + 1])
path.write_text({line!r})
sys.exit({code})
"""


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> "list[str]":
    """The script that stands in for a suite."""
    script = [""]
    monkeypatch.setattr(torture, "command", lambda name, seconds, report: [sys.executable, "-c", script[0], "--report", str(report)])  # fmt: skip
    return script


def reporting(found: list[str], code: int) -> str:
    line = msgspec.json.encode(torture.Finding("simulation", 1.5, {"schedules": 12.0}, found)).decode()
    return REPORTING.format(line=line + "\n", code=code)


def test_a_suite_that_finds_nothing_passes_and_is_reported(suite: list[str], tmp_path: Path) -> None:
    suite[0] = reporting([], 0)
    assert torture.main(["--only", "simulation", "--minutes", "0.1", "--report", str(tmp_path / "report")]) == 0
    assert msgspec.json.decode((tmp_path / "report").read_bytes())["figures"] == {"schedules": 12.0}


@pytest.mark.parametrize(
    "script",
    [reporting(["seed 3: money is gone"], 1), reporting([], 1), "import sys; sys.exit(0)", "raise SystemExit(3)"],
    ids=["found", "failed", "silent", "crashed"],
)
def test_what_is_found_or_does_not_end_fails(suite: list[str], script: str) -> None:
    suite[0] = script
    assert torture.main(["--only", "simulation", "--minutes", "0.1"]) == 1


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(SystemExit):
        torture.main(["--only", "simulations"])


def test_every_suite_has_its_module() -> None:
    folder = Path(torture.__file__).parent.parent
    assert [name for name in (*torture.SHARES, *torture.UNTIMED) if not (folder / name / "__main__.py").exists()] == []
