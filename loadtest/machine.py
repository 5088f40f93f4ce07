"""What a measurement was taken on: the machine, the commit, the versions. Without it a figure says nothing."""

import os
import platform
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, Final

from .client import Client, Unanswered

_ROOT: Final = Path(__file__).resolve().parents[1]


def machine() -> dict[str, Any]:
    """The processor, the number of cores, the memory and the system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,  # of this interpreter, which is also a server's that is started here
    }


def commit() -> str:
    """The commit of this checkout, with a `+` if files differ from it; `unknown` outside of one."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD").strip()
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no").strip() else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, `unknown` where the system does not tell."""
    best, kind = "", "unknown"
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return kind
    for line in lines:
        _, point, name, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, name
    return kind


async def service(client: Client) -> dict[str, Any] | str:
    """What the service says about itself at /version, or `unknown`."""
    try:
        told = await client.read("/version")
    except Unanswered:
        return "unknown"
    return told if isinstance(told, dict) else str(told)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=True, timeout=10)
    return ran.stdout
