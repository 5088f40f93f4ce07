"""The doctor: looks at the machine and the data folder before a server does, and says how to mend what is wrong.

Each check is one line: ok, warn (it runs, but not as well or as safely as it should) or fail (it does not run).
"""

import asyncio
import os
import shutil
import socket
import sqlite3
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final, Literal, NamedTuple

from ..engine.ports import StorageUnusable
from ..engine.refusals import Refusal
from ..settings import Settings, is_loopback
from ..storage.folder import DataFolder, FolderLocked
from . import keys

_FSYNC_SAMPLES: Final = 32
_FSYNC_SLOW_MS: Final = 10.0
_FSYNC_UNLIKELY_MS: Final = 0.02
_CLOCK_YEARS: Final = range(2025, 2100)
_CLOCK_DRIFT_MS_MAX: Final = 5.0


class Finding(NamedTuple):
    """What one check found, and how to mend it where there is something to mend."""

    level: Literal["ok", "warn", "fail"]
    subject: str
    says: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check, in an order in which the first failure is usually the cause of the later ones."""
    yield _python()
    yield _sqlite()
    yield _folder(settings.data)
    yield _lock(settings.data)
    yield _disk(settings)
    yield _flush(settings.data)
    yield _clock()
    yield _port(settings)
    yield _authentication(settings)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info.releaselevel != "final":
        return Finding("warn", "python", f"{version} is a preview.", "Use a released Python.")
    return Finding("ok", "python", f"{version}.")


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < (3, 37, 0):
        return Finding(
            "fail", "sqlite", f"{version} has no STRICT tables.", "Use a Python built with SQLite 3.37 or newer."
        )
    if sqlite3.sqlite_version_info < (3, 51, 3):
        return Finding(
            "ok",
            "sqlite",
            f"{version}. Versions 3.7.0 to 3.51.2 can damage a WAL file that two connections write and reset at once; "
            "walletd is not affected, for one connection alone writes and checkpoints each file.",
        )
    return Finding("ok", "sqlite", f"{version}.")


def _nearest(path: Path) -> Path:
    """The folder itself, or the closest one above it that exists."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.is_dir())


def _folder(data: Path) -> Finding:
    if not data.exists():
        above = _nearest(data)
        if not os.access(above, os.W_OK | os.X_OK):
            return Finding(
                "fail",
                "folder",
                f"{data} is missing and {above} cannot be written.",
                f"Make {data} and give it to this user.",
            )
        return Finding("ok", "folder", f"{data} does not exist yet; it is made at the first start.")
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            "fail", "folder", f"{data} cannot be read and written by this user.", f"Give {data} to this user."
        )
    mode = data.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding("warn", "folder", f"{data} is open to others (mode {mode:04o}).", f"chmod 700 {data}")
    return Finding("ok", "folder", f"{data} is this user's alone.")


def _lock(data: Path) -> Finding:
    if not data.is_dir():
        return Finding("ok", "lock", "No server can be using a folder that does not exist.")
    try:
        folder = DataFolder(data)
        folder.lock()
    except FolderLocked as error:
        return Finding("warn", "lock", str(error), "Stop that server before starting another one on this folder.")
    except StorageUnusable as error:
        return Finding("fail", "lock", f"{error}.", "Use a local file system, and a folder of this user.")
    folder.unlock()
    return Finding("ok", "lock", "No other walletd uses the folder.")


def _disk(settings: Settings) -> Finding:
    free_mib = shutil.disk_usage(_nearest(settings.data)).free // 2**20
    says = f"{free_mib} MiB free; writes are refused below {settings.disk_reserve_mib} MiB."
    if free_mib <= settings.disk_reserve_mib:
        return Finding("fail", "disk", says, "Make room, or lower disk_reserve_mib.")
    if free_mib < 4 * settings.disk_reserve_mib:
        return Finding("warn", "disk", says, "Make room soon.")
    return Finding("ok", "disk", says)


def _flush(data: Path) -> Finding:
    place = _nearest(data)
    try:
        took_ms = statistics.median(_flush_times_ms(place))
    except OSError as error:
        return Finding(
            "fail", "flush", f"A file in {place} cannot be written: {error.strerror}.", "See the lines above."
        )
    says = f"a flush of 4 KiB to {place} takes {took_ms:.2f} ms (median of {_FSYNC_SAMPLES})."
    if took_ms > _FSYNC_SLOW_MS:
        return Finding("warn", "flush", says, "Each acknowledgement waits for a flush: use a faster disk.")
    if took_ms < _FSYNC_UNLIKELY_MS:
        return Finding("warn", "flush", says, "No disk is that fast: this one may not keep data over a loss of power.")
    return Finding("ok", "flush", says)


def _flush_times_ms(place: Path) -> Iterator[float]:
    with TemporaryFile(dir=place) as file:
        for _ in range(_FSYNC_SAMPLES):
            os.write(file.fileno(), bytes(4096))
            start = time.perf_counter()
            os.fsync(file.fileno())
            yield (time.perf_counter() - start) * 1000


def _clock() -> Finding:
    now = datetime.now(UTC)
    if now.year not in _CLOCK_YEARS:
        return Finding("fail", "clock", f"It says {now:%Y-%m-%d}.", "Set the clock; records carry its time for ever.")
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.05)
    drift_ms = abs((time.time() - wall) - (time.monotonic() - steady)) * 1000
    if drift_ms > _CLOCK_DRIFT_MS_MAX:
        return Finding(
            "warn", "clock", f"It jumped by {drift_ms:.0f} ms while it was watched.", "Let NTP slew it, not step it."
        )
    return Finding("ok", "clock", f"{now:%Y-%m-%d %H:%M} UTC, steady.")


def _authentication(settings: Settings) -> Finding:
    if settings.authentication == "off":
        reached = "anyone on this machine" if is_loopback(settings.host) else "anyone who reaches the port"
        level: Literal["ok", "warn"] = "ok" if is_loopback(settings.host) else "warn"
        return Finding(
            level, "authentication", f"Off: {reached} may move money.", "" if level == "ok" else "Turn it on."
        )
    try:
        count = len(keys.active(asyncio.run(keys.keys_in(settings.data))))
    except (Refusal, StorageUnusable) as error:
        return Finding("fail", "authentication", f"The keys cannot be read: {error}", "See the lines above.")
    if not count:
        mend = f"walletd keys create --data {settings.data} --name NAME --scope read --scope write --scope admin"
        return Finding("warn", "authentication", "On, and no API key is valid: nobody can make users or assets.", mend)
    return Finding("ok", "authentication", f"On; {count} valid API keys.")


def _port(settings: Settings) -> Finding:
    place = f"{settings.host} port {settings.port}"
    if settings.port == 0:
        return Finding("ok", "port", "The system chooses one at the start.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as listener:
            # As the server does: connections that are just closing do not hold the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        return Finding(
            "fail",
            "port",
            f"{place} cannot be listened on: {error.strerror}.",
            "Stop what uses it, or choose another port.",
        )
    return Finding("ok", "port", f"{place} is free.")
