"""Sending the load: connections that never wait for one another, in a closed or an open loop.

Closed: each connection sends its next request when the last one is answered. Open: requests are due at times fixed beforehand, whatever
the service does; one that finds no free connection waits, and its latency counts from when it was due, so that a slow service
cannot hide by slowing its clients down.
"""

import asyncio
import random
import time
from collections import deque
from typing import Final, cast

from .answers import Answer, AnswerReader, MalformedAnswer
from .recording import SECOND_NS, Recorder
from .requests import Address, with_key
from .workloads import Kind

PUMP_S: Final = 0.001
"""How often an open loop looks for what is due when no answer makes it look."""

BACKLOG_MAX: Final = 100_000
"""Requests that may be due and unsent; more are dropped, and reported as such."""

RECONNECTS_MAX: Final = 200
"""Connections that one lane may lose without having asked for it."""

CUT_SHARE: Final = 0.05
CUT_AFTER_S_MAX: Final = 0.005


class Lane(asyncio.Protocol):
    """One connection with at most one request under way: `place` in the script (-1: none), and when it was `due`."""

    __slots__ = ("driver", "due", "key", "losses", "place", "reader", "transport")

    def __init__(self, driver: "Driver") -> None:
        self.driver = driver
        self.transport: asyncio.Transport | None = None
        self.reader = AnswerReader()
        self.place = -1
        self.due = 0
        self.key: str | None = None
        self.losses = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self.reader = AnswerReader()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        try:
            answers = self.reader.feed(data)
        except MalformedAnswer as error:
            self.driver.spoilt(self, str(error))
            return
        for answer in answers:
            self.driver.answered(self, answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self.transport = None
        self.driver.lost(self)


class Driver:
    """The lanes of one process: `connect`, then `run`. `rate` is requests a second, 0 for a closed loop."""

    def __init__(
        self,
        address: Address,
        recorder: Recorder,
        *,
        lanes: int,
        rate: float,
        has_keys: bool = False,
        disconnects: bool = False,
        seed: int,
    ) -> None:
        self._address = address
        self._recorder = recorder
        self._script = recorder.script
        self._lanes = [Lane(self) for _ in range(lanes)]
        self._end = 0
        self._rate = rate
        self._has_keys = has_keys
        self._disconnects = disconnects
        self._rng = random.Random(seed)
        self._key_prefix = f"{self._rng.getrandbits(64):016x}"
        self._keys = 0
        self._next_place = 0
        self._next_due = 0.0
        self._free: list[Lane] = []
        self._backlog: deque[int] = deque()
        self._draining = False
        self._loop = asyncio.get_running_loop()
        self._dialling: set[asyncio.Task[None]] = set()
        self._done = asyncio.Event()

    async def connect(self) -> None:
        """Open all connections, some at a time. Raises OSError."""
        for start in range(0, len(self._lanes), 64):
            await asyncio.gather(*(self._dial(lane) for lane in self._lanes[start : start + 64]))

    async def run(self, begin: int, end: int, drain_s: float) -> None:
        """Send from `begin` to `end`, both of the monotonic clock in nanoseconds; then wait for what is under way, up to `drain_s`."""
        self._end = end
        self._next_due = float(begin)
        await asyncio.sleep(max(0.0, (begin - time.monotonic_ns()) / SECOND_NS))
        self._free = list(self._lanes)
        if self._rate:
            await self._run_open()
        else:
            for lane in list(self._free):
                self._proceed(lane)
            await asyncio.sleep(max(0.0, (self._end - time.monotonic_ns()) / SECOND_NS))
        self._draining = True
        if self._recorder.outstanding or self._backlog:
            try:
                async with asyncio.timeout(drain_s):
                    await self._done.wait()
            except TimeoutError:
                pass
        self._close()

    # ---------------------------------------------------------------------------------------------- from the lanes

    def answered(self, lane: Lane, answer: Answer) -> None:
        """A lane has its answer."""
        if lane.place < 0:
            return
        now = time.monotonic_ns()
        if answer.status == 201 and self._disconnects and answer.header("Idempotency-Replayed") == "true":
            self._recorder.out.replayed += 1
        self._recorder.answered(lane.place, lane.due, now, answer, lane.key)
        lane.place = -1
        if answer.closes and lane.transport is not None:
            lane.transport.close()  # `lost` brings it back
            return
        self._proceed(lane)

    def spoilt(self, lane: Lane, reason: str) -> None:
        """A lane received what is not an answer."""
        self._give_up(lane, reason)
        if lane.transport is not None:
            lane.transport.abort()

    def lost(self, lane: Lane) -> None:
        """A lane's connection has ended."""
        if self._draining and not self._recorder.outstanding:
            return
        if lane.place >= 0 and lane.key is None:
            self._give_up(lane, "the service closed the connection")
        lane.losses += not self._disconnects
        if lane.losses <= RECONNECTS_MAX:
            task = self._loop.create_task(self._dial_again(lane))
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)

    # ------------------------------------------------------------------------------------------------------ sending

    def _proceed(self, lane: Lane) -> None:
        """Give a lane without a request its next one."""
        if self._rate:
            self._free.append(lane)
            self._pump()
        elif not self._draining and (now := time.monotonic_ns()) < self._end:
            self._send(lane, now)
        if self._draining and not self._recorder.outstanding and not self._backlog:
            self._done.set()

    def _send(self, lane: Lane, due: int) -> None:
        place = self._next_place
        self._next_place = place + 1 if place + 1 < len(self._script.requests) else 0
        lane.place = place
        lane.due = due
        if self._recorder.start <= due < self._recorder.end:
            self._recorder.out.offered += 1
        request = self._script.requests[place]
        if self._has_keys:
            self._keys += 1
            lane.key = f"{self._key_prefix}-{self._keys}"
            request = with_key(request, lane.key)
        self._recorder.sent(time.monotonic_ns() if self._rate else due)
        self._write(lane, request)

    def _write(self, lane: Lane, request: bytes) -> None:
        transport = lane.transport
        if transport is None:
            return  # `lost` was called or will be, and goes on with this lane
        if self._disconnects and self._rng.random() < CUT_SHARE:
            self._recorder.out.cut += 1
            if self._rng.random() < 0.25:
                request = request[: self._rng.randrange(1, len(request))]
            transport.write(request)
            self._loop.call_later(self._rng.random() * CUT_AFTER_S_MAX, transport.abort)
            return
        transport.write(request)

    async def _dial(self, lane: Lane) -> None:
        await self._loop.create_connection(lambda: lane, self._address.host, self._address.port)

    async def _dial_again(self, lane: Lane) -> None:
        try:
            await self._dial(lane)
        except OSError as error:
            if lane.place >= 0:
                self._give_up(lane, type(error).__name__)
            await asyncio.sleep(0.1)
            if not self._draining:
                self.lost(lane)
            return
        if lane.place >= 0:
            assert lane.key is not None
            self._write(lane, with_key(self._script.requests[lane.place], lane.key))
        else:
            self._proceed(lane)

    def _give_up(self, lane: Lane, reason: str) -> None:
        if lane.place >= 0:
            self._recorder.failed(reason, is_write=self._script.kinds[lane.place] <= Kind.BATCH)
            lane.place = -1
        if self._draining and not self._recorder.outstanding:
            self._done.set()

    # ---------------------------------------------------------------------------------------------------- open loop

    async def _run_open(self) -> None:
        while time.monotonic_ns() < self._end:
            self._pump()
            await asyncio.sleep(PUMP_S)
        self._pump()

    def _pump(self) -> None:
        """Send what is due, oldest first, as far as there are free lanes."""
        now = time.monotonic_ns()
        while self._next_due <= now and self._next_due < self._end:
            if len(self._backlog) < BACKLOG_MAX:
                self._backlog.append(int(self._next_due))
            else:
                self._drop(int(self._next_due))
            # A Poisson process: what arrives knows nothing of what arrived before.
            self._next_due += self._rng.expovariate(self._rate) * SECOND_NS
        while self._backlog and self._free:
            lane = self._free.pop()
            # A lane that was lost while it was free is here twice once it is back.
            if lane.transport is not None and lane.place < 0:
                self._send(lane, self._backlog.popleft())

    def _drop(self, due: int) -> None:
        if self._recorder.start <= due < self._recorder.end:
            self._recorder.out.dropped += 1
            self._recorder.out.offered += 1

    def _close(self) -> None:
        for due in self._backlog:
            self._drop(due)
        self._backlog.clear()
        for lane in self._lanes:
            if lane.place >= 0:
                self._recorder.out.unanswered += 1
                self._recorder.failed("no answer before the end", is_write=self._script.kinds[lane.place] <= Kind.BATCH)
                lane.place = -1
            if lane.transport is not None:
                lane.transport.abort()
        for task in self._dialling:
            task.cancel()
