"""A server on one data folder, driven through the warden: started, found ready, killed at an aimed moment, verified."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from walletd.loadtest.requests import Address, address_of

from .aim import Aim, Shot
from .warden import MESSAGE_BYTES, Kill, Launch, Reply, Run

READY: Final = "walletd is ready at "
READY_TIMEOUT_S: Final = 30.0


class WardenLost(Exception):
    """The warden is gone."""


class WardenHandle:
    """The other end of a warden's socket. One command at a time."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: text for name, text in os.environ.items() if not name.startswith("WALLETD_")}
        command = [sys.executable, "-m", f"{__package__}.warden", str(other.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[other.fileno()], env=environment)
        other.close()

    async def ask(self, command: Launch | Kill | Run, *passed: int) -> Reply:
        """Send a command and wait for its reply, which may take as long as the aim allows. Raises WardenLost."""
        return await asyncio.to_thread(self._ask, command, list(passed))

    def _ask(self, command: Launch | Kill | Run, passed: list[int]) -> Reply:
        socket.send_fds(self._socket, [msgspec.json.encode(command)], passed)
        message = self._socket.recv(MESSAGE_BYTES)
        if not message:
            raise WardenLost
        return msgspec.json.decode(message, type=Reply)

    def close(self) -> None:
        """End the warden, and with it every server it has."""
        self._socket.close()
        self._process.wait()


class Server:
    """`walletd serve` on one folder. `log` is everything that its servers have logged."""

    def __init__(self, warden: WardenHandle, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        self._warden = warden
        self._log = folder / "stderr.log"
        self._log.touch()
        self._pid = 0

    @property
    def log(self) -> str:
        """Everything that the servers have logged."""
        return self._log.read_text(encoding="utf-8")

    async def start(self, *, forked: bool) -> Address | None:
        """Start and wait until it answers; None where it ended instead."""
        reading, writing = os.pipe()
        reply = await self._warden.ask(Launch(str(self.data), str(self._log), forked), writing)
        os.close(writing)
        self._pid = reply.pid
        reader = asyncio.create_task(asyncio.to_thread(_line_of, reading))
        if not (await asyncio.wait([reader], timeout=READY_TIMEOUT_S))[0]:
            await self.kill(Aim(name="hangs"))  # which ends the line as well
        line = await reader
        if not line.startswith(READY):
            return None
        return address_of(line.removeprefix(READY).strip())

    async def start_and_kill(self, aim: Aim, *, forked: bool) -> tuple[Shot, bool]:
        """Start and kill at the aimed moment; also whether it had said that it is ready."""
        reading, writing = os.pipe()
        reply = await self._warden.ask(Launch(str(self.data), str(self._log), forked, aim), writing)
        os.close(writing)
        assert reply.shot is not None
        return reply.shot, _line_of(reading).startswith(READY)

    async def kill(self, aim: Aim) -> Shot:
        """Kill at the aimed moment."""
        return await self._end(Kill(self._pid, str(self.data), aim))

    async def stop(self, aim: Aim | None = None) -> Shot:
        """Ask it to stop; with an aim, kill it while it does."""
        return await self._end(Kill(self._pid, str(self.data), aim, stopping=True))

    async def _end(self, command: Kill) -> Shot:
        shot = (await self._warden.ask(command)).shot
        assert shot is not None
        return shot

    async def verify(self, copy: Path) -> str:
        """What `walletd verify` finds wrong with a copy of the folder; nothing, if all is well. The server is down."""
        shutil.copytree(self.data, copy, ignore=shutil.ignore_patterns("media", "*.set-aside*"))
        try:
            reply = await self._warden.ask(Run(["verify", "--data", str(copy)]))
        finally:
            shutil.rmtree(copy)
        return "" if reply.code == 0 else f"exit code {reply.code}: {reply.text.strip()[-500:]}"


def _line_of(descriptor: int) -> str:
    with open(descriptor, encoding="utf-8") as lines:
        return lines.readline()
