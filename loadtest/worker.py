"""One process of a run: it encodes its script, connects, waits for the common start, sends, and hands over what it wrote down."""

import asyncio
import gc
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from .dialects import DIALECTS
from .driver import Driver
from .population import Population
from .recording import SECOND_NS, Recorded, Recorder
from .requests import Address
from .workloads import WORKLOADS, script_of

TICK_S: Final = 0.01
REPORT_S: Final = 0.25


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one process is to do. `rate` is its own share of the run's, 0 for a closed loop."""

    address: Address
    population: Population
    workload: str
    connections: int
    rate: float
    warmup_s: float
    duration_s: float
    drain_s: float
    seed: int
    read_share: float
    keep_max: int
    script_length: int


class Ready(msgspec.Struct, frozen=True):
    """The process is connected. It waits for the time to begin at."""


class Going(msgspec.Struct, frozen=True):
    """How far the process is: what was done in the measured time, and what was refused or failed altogether."""

    achieved: int
    refused: int
    failed: int


class Broken(msgspec.Struct, frozen=True):
    """The process cannot go on."""

    reason: str


Report = Ready | Going | Recorded | Broken


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The fastest event loop there is here."""
    try:
        import uvloop  # here, for it does not exist for every platform
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def work(job: Job, pipe: Connection) -> None:
    """The whole life of the process."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            pipe.send(runner.run(_measure(job, pipe)))
    except OSError as error:
        pipe.send(Broken(f"{job.address.authority}: {error.strerror or error}"))
    except KeyboardInterrupt:
        return
    finally:
        pipe.close()


async def _measure(job: Job, pipe: Connection) -> Recorded:
    workload = WORKLOADS[job.workload]
    dialect = DIALECTS[job.population.dialect]()
    script = script_of(
        workload,
        job.population,
        dialect,
        job.address,
        seed=job.seed,
        read_share=job.read_share,
        length=job.script_length,
    )
    # Set when the parent says when to begin; the connections are open by then.
    recorder = Recorder(script, 0, int(job.duration_s * SECOND_NS), job.keep_max, dialect_has_items=workload.is_batch)
    driver = Driver(
        job.address, recorder, lanes=job.connections, rate=job.rate, has_keys=workload.has_keys,
        disconnects=workload.disconnects, seed=job.seed,
    )  # fmt: skip
    await driver.connect()
    pipe.send(Ready())
    begin = await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    recorder.start = begin + int(job.warmup_s * SECOND_NS)
    recorder.end = recorder.start + int(job.duration_s * SECOND_NS)
    # Nothing that the sending makes is cyclic, and a collection would look like a stall of the service.
    gc.freeze()
    gc.disable()
    ticking = asyncio.create_task(_tick(recorder, pipe))
    await driver.run(begin, recorder.end, job.drain_s)
    ticking.cancel()
    return recorder.finish(time.monotonic_ns())


async def _tick(recorder: Recorder, pipe: Connection) -> None:
    """Measure the pauses of this process itself, and tell how far it is."""
    before = reported = time.monotonic_ns()
    while True:
        await asyncio.sleep(TICK_S)
        now = time.monotonic_ns()
        late = now - before - int(TICK_S * SECOND_NS)
        if now >= recorder.start:
            recorder.out.own_pause_ns = max(recorder.out.own_pause_ns, late)
        if now - reported >= REPORT_S * SECOND_NS:
            out = recorder.out
            pipe.send(Going(out.achieved, sum(out.refused.values()), sum(out.failures.values())))
            reported = now
        before = time.monotonic_ns()
