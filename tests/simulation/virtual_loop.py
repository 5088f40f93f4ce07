"""An event loop without threads, descriptors or real time: a seeded random source picks which ready callback runs next.

Time is virtual: it jumps to the next timer when nothing is ready, and now and then earlier, as on a machine that is slow. One seed therefore
gives one interleaving, on every machine. `drop` ends it as a crash does: nothing that waits runs on.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context
from random import Random
from types import CoroutineType
from typing import Any, Final

_EARLY_TIMER: Final = 0.02
"""How often a timer is due although something is ready."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """A loop that `run` drives step by step; `steps` counts the callbacks that have run."""

    def __init__(self, random: Random, began: float = 0.0, steps: int = 0) -> None:
        self._draw = random.random
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self._now = began
        self._tasks: list[asyncio.Task[Any]] = []
        self._inner: list[CoroutineType[Any, Any, Any]] = []
        """Coroutines given to a task that may be cancelled before its first step: in any order, that can happen."""
        self.steps = steps
        self.dropped = False
        self.raised: list[str] = []
        """What callbacks raised, which nothing should."""

    # ------------------------------------------------------------------------------------------ what asyncio asks

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """Whether it may still run."""
        return not self.dropped

    def is_closed(self) -> bool:
        """Whether it was dropped."""
        return self.dropped

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback at some later step: in any order."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self.dropped:
            self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback after virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a virtual time."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timer_count += 1
        if not self.dropped:
            heapq.heappush(self._timers, (when, self._timer_count, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer stays in the heap until its time."""

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: object = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        """A task of this loop."""
        task = asyncio.Task(coro, loop=self, name=name if name is None else str(name), context=context)
        self._tasks.append(task)
        frame = coro.cr_frame if isinstance(coro, CoroutineType) else None
        if frame is not None:
            self._inner += [given for given in frame.f_locals.values() if isinstance(given, CoroutineType)]
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what a callback raised. Unread results are no fault here: callers go away, and crashes leave tasks behind."""
        message = context.get("message", "")
        if not self.dropped and "never retrieved" not in message and "destroyed" not in message:
            self.raised.append(f"{message}: {context.get('exception')!r}")

    # ---------------------------------------------------------------------------------------------------- driving

    def run(self, task: "asyncio.Task[Any] | None", steps_max: int) -> bool:
        """Run until the task is done, or nothing is left to run, or `steps` is `steps_max`. Returns whether anything is left."""
        asyncio._set_running_loop(self)
        try:
            return self._run(task, steps_max)
        finally:
            asyncio._set_running_loop(None)

    def _run(self, task: "asyncio.Task[Any] | None", steps_max: int) -> bool:
        ready, draw = self._ready, self._draw
        while self.steps < steps_max:
            if task is not None and task.done():
                return True
            if not ready or (self._timers and draw() < _EARLY_TIMER):
                self._fire()
                if not ready:
                    if not self._timers:
                        return False
                    continue
            last = len(ready) - 1
            if last:
                index = int(draw() * (last + 1))
                ready[index], ready[last] = ready[last], ready[index]
            handle = ready.pop()
            self.steps += 1
            if not handle.cancelled():
                handle._run()
        return True

    def _fire(self) -> None:
        """Let the next timers fall due."""
        if self._timers:
            when = self._timers[0][0]
            self._now = max(self._now, when)
            while self._timers and self._timers[0][0] <= when:
                timer = heapq.heappop(self._timers)[2]
                if not timer.cancelled():
                    self._ready.append(timer)

    def drop(self) -> None:
        """End it at once: no task goes on. Coroutines are closed here, so that when memory is collected changes nothing."""
        self.dropped = True
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                coroutine = task.get_coro()
                assert coroutine is not None
                coroutine.close()
        for inner in self._inner:
            inner.close()
        self._tasks.clear()
        self._inner.clear()


def new_loop(random: Random, after: VirtualLoop | None = None) -> VirtualLoop:
    """A loop; its time and steps go on where another one's ended. The methods of a loop that need a system are missing, and nothing asks for them."""
    if after is None:
        return VirtualLoop(random)  # type: ignore[abstract]
    return VirtualLoop(random, after.time(), after.steps)  # type: ignore[abstract]
