"""A run: several processes put one workload on a service at the same time, and what they recorded becomes one measurement."""

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import re
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import SpawnProcess
from typing import Any, Final, TypeVar

import msgspec

from .client import Client, Unanswered
from .dialects import DIALECTS
from .histogram import Histogram
from .population import Population
from .processes import CpuTime, CpuUse, machine_idle
from .recording import SECOND_NS, Recorded, stalls
from .requests import Address
from .worker import Broken, Going, Job, Ready, work
from .workloads import BATCH_SIZE, SCRIPT_LENGTH, WORKLOADS, Kind, Script, script_of

LEAD_S: Final = 0.3
"""Between the last process being ready and the first request."""

READY_TIMEOUT_S: Final = 120.0
GRACE_S: Final = 60.0
K = TypeVar("K", int, str)

_FOLD_LAG: Final = re.compile(rb"^walletd_fold_lag_records ([0-9.e+]+)$", re.MULTILINE)

PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
BATCH_CONNECTIONS: Final = 8

FASTEST: Final = 50_000
"""Requests a second that no service answers to one process."""

PLACES_MIN: Final = 1_000

KEPT_BATCH: Final = 50
"""For so many single answers one batch's is kept."""

OTHERS_CORES: Final = 0.4
"""What other programs may use of the machine before a run says so."""

BUSY_CORE: Final = 0.85
"""A process that uses more of a core than this may be what limits the run."""


class RunFailed(Exception):
    """The processes could not do the run."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is done. `rate` is requests a second of all processes together; 0 is a closed loop."""

    workload: str
    connections: int = 64
    processes: int = 1
    rate: float = 0.0
    warmup_s: float = 2.0
    duration_s: float = 10.0
    drain_s: float = 10.0
    seed: int = 1
    read_share: float = 0.5
    keep: int = 1000
    script_length: int = SCRIPT_LENGTH

    @property
    def lanes(self) -> int:
        """Connections in use: batches are large, and few at once keep any service busy."""
        return min(self.connections, BATCH_CONNECTIONS) if WORKLOADS[self.workload].is_batch else self.connections

    @property
    def title(self) -> str:
        """In words."""
        loop = f"open loop at {self.rate:,.0f}/s" if self.rate else "closed loop"
        return f"{WORKLOADS[self.workload].title}, {loop}, {self.lanes} connections"

    @property
    def places(self) -> int:
        """Requests in each process's script: no more than it can come to send."""
        sent = (self.rate or FASTEST) * (self.warmup_s + self.duration_s)
        return min(self.script_length, max(PLACES_MIN, int(sent)))

    @property
    def keep_requests(self) -> int:
        """Answers that each process keeps for the audit; a batch's answer holds many movements."""
        return max(2, self.keep // self.processes // (KEPT_BATCH if WORKLOADS[self.workload].is_batch else 1))


class Measured(msgspec.Struct):
    """A run's measurement. Latencies are milliseconds, rates are transfers (or reads) a second, cores are averages."""

    plan: Plan
    rate: float
    offered_per_s: float
    achieved: int
    dropped: int
    unanswered: int
    refused: dict[int, int]
    failures: dict[str, int]
    unknown: int
    cut: int
    replayed: int
    latency: dict[str, dict[str, float]]
    stall_ms: float
    stall_at_s: float
    own_pause_ms: float
    by_second: list[int]
    worst_ms_by_second: list[float]
    stall_ms_by_second: list[float]
    answer_bytes_mean: float
    client_cores: list[float] | None
    server: CpuUse | None
    machine_idle_cores: float | None
    verdict: str
    histograms: dict[Kind, Histogram]
    recorded: list[Recorded]
    others_cores: float | None = None
    """What other programs used of the machine meanwhile."""
    fold_lag_records: int | None = None
    """How far the service's image was behind when the measured time ended, if the service tells."""

    def figures(self) -> dict[str, Any]:
        """What goes into the results file: everything but the raw records."""
        names = (name for name in self.__struct_fields__ if name not in ("histograms", "recorded"))
        return {name: msgspec.to_builtins(getattr(self, name)) for name in names}


Progress = Callable[[float, int, int, int], None]
"""Told (seconds since the begin, achieved, refused, failed) some times a second."""


def run(
    address: Address, population: Population, plan: Plan, server_pids: Sequence[int], progress: Progress
) -> Measured:
    """Do one run. Raises RunFailed."""
    context = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    pipes: list[multiprocessing.connection.Connection] = []
    try:
        for job in jobs(address, population, plan):
            mine, theirs = context.Pipe()
            process = context.Process(target=work, args=(job, theirs), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            pipes.append(mine)
        clients = [process.pid or 0 for process in processes]
        return _Conductor(address, plan, pipes, clients, server_pids, progress).conduct()
    finally:
        for process in processes:
            process.join(1.0)
            if process.is_alive():
                process.terminate()
                process.join()
        for pipe in pipes:
            pipe.close()


def jobs(address: Address, population: Population, plan: Plan) -> list[Job]:
    """What each process is to do: an even share of the connections and the rate, with a seed of its own."""
    shares = [len(range(index, plan.lanes, plan.processes)) for index in range(plan.processes)]
    return [
        Job(
            address=address, population=population, workload=plan.workload, connections=share,
            rate=plan.rate * share / plan.lanes, warmup_s=plan.warmup_s, duration_s=plan.duration_s, drain_s=plan.drain_s,
            seed=plan.seed * 1_000 + index, read_share=plan.read_share, script_length=plan.places, keep_max=plan.keep_requests,
        )
        for index, share in enumerate(shares) if share
    ]  # fmt: skip


def scripts(address: Address, population: Population, plan: Plan) -> list[Script]:
    """The scripts that the processes of a run have sent, made again from their seeds."""
    workload, dialect = WORKLOADS[plan.workload], DIALECTS[population.dialect]()
    return [
        script_of(
            workload, population, dialect, address, seed=job.seed, read_share=job.read_share, length=job.script_length
        )
        for job in jobs(address, population, plan)
    ]


def fold_lag(address: Address) -> int | None:
    """How many records a service's image is behind, if the service tells."""
    try:
        answer = asyncio.run(Client(address, 1).get("/metrics"))
    except Unanswered:
        return None
    return lag_told(answer.body)


def lag_told(metrics: bytes) -> int | None:
    """The lag of folding among a service's metrics, None where there is none."""
    found = _FOLD_LAG.search(metrics)
    return None if found is None else int(float(found[1]))


class _Conductor:
    """The parent's side of a run."""

    def __init__(
        self,
        address: Address,
        plan: Plan,
        pipes: Sequence[multiprocessing.connection.Connection],
        client_pids: Sequence[int],
        server_pids: Sequence[int],
        progress: Progress,
    ) -> None:
        self._address = address
        self._plan = plan
        self._pipes = list(pipes)
        self._client_pids = client_pids
        self._server_pids = server_pids
        self._progress = progress
        self._ready = 0
        self._going: dict[int, Going] = {}
        self._recorded: dict[int, Recorded] = {}

    def conduct(self) -> Measured:
        self._take_until(lambda: self._ready == len(self._pipes), READY_TIMEOUT_S)
        begin = time.monotonic_ns() + int(LEAD_S * SECOND_NS)
        for pipe in self._pipes:
            pipe.send(begin)
        start = begin + int(self._plan.warmup_s * SECOND_NS)
        end = start + int(self._plan.duration_s * SECOND_NS)
        self._until(begin, start)
        before = self._usage()
        self._until(begin, end)
        after = self._usage()
        lag = fold_lag(self._address)
        self._take_until(lambda: len(self._recorded) == len(self._pipes), self._plan.drain_s + GRACE_S)
        recorded = [self._recorded[index] for index in sorted(self._recorded)]
        done = measured(self._plan, recorded, start, end, before, after)
        done.fold_lag_records = lag
        return done

    def _usage(self) -> "_Usage":
        clients = [CpuTime.of([pid]) for pid in self._client_pids]
        server = CpuTime.of(self._server_pids) if self._server_pids else None
        return _Usage(time.monotonic(), clients, server, machine_idle())

    def _until(self, begin: int, moment: int) -> None:
        while (left := (moment - time.monotonic_ns()) / SECOND_NS) > 0:
            self._take(min(left, 0.25))
            going = self._going.values()
            self._progress(
                (time.monotonic_ns() - begin) / SECOND_NS,
                sum(one.achieved for one in going),
                sum(one.refused for one in going),
                sum(one.failed for one in going),
            )

    def _take_until(self, is_done: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_done():
            if time.monotonic() > deadline:
                raise RunFailed(f"the processes did not get on within {timeout_s:.0f} s")
            self._take(0.25)

    def _take(self, timeout_s: float) -> None:
        for pipe in multiprocessing.connection.wait(self._pipes, timeout_s):
            index = self._pipes.index(pipe)  # type: ignore[arg-type]
            try:
                report = self._pipes[index].recv()
            except EOFError:
                if index in self._recorded:
                    time.sleep(0.01)
                    continue
                raise RunFailed("a process of the load test ended early") from None
            match report:
                case Ready():
                    self._ready += 1
                case Going():
                    self._going[index] = report
                case Broken():
                    raise RunFailed(report.reason)
                case Recorded():
                    self._recorded[index] = report


class _Usage(msgspec.Struct, frozen=True):
    at: float
    clients: list[CpuTime | None]
    server: CpuTime | None
    idle: tuple[float, float] | None


def measured(plan: Plan, recorded: list[Recorded], start: int, end: int, before: _Usage, after: _Usage) -> Measured:
    """One measurement from what all processes recorded between `start` and `end`."""
    seconds = (end - start) / SECOND_NS
    histograms = {kind: Histogram.of([one.histograms[kind] for one in recorded]) for kind in Kind}
    elapsed = after.at - before.at
    uses = [CpuUse.between(first, last, elapsed) for first, last in zip(before.clients, after.clients, strict=True)]
    clients = [use.total for use in uses if use is not None]
    server = CpuUse.between(before.server, after.server, elapsed)
    idle = _idle_cores(before.idle, after.idle)
    found = stalls(recorded, start, end)
    stall_at, stall = max(found, key=lambda one: one[1], default=(start, 0))
    by_second = [sum(counts) for counts in zip(*(one.by_second for one in recorded), strict=True)]
    achieved = sum(one.achieved for one in recorded)
    size = BATCH_SIZE if WORKLOADS[plan.workload].is_batch else 1
    return Measured(
        plan=plan,
        rate=sum(by_second) / seconds,
        offered_per_s=sum(one.offered for one in recorded) * size / seconds,
        achieved=achieved,
        dropped=sum(one.dropped for one in recorded),
        unanswered=sum(one.unanswered for one in recorded),
        refused=_summed([one.refused for one in recorded]),
        failures=_summed([one.failures for one in recorded]),
        unknown=sum(one.unknown for one in recorded),
        cut=sum(one.cut for one in recorded),
        replayed=sum(one.replayed for one in recorded),
        latency={kind.name.lower(): latency_of(histogram) for kind, histogram in histograms.items() if histogram.count},
        stall_ms=stall / 1e6,
        stall_at_s=(stall_at - start) / 1e9,
        own_pause_ms=max(one.own_pause_ns for one in recorded) / 1e6,
        by_second=by_second,
        worst_ms_by_second=[max(worst) / 1e6 for worst in zip(*(one.worst_by_second for one in recorded), strict=True)],
        stall_ms_by_second=[
            max((length / 1e6 for begin, length in found if (begin - start) // SECOND_NS == second), default=0.0)
            for second in range(len(by_second))
        ],
        answer_bytes_mean=sum(one.answer_bytes for one in recorded) / max(1, sum(one.answers for one in recorded)),
        client_cores=clients if len(clients) == len(uses) else None,
        server=server,
        machine_idle_cores=idle,
        verdict=verdict(
            clients if len(clients) == len(uses) else None,
            server,
            idle,
            sum(by_second) / seconds / size,
            is_open=plan.rate > 0,
        ),
        histograms=histograms,
        recorded=recorded,
        others_cores=others_cores(clients if len(clients) == len(uses) else None, server, idle),
    )


def latency_of(histogram: Histogram) -> dict[str, float]:
    """A histogram's percentiles in milliseconds."""
    figures = {name: histogram.percentile(share) / 1000 for name, share in PERCENTILES.items()}
    return {**figures, "max": histogram.highest / 1000, "mean": histogram.mean / 1000, "count": float(histogram.count)}


def verdict(
    clients: list[float] | None, server: CpuUse | None, idle: float | None, requests_per_s: float, *, is_open: bool
) -> str:
    """What limited the run, and the processor time that tells."""
    if clients is None or server is None:
        return "processor time is unknown here, so nothing shows that the service was the limit"
    each = 1e6 / requests_per_s if requests_per_s else 0.0
    seen = (
        f"a request cost the service {server.total * each:,.0f} µs of processor time and the load test {sum(clients) * each:,.0f}; "
        f"the service's busiest thread had {server.busiest_thread:.2f} of a core, the busiest load process {max(clients):.2f}"
    )
    others = others_cores(clients, server, idle)
    if others is not None and others > OTHERS_CORES:
        return f"other programs and the system used {others:.2f} cores meanwhile: the figures are lower than this machine's; {seen}"
    if max(clients) > BUSY_CORE:
        return f"a process of the load test was busy: it may have been the limit; use more processes; {seen}"
    if is_open:
        return f"the load test had time to spare, so latencies are the service's: {seen}"
    if server.total >= BUSY_CORE:
        return f"the load test waited for the service, so the service was the limit: {seen}"
    return f"neither was busy, so more connections, or a faster disk, would show more: {seen}"


def others_cores(clients: list[float] | None, server: CpuUse | None, idle: float | None) -> float | None:
    """What neither the load test nor the service used, and was not idle."""
    if clients is None or server is None or idle is None:
        return None
    return max(0.0, (os.cpu_count() or 1) - sum(clients) - server.total - idle)


def _idle_cores(before: tuple[float, float] | None, after: tuple[float, float] | None) -> float | None:
    if before is None or after is None or after[1] <= before[1]:
        return None
    return (os.cpu_count() or 1) * (after[0] - before[0]) / (after[1] - before[1])


def _summed(counts: list[dict[K, int]]) -> dict[K, int]:
    summed: dict[K, int] = {}
    for one in counts:
        for name, count in one.items():
            summed[name] = summed.get(name, 0) + count
    return summed
