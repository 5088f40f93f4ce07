"""The FastAPI and PostgreSQL peer: an environment of its own, a cluster of its own on a temporary folder, and the service on it.

Nothing of an existing PostgreSQL is touched: the cluster listens on a Unix socket in its own folder only, and both go away at the end.
PostgreSQL refuses to run as root, so for root it runs as the distribution's user `postgres`.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ..processes import Started, start

_HERE: Final = Path(__file__).parent
_REQUIREMENTS: Final = _HERE / "requirements.txt"
_SERVICE: Final = _HERE / "fastapi_postgres"
_USER: Final = "postgres"
_START_TIMEOUT_S: Final = 60.0

SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "listen_addresses": "",
    "max_connections": "64",
}
"""As durable as walletd, and with room enough that no checkpoint falls into a run."""


class Unavailable(Exception):
    """The peer cannot be measured here."""


class Peer(NamedTuple):
    """The service, and all processes that it consists of."""

    service: Started
    pids: tuple[int, ...]


@contextlib.contextmanager
def peer(users: int, funding_minor: int, parent: Path | None) -> Iterator[Peer]:
    """The service with users 1 to `users`, who hold `funding_minor` each. Raises Unavailable, NotStarted."""
    binaries = _binaries()
    python = _environment()
    with tempfile.TemporaryDirectory(prefix="peer-", dir=parent) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            try:
                owner = pwd.getpwnam(_USER)
            except KeyError:
                raise Unavailable(f"PostgreSQL does not run as root, and there is no user {_USER}") from None
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        with _cluster(binaries, folder) as postgres:
            schema = ["-v", "ON_ERROR_STOP=1", "-v", f"users={users}", "-v", f"funding={funding_minor}", "-f", "-"]
            with (_SERVICE / "schema.sql").open() as text:
                _run(
                    [str(binaries / "psql"), "-q", "-h", name, "-U", _USER, "-d", "postgres", *schema],
                    stdin=text.fileno(),
                )
            environment = {**os.environ, "PEER_DATABASE": f"postgresql+asyncpg://{_USER}@/postgres?host={name}"}
            service = start([str(python), str(_SERVICE / "serve.py")], _SERVICE, folder / "service.log", environment)
            try:
                yield Peer(service, (service.process.pid, postgres.pid))
            finally:
                service.stop()


@contextlib.contextmanager
def _cluster(binaries: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    data = folder / "data"
    _run(
        [
            *_as_owner(),
            str(binaries / "initdb"),
            "-D",
            str(data),
            "-A",
            "trust",
            "-U",
            _USER,
            "--encoding=UTF8",
            "--no-locale",
        ],
        cwd=folder,
    )
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [*_as_owner(), str(binaries / "postgres"), "-D", str(data), "-k", str(folder), *options]
    with (folder / "postgres.log").open("wb") as log:
        postgres = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while subprocess.run([str(binaries / "pg_isready"), "-q", "-h", str(folder)], check=False).returncode:
            if postgres.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(
                    f"PostgreSQL did not start: {(folder / 'postgres.log').read_text(errors='replace')[-500:]}"
                )
            time.sleep(0.1)
        yield postgres
    finally:
        postgres.send_signal(signal.SIGINT)  # a fast shutdown
        try:
            postgres.wait(60)
        except subprocess.TimeoutExpired:
            postgres.send_signal(signal.SIGQUIT)
            postgres.wait()


def _binaries() -> Path:
    """The folder of PostgreSQL's programs; distributions keep them off the path, by version."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts[-3].zfill(4))
    if not versions:
        raise Unavailable("PostgreSQL is not installed")
    return versions[-1].parent


def _environment() -> Path:
    """The interpreter of the peer's environment, which is made if it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes() + version.encode()).hexdigest()[:12]
    folder = cache / "walletd-loadtest" / f"peer-{digest}"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        print("making the peer's environment", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(_REQUIREMENTS)])
        ready.touch()
    return python


def _as_owner() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"]


def _run(command: Sequence[str], *, cwd: Path | None = None, stdin: int = subprocess.DEVNULL) -> None:
    ran = subprocess.run(command, cwd=cwd, stdin=stdin, capture_output=True, text=True, check=False, timeout=900)
    if ran.returncode:
        raise Unavailable(f"{Path(command[0]).name} ended with {ran.returncode}: {ran.stderr.strip()[-500:]}")
