"""Who may import whom: http and storage know the engine and never each other, the engine knows neither, and there are no circles."""

import ast
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions

import pytest

from .conftest import ROOT, Module, imports_of, module_name, python_files

LAYERS = {
    "engine": {"engine"},
    "http": {"http", "engine"},
    "storage": {"storage", "engine"},
}
"""What each layer may import of walletd. Modules of the root are the composition root: they see everything."""

FOREIGN = {
    "engine": {"msgspec"},
    "http": {"aiohttp", "iso4217", "msgspec", "multidict", "openapi_ui_bundles", "prometheus_client", "yarl"},
    "storage": {"aiosqlite", "argon2", "fpdf", "msgspec", "pymupdf_fonts", "segno", "uharfbuzz"},
}
"""What each layer may import of other packages."""

IMPURE = {"sqlite3", "socket", "ssl", "http", "urllib", "pathlib", "shutil", "subprocess", "tempfile", "threading"}
"""Standard modules that the engine has no business with: it has no disk, no network and no threads."""


def layer(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else ""


def is_ours(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] == "walletd"


@pytest.mark.parametrize("which", LAYERS)
def test_a_layer_imports_only_what_it_may(modules: dict[str, Module], which: str) -> None:
    for module in modules.values():
        if layer(module.name) == which:
            wrong = {name for name in module.imports if is_ours(name) and layer(name) not in LAYERS[which]}
            assert not wrong, f"{module.name} imports {wrong}"


@pytest.mark.parametrize("which", FOREIGN)
def test_a_layer_uses_only_its_own_libraries(modules: dict[str, Module], which: str) -> None:
    for module in modules.values():
        if layer(module.name) == which:
            tops = {name.split(".")[0] for name in module.imports if not is_ours(name)}
            wrong = tops - set(sys.stdlib_module_names) - FOREIGN[which]
            assert not wrong, f"{module.name} imports {wrong}"


def test_the_engine_has_no_disk_no_network_and_no_threads(modules: dict[str, Module]) -> None:
    for module in modules.values():
        if layer(module.name) == "engine":
            assert not {name.split(".")[0] for name in module.imports} & IMPURE, module.name


def test_http_never_opens_a_database(modules: dict[str, Module]) -> None:
    for module in modules.values():
        if layer(module.name) == "http":
            assert not {name.split(".")[0] for name in module.imports} & {"sqlite3", "aiosqlite"}, module.name


def test_there_are_no_circles(modules: dict[str, Module]) -> None:
    graph = {module.name: module.imports & set(modules) - {module.name} for module in modules.values()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' → '.join(error.args[1])}")


def test_imports_inside_the_package_are_relative(modules: dict[str, Module]) -> None:
    for module in modules.values():
        for line in module.path.read_text(encoding="utf-8").splitlines():
            assert not line.lstrip().startswith(("from walletd", "import walletd")), f"{module.name}: {line}"


def test_the_load_generator_knows_nothing_of_walletd() -> None:
    for path in python_files(ROOT / "loadtest"):
        named = {name for name in imports_of(path, module_name(path), set()) if is_ours(name)}
        assert all(name.startswith("walletd.loadtest") for name in named), f"{path} imports {named}"


def test_every_library_imported_is_declared_and_the_other_way_round(modules: dict[str, Module]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {text.split(">")[0].split(";")[0].strip().lower() for text in project["dependencies"]}
    distributions = packages_distributions()
    tops = {name.split(".")[0] for module in modules.values() for name in module.imports if not is_ours(name)}
    imported = {distributions[top][0].lower().replace("_", "-") for top in tops - set(sys.stdlib_module_names)}
    assert imported == declared


def test_the_standard_http_wins_where_the_root_is_on_the_path() -> None:
    assert not (ROOT / "http" / "__init__.py").exists()
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import http.client; print(http.__file__)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert str(ROOT) not in shown.stdout


def test_no_module_is_named_like_a_standard_one(modules: dict[str, Module]) -> None:
    for module in modules.values():
        for part in module.name.split(".")[1:]:
            assert part in ("http", "__main__") or part not in sys.stdlib_module_names, module.name


def test_a_module_is_named_after_what_it_holds(modules: dict[str, Module]) -> None:
    for module in modules.values():
        assert not set(module.name.split(".")) & {"utils", "util", "helpers", "helper", "common", "misc", "base"}, (
            module.name
        )


def test_every_module_opens_with_what_it_is(modules: dict[str, Module]) -> None:
    for module in modules.values():
        text = module.path.read_text(encoding="utf-8")
        assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{module.name} has no docstring"
