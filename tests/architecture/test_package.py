"""What is installed is the whole program: the wheel holds every module and data file, installs alone, starts and answers."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest

from .conftest import NOT_PACKAGE, PEER_SCRIPTS, ROOT, Module

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DATA_SUFFIXES = {".sql", ".typed", ".html", ".css", ".js", ".json", ".txt"}


def test_every_folder_with_modules_is_listed_as_a_package(modules: dict[str, Module]) -> None:
    folders = {module.path.parent.relative_to(ROOT) for module in modules.values()}
    packages = {".".join(("walletd", *folder.parts)) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that nothing is left in the tree."""
    source = tmp_path_factory.mktemp("build") / "source"
    left_out = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests", "data")
    shutil.copytree(ROOT, source, ignore=left_out)
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(source / "dist"),
        str(source),
    ]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (source / "dist").glob("*.whl")
    return path


def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(wheel: Path, modules: dict[str, Module]) -> None:
    expected = {f"walletd/{module.path.relative_to(ROOT)}" for module in modules.values()}
    expected |= {f"walletd/{path.relative_to(ROOT)}" for path in PEER_SCRIPTS.glob("*.py")}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        inside = len(parts) > 1 or path.name == "py.typed"
        hidden = any(part.startswith(".") or part.endswith(".egg-info") for part in parts)
        if path.suffix in DATA_SUFFIXES and inside and not hidden and parts[0] not in NOT_PACKAGE | {"requirements"}:
            expected.add(f"walletd/{path.relative_to(ROOT)}")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected
    assert "walletd/storage/schema/" in {name[: name.rfind("/") + 1] for name in names}


def test_the_wheel_alone_installs_starts_and_answers(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=60)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    # Its libraries are the ones that these tests run with; a .pth in another folder is not read, so no editable walletd is.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, timeout=60)

    environment = {name: text for name, text in os.environ.items() if not name.startswith(("WALLETD_", "PYTHON"))}
    where = subprocess.run(
        [venv / "bin" / "python", "-c", "import walletd; print(walletd.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(venv)
    command = [str(venv / "bin" / "walletd"), "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{url}/livez", timeout=30) as answer:
                assert answer.status == 200
            process.terminate()
            assert process.wait(30) == 0
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_locked_dependencies_are_pinned_hashed_and_name_no_place(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    for word in ("http:", "https:", "file://", "--find-links", "--index-url", "--extra-index-url", "--trusted-host"):
        assert word not in text
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert pins
    for line in pins:
        assert "==" in line
        assert line.endswith("\\"), f"{line} has no hash"


def test_the_runtime_lock_holds_every_declared_dependency() -> None:
    declared = {text.split(">")[0] for text in PROJECT["project"]["dependencies"]}
    for name in ("runtime.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text()
        assert declared <= {line.split("==")[0] for line in text.splitlines() if "==" in line}
