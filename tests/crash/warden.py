"""The warden: a process that starts servers, watches their files and kills them at the moment that is asked for.

It stands apart from the clients, whose interpreter is busy: from a change in the folder to the kill it takes microseconds. Nine of ten servers it
forks off itself, with everything imported, since importing is most of a start; the others are started as people start them. Commands come as
messages of JSON over a socket, the descriptor of the server's standard output with them, one at a time; it ends with its socket, and its servers with it.
"""

import contextlib
import io
import os
import random
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Final

import msgspec

from walletd import cli

from .aim import Aim, Shot
from .folder_events import Change, FolderEvents

MESSAGE_BYTES: Final = 1 << 20
EXIT_POLL_S: Final = 0.02
STUCK_S: Final = 60.0


class Launch(msgspec.Struct, frozen=True, tag=True):
    """Start a server on `data`, its log appended to `log`; with an aim, kill it."""

    data: str
    log: str
    forked: bool
    aim: Aim | None = None


class Kill(msgspec.Struct, frozen=True, tag=True):
    """Kill a server; with `stopping`, ask it to stop first. Without an aim only wait until it is gone."""

    pid: int
    data: str
    aim: Aim | None
    stopping: bool = False


class Run(msgspec.Struct, frozen=True, tag=True):
    """Run one command of walletd to its end."""

    arguments: list[str]


class Reply(msgspec.Struct, frozen=True):
    """To Launch: the process, and its end if it was aimed at; to Kill: the end; to Run: the exit code and what was printed."""

    pid: int = 0
    shot: Shot | None = None
    code: int = 0
    text: str = ""


def _enter(arguments: list[str], out: int, log: int) -> int:
    """The life of a forked child, up to its exit code."""
    os.dup2(out, 1)
    os.dup2(log, 2)
    os.closerange(3, 256)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), line_buffering=True)
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", closefd=False), line_buffering=True)
    random.seed()
    return cli.main(arguments)


def _fork(arguments: list[str], out: int, log: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = _enter(arguments, out, log)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - the child must never return into the warden
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _end_of(pid: int, *, wait: bool) -> int | None:
    found, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _await_moment(pid: int, aim: Aim, events: FolderEvents) -> tuple[bool, int | None]:
    """Whether the aimed change was seen, and the exit code if the server ended by itself before."""
    ready_at = time.monotonic() + aim.after_s
    while (now := time.monotonic()) < ready_at:
        if (code := _end_of(pid, wait=False)) is not None:
            return False, code
        time.sleep(min(EXIT_POLL_S, ready_at - now))
    if aim.file is None:
        return True, None
    if aim.after_s:
        while events.read(0.0):
            pass
    seen, deadline = 0, time.monotonic() + aim.limit_s
    while time.monotonic() < deadline:
        for name, change in events.read(min(deadline, time.monotonic() + EXIT_POLL_S)):
            seen += name == aim.file and bool(change & Change(aim.change))
        if seen >= aim.count:
            return True, None
        if (code := _end_of(pid, wait=False)) is not None:
            return False, code
    return False, None


def shoot(pid: int, aim: Aim, events: FolderEvents) -> Shot:
    """Kill the server at the aimed moment, at the latest when its time is over."""
    hit, code = _await_moment(pid, aim, events)
    if code is not None:
        return Shot(hit=False, exited=True, code=code)
    spun = time.perf_counter_ns() + aim.delay_us * 1000
    while time.perf_counter_ns() < spun:
        pass
    os.kill(pid, signal.SIGKILL)
    code = _end_of(pid, wait=True)
    assert code is not None
    return Shot(hit=hit, exited=code != -signal.SIGKILL, code=code)


class Warden:
    """Carries out commands."""

    def __init__(self) -> None:
        self._alive: set[int] = set()

    def carry_out(self, command: Launch | Kill | Run, passed: list[int]) -> Reply:
        """One command, with the descriptors that came with it."""
        match command:
            case Launch():
                return self.launch(command, passed[0])
            case Kill():
                return self.kill(command)
            case Run():
                return self.run(command)

    def launch(self, command: Launch, out: int) -> Reply:
        """See Launch."""
        events = FolderEvents(Path(command.data)) if command.aim is not None else None
        arguments = ["serve", "--data", command.data, "--port", "0"]
        log = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if command.forked:
                pid = _fork(arguments, out, log)
            else:
                pid = subprocess.Popen([sys.executable, "-m", "walletd", *arguments], stdout=out, stderr=log).pid
        finally:
            os.close(log)
        self._alive.add(pid)
        if command.aim is None or events is None:
            return Reply(pid=pid)
        shot = shoot(pid, command.aim, events)
        events.close()
        self._alive.discard(pid)
        return Reply(pid=pid, shot=shot)

    def kill(self, command: Kill) -> Reply:
        """See Kill."""
        events = FolderEvents(Path(command.data))
        if command.stopping:
            os.kill(command.pid, signal.SIGTERM)
        aim = command.aim
        if aim is None:  # a server that hangs is killed in the end, and its exit code tells
            aim = Aim(name="never", after_s=STUCK_S)
        shot = shoot(command.pid, aim, events)
        events.close()
        self._alive.discard(command.pid)
        return Reply(pid=command.pid, shot=shot)

    def run(self, command: Run) -> Reply:
        """See Run."""
        with os.fdopen(os.memfd_create("output"), "r+b") as output:
            pid = _fork(command.arguments, output.fileno(), output.fileno())
            ended_by, code = time.monotonic() + STUCK_S, None
            while code is None:
                if time.monotonic() > ended_by:
                    os.kill(pid, signal.SIGKILL)
                code = _end_of(pid, wait=time.monotonic() > ended_by)
                time.sleep(EXIT_POLL_S)
            output.seek(0)
            return Reply(code=code, text=output.read().decode(errors="replace"))

    def close(self) -> None:
        """Kill what still runs."""
        for pid in self._alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def main(descriptor: int) -> None:
    """Serve commands until the socket ends."""
    warden = Warden()
    decoder = msgspec.json.Decoder(Launch | Kill | Run)
    with socket.socket(fileno=descriptor) as commands:
        try:
            while True:
                message, passed, _, _ = socket.recv_fds(commands, MESSAGE_BYTES, 1)
                if not message:
                    return
                commands.send(msgspec.json.encode(warden.carry_out(decoder.decode(message), passed)))
                for one in passed:
                    os.close(one)
        finally:
            warden.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
