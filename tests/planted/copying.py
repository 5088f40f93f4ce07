"""A copy of the tree that is imported as `walletd` by its own interpreter, whatever the environment says."""

import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

ORIGIN_PLUGIN: Final = '''"""Ends a run with 86 if anything of walletd came from elsewhere than the copy, or nothing of it was imported."""
import sys
from pathlib import Path

COPY = Path({copy!r})


def pytest_sessionfinish(session):
    files = [getattr(module, "__file__", None) for name, module in list(sys.modules.items())
             if name == "walletd" or name.startswith("walletd.")]
    foreign = [file for file in files if file and COPY not in Path(file).resolve().parents]
    if foreign or "walletd" not in sys.modules:
        print("NOT THE COPY:", foreign[:3])
        session.exitstatus = 86
'''
"""Why nobody need trust the path: what was imported is looked at when a run ends."""

FOREIGN: Final = 86


class Copy:
    """A copy in `folder`. `python` is an interpreter, and `tree` the package, that belong together.

    Tests start servers with the running interpreter and drop the environment; only an interpreter of its own survives that.
    """

    def __init__(self, folder: Path, files: tuple[str, ...]) -> None:
        self.folder = folder.resolve()
        self.tree = self.folder / "walletd"
        for name in files:
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.tree / name)
        home = self.folder / "python"
        venv.create(home, symlinks=True, with_pip=False)
        self.python = home / "bin" / "python"
        (packages,) = home.glob("lib/python*/site-packages")
        # A path named here is searched, but its own .pth files are not read: no editable install points back.
        paths = dict.fromkeys((str(self.folder), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
        (packages / "planted.pth").write_text("".join(f"{path}\n" for path in paths))
        (packages / "planted_origin.py").write_text(ORIGIN_PLUGIN.format(copy=str(self.tree)))

    def write(self, texts: dict[str, str]) -> None:
        """Put changed files in place."""
        for name, text in texts.items():
            (self.tree / name).write_text(text)


def tree_files() -> tuple[str, ...]:
    """The files of the working tree, tracked or not, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return tuple(name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file())
