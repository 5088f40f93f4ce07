"""The tree as these tests see it: the package's modules, by name, and what each imports."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

NOT_PACKAGE = {"tests", "build", "dist", "data"}
"""Folders of the root that are not part of the package. Hidden ones are not either."""

PEER_SCRIPTS = ROOT / "loadtest" / "peers" / "fastapi_postgres"
"""A service to compare with, shipped as files: it runs in a virtual environment of its own and is no module of ours."""


class Module(NamedTuple):
    """A module of walletd, or a script beside it, and the modules that it names in its imports."""

    name: str
    path: Path
    imports: frozenset[str]


def python_files(folder: Path) -> Iterator[Path]:
    """Every Python file below a folder of the root, hidden and built ones left out."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(ROOT).parts
        if not any(part.startswith(".") or part in ("build", "dist", "data", "__pycache__") for part in parts):
            yield path


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("walletd", *(part for part in parts if part != "__init__")))


def imports_of(path: Path, name: str, known: set[str]) -> frozenset[str]:
    """Every module named by an import statement anywhere in the file, in full: `from .x import y` is x.y if that is a module, else x."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                full = f"{origin}.{alias.name}"
                found.add(full if full in known else origin)
    return frozenset(found)


@pytest.fixture(scope="session")
def modules() -> dict[str, Module]:
    """Every module of the package."""
    paths = {
        module_name(path): path
        for path in python_files(ROOT)
        if path.relative_to(ROOT).parts[0] not in NOT_PACKAGE and path.parent != PEER_SCRIPTS
    }
    return {name: Module(name, path, imports_of(path, name, set(paths))) for name, path in paths.items()}
