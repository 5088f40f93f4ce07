"""The storage code in one thread, on a clock that jumps: the same seed gives the same run, and a start costs a few milliseconds.

`aiosqlite` gives each connection a thread; here its calls are made in the caller's turn of the event loop, and others have a turn
after each. What a thread adds, calls on two files at the very same moment, a power cut does not see: it keeps no order between files.
"""

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, TypeVar
from unittest import mock

import aiosqlite

ResultT = TypeVar("ResultT")


class InTurn(aiosqlite.Connection):
    """A connection whose calls are made at once."""

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        return self._connect().__await__()

    async def _connect(self) -> aiosqlite.Connection:
        if self._connection is None:
            self._connection = self._connector()
        return self

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._running or self._connection is None:
            raise ValueError("Connection closed")
        try:
            return fn(*args, **kwargs)
        finally:
            await asyncio.sleep(0)

    def stop(self) -> None:
        """Nothing runs that could be stopped."""
        self._running = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: where the loop would sleep, its clock jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("the run hangs: nothing is left that could happen")
        self.now += max(timeout, 0.0)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now

    def _process_events(self, event_list: Any) -> None:
        assert not event_list


def run(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run to the end, in one thread."""
    with in_turn(), asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(coroutine)


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """Connections made in here have no thread."""
    with mock.patch("aiosqlite.core.Connection", InTurn):
        yield
