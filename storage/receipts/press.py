"""The press: the server's side of the printer process. It is started with the first receipt, fed a few jobs at a time, and started again when it ends.

Invariant: at most WINDOW jobs are with the printer, so one that is waited for never stands behind the backlog, and the pipe never fills.
"""

import asyncio
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from ...engine.receipts import Receipt
from .printer import BATCH_MAX, Job, Reply, Setup

WINDOW: Final = BATCH_MAX
STOP_S: Final = 10.0
"""Time that the printer has at a stop to finish what it has begun."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Reply).decode


class NotPrinted(Exception):
    """A receipt could not be made. `elsewhere`: the fault is not in this receipt, so another try may do: no room, a folder that cannot be written, no printer."""

    def __init__(self, why: str, *, elsewhere: bool = False) -> None:
        self.elsewhere = elsewhere
        super().__init__(why)


class _Waiting:
    """A job and who waits for it."""

    __slots__ = ("done", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Press:
    """Prints receipts in another process."""

    def __init__(self, folder: Path, *, public_url: str = "", fonts: tuple[Path, ...] = ()) -> None:
        setup = Setup(folder=str(folder), public_url=public_url, fonts=tuple(map(str, fonts)))
        self._command = (sys.executable, "-m", f"{__package__}.printer", _encode(setup).decode())
        self._urgent: deque[_Waiting] = deque()
        self._ordinary: deque[_Waiting] = deque()
        self._printing: dict[int, _Waiting] = {}
        self._last = 0
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The printer's process, None when there is none."""
        return self._process.pid if self._process is not None else None

    async def print(self, receipt: Receipt, *, urgent: bool = False) -> None:
        """Return once the receipt is durable on the shelf. The `urgent` go first. Raises NotPrinted."""
        if self._closed:
            raise NotPrinted("the press is closed", elsewhere=True)
        self._last += 1
        waiting = _Waiting(Job(self._last, receipt))
        (self._urgent if urgent else self._ordinary).append(waiting)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="walletd receipt printer")
        self._feed()
        await waiting.done

    async def close(self) -> None:
        """End the printer. What it has begun is finished, if that takes no longer than STOP_S. Safe to call twice."""
        self._closed = True
        if self._running is None:
            return
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        _, late = await asyncio.wait([self._running], timeout=STOP_S)
        if late and self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        """The life of one printer."""
        why = "the printer ended"
        ready = False
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            assert process.stdout is not None
            assert process.stdin is not None
            if self._closed:
                process.stdin.close()
            self._feed()
            async for line in process.stdout:
                reply = _decode(line)
                if reply.id == 0:
                    ready = reply.fault is None
                    why = reply.fault or why
                self._answered(reply)
                self._feed()
            why = f"{why} with status {await process.wait()}"
        except (OSError, msgspec.DecodeError) as error:
            why = f"the printer cannot be used: {error}"
        finally:
            self._end(NotPrinted(why, elsewhere=not ready))

    def _end(self, why: NotPrinted) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        for waiting in (*self._printing.values(), *self._urgent, *self._ordinary):
            if not waiting.done.done():
                waiting.done.set_exception(why)
        self._printing.clear()
        self._urgent.clear()
        self._ordinary.clear()

    def _feed(self) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return
        while len(self._printing) < WINDOW and (self._urgent or self._ordinary):
            waiting = (self._urgent or self._ordinary).popleft()
            if not waiting.done.done():
                self._printing[waiting.job.id] = waiting
                process.stdin.write(_encode(waiting.job) + b"\n")

    def _answered(self, reply: Reply) -> None:
        waiting = self._printing.pop(reply.id, None)
        if waiting is None or waiting.done.done():
            return
        if reply.fault is None:
            waiting.done.set_result(None)
        else:
            waiting.done.set_exception(NotPrinted(reply.fault, elsewhere=reply.elsewhere))
