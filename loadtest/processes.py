"""Processes that the load test starts, and what the system says about them and about others: processor time, memory, who listens.

Processes are ended by their own id, and only those that were started here. Where the system has no /proc, figures are None.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from .requests import Address, address_of

PROC: Final = Path("/proc")
READY: Final = " is ready at "
START_TIMEOUT_S: Final = 600.0
STOP_TIMEOUT_S: Final = 120.0


class NotStarted(Exception):
    """A process did not come to the point where it can be used."""


class Started(msgspec.Struct):
    """A service that was started here. `log` has what it wrote to stderr."""

    process: subprocess.Popen[str]
    address: Address
    log: Path

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and wait. The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.process.returncode


def start(command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str] | None = None) -> Started:
    """Start a service that prints `… is ready at URL`, and wait for that. Raises NotStarted."""
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    # A service that never gets ready is ended, which ends the reading below.
    watchdog = threading.Timer(START_TIMEOUT_S, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            if READY in line:
                return Started(process, address_of(line.split(READY)[1].strip()), log)
    finally:
        watchdog.cancel()
    code = Started(process, Address("", 0), log).stop()
    written = log.read_text(errors="replace").strip().splitlines()
    raise NotStarted(f"{' '.join(command)} ended with {code}: {written[-1] if written else 'it wrote nothing'}")


@contextlib.contextmanager
def started(command: Sequence[str], folder: Path, log: Path) -> Iterator[Started]:
    """A service for the time of a block."""
    service = start(command, folder, log)
    try:
        yield service
    finally:
        service.stop()


def walletd(data: Path, *arguments: str) -> list[str]:
    """The command of a server on a data folder, at a port that the system chooses."""
    return [sys.executable, "-m", "walletd", "serve", "--data", str(data), "--port", "0", *arguments]


def is_loopback(host: str) -> bool:
    """Whether every address of the host is this machine's own."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(str(entry[4][0]).startswith("127.") or entry[4][0] == "::1" for entry in found)


def listener_of(address: Address) -> int | None:
    """The process that listens on a port of this machine, if the system lets us know."""
    suffix = f":{address.port:04X}"
    inodes = set()
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(suffix) and fields[3] == "0A":
                    inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if any(str(link.readlink()) in inodes for link in (folder / "fd").iterdir()):
                    return int(folder.name)
    return None


def tree_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in (PROC / str(one) / "task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


class CpuTime(msgspec.Struct, frozen=True):
    """Processor seconds used so far by some processes: by each thread that lives, and by all together."""

    threads: dict[int, float]
    total: float

    @classmethod
    def of(cls, pids: Sequence[int]) -> "CpuTime | None":
        """Of these processes and those that descend from them. None where the system does not tell."""
        threads: dict[int, float] = {}
        total = 0.0
        tick = os.sysconf("SC_CLK_TCK")
        for pid in {one for root in pids for one in tree_of(root)}:
            with contextlib.suppress(OSError):
                total += _ticks(PROC / str(pid) / "stat") / tick
                for task in (PROC / str(pid) / "task").iterdir():
                    threads[int(task.name)] = _ticks(task / "stat") / tick
        return cls(threads, total) if threads else None


class CpuUse(msgspec.Struct, frozen=True):
    """Cores in use on average: by all, and by the busiest thread."""

    total: float
    busiest_thread: float

    @classmethod
    def between(cls, before: CpuTime | None, after: CpuTime | None, seconds: float) -> "CpuUse | None":
        """None if either end is unknown."""
        if before is None or after is None or seconds <= 0:
            return None
        threads = [used - before.threads.get(thread, 0.0) for thread, used in after.threads.items()]
        return cls((after.total - before.total) / seconds, max(threads, default=0.0) / seconds)


def machine_idle() -> tuple[float, float] | None:
    """(idle, all) processor seconds of the whole machine since it started."""
    try:
        fields = [int(field) for field in (PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return None
    return float(fields[3] + fields[4]), float(sum(fields))


def resident_bytes(pid: int) -> int | None:
    """The physical memory that a process holds."""
    try:
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def _ticks(stat: Path) -> int:
    # The name in parentheses may hold anything, so the fields are counted from its end.
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
