"""The comparison: walletd beside its peers, the same load on each, in turns.

All services stay up for the whole comparison, and only one has work at a time. Rounds go through them in alternating order and
medians are taken, so that a machine that gets slower or faster meanwhile does not decide. Ratios compare with walletd.
"""

import contextlib
import statistics
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from . import machine, results, screen
from .client import Client
from .peers import postgres
from .population import CONNECTIONS, Population, open_v1, treasury_of
from .processes import start
from .requests import Address
from .runs import Measured, Plan, run
from .session import loop_run, temporary_folder, temporary_walletd
from .workloads import WORKLOADS

TARGETS: Final = ("walletd", "echo", "echo-application", "postgres")
ASSET: Final = "USD"
FUNDING_MINOR: Final = 1_000_000
_ECHO: Final = Path(__file__).parent / "peers" / "echo.py"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared. `dialect` is the one of single transfers; batches are always /v1's."""

    targets: tuple[str, ...]
    workloads: tuple[str, ...]
    rounds: int
    plan: Plan
    dialect: str
    wallets: int
    folder: Path | None
    results: Path | None


class _Target(msgspec.Struct, frozen=True):
    """A service, its processes, and its wallets by dialect: a workload runs where its dialect has some."""

    address: Address
    pids: tuple[int, ...]
    populations: dict[str, Population]


def perform(options: Options, console: Console) -> dict[str, Any]:
    """Do the comparison, print it, and return its row. Raises NotStarted, Unavailable, RunFailed, Unanswered."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_folder(options.folder))
        targets = {name: _start(name, options, folder, stack) for name in options.targets}
        options = _spoken(options, targets)
        figures = _rounds(options, targets)
        row: dict[str, Any] = {
            "at": results.now(), "commit": machine.commit(), "machine": machine.machine(), "file_system": machine.file_system(folder),
            "settings": {
                "dialect": options.dialect, "wallets": options.wallets, "rounds": options.rounds, "plan": msgspec.to_builtins(options.plan),
            },
            "compared": {workload: _compared(runs) for workload, runs in figures.items()},
        }  # fmt: skip
    _print(console, row["compared"])
    print(results.line(row))
    results.append(options.results, row)
    return row


def _rounds(options: Options, targets: dict[str, _Target]) -> dict[str, dict[str, list[Measured]]]:
    figures: dict[str, dict[str, list[Measured]]] = {workload: {} for workload in options.workloads}
    for number in range(options.rounds):
        order = list(targets) if number % 2 == 0 else list(reversed(targets))
        for workload in options.workloads:
            plan = msgspec.structs.replace(options.plan, workload=workload, seed=options.plan.seed + number)
            for name in order:
                population = _population(targets[name], options.dialect, is_batch=WORKLOADS[workload].is_batch)
                if population is None:
                    continue
                with screen.run_progress(plan) as progress:
                    measured = run(targets[name].address, population, plan, targets[name].pids, progress)
                told = screen.counted(measured)
                print(f"round {number + 1}, {workload}, {name}, dialect {population.dialect}: {told}", file=sys.stderr)
                figures[workload].setdefault(name, []).append(measured)
    return figures


def _population(target: _Target, dialect: str, *, is_batch: bool) -> Population | None:
    """The wallets in the dialect that is compared, or in the one that the service speaks; only /v1 has batches."""
    if is_batch:
        return target.populations.get("v1")
    return target.populations.get(dialect) or next(iter(target.populations.values()))


def _start(name: str, options: Options, folder: Path, stack: contextlib.ExitStack) -> _Target:
    numbered = tuple(str(number) for number in range(1, options.wallets + 1))
    existing = Population("a", ASSET, numbered, None, FUNDING_MINOR)
    if name == "postgres":
        peer = stack.enter_context(postgres.peer(options.wallets, FUNDING_MINOR, options.folder))
        return _Target(peer.service.address, peer.pids, {"a": existing})
    if name == "walletd":
        server = stack.enter_context(temporary_walletd(folder))
        return _Target(server.address, (server.process.pid,), _walletd_populations(options, server.address))
    command = [sys.executable, str(_ECHO), name.removeprefix("echo-") if name != "echo" else "low-level"]
    echo = start(command, folder, folder / f"{name}.log")
    stack.callback(echo.stop)
    # Ids of the same length as walletd's, which makes requests and answers as long as its own.
    ids = tuple(f"00000000-0000-4000-8000-{number:012x}" for number in range(1, options.wallets + 1))
    return _Target(
        echo.address, (echo.process.pid,), {"a": existing, "v1": Population("v1", ASSET, ids, ids[0], FUNDING_MINOR)}
    )


def _walletd_populations(options: Options, address: Address) -> dict[str, Population]:
    client = Client(address, min(CONNECTIONS, options.wallets))
    with screen.setup_progress() as progress:
        wallets, users = loop_run(open_v1(client, options.wallets, ASSET, FUNDING_MINOR, progress))
    treasury = loop_run(treasury_of(client, ASSET))
    return {
        "v1": Population("v1", ASSET, tuple(wallets), treasury, FUNDING_MINOR),
        "a": Population("a", ASSET, tuple(users), treasury, FUNDING_MINOR),
    }


def _spoken(options: Options, targets: dict[str, _Target]) -> Options:
    """The options with a dialect that walletd speaks, so that it and the echo are asked the same."""
    if options.dialect != "a" or "walletd" not in targets:
        return options
    client = Client(targets["walletd"].address, 1)
    first = targets["walletd"].populations["a"].ids[0]
    if loop_run(client.get(f"/wallet/{first}/balance")).status == 200:
        return options
    print("walletd does not speak dialect A: /v1 is compared", file=sys.stderr)
    return msgspec.structs.replace(options, dialect="v1")


def _compared(runs: dict[str, list[Measured]]) -> dict[str, Any]:
    """Each service's medians, and walletd's rate as a multiple of its."""
    rows: dict[str, Any] = {}
    for name, measured in runs.items():
        latencies = [next(iter(one.latency.values()), {}) for one in measured]
        rows[name] = {
            "rate": statistics.median(one.rate for one in measured),
            "rates": [one.rate for one in measured],
            "p50": statistics.median(one.get("p50", 0.0) for one in latencies),
            "p99": statistics.median(one.get("p99", 0.0) for one in latencies),
            "stall_ms": max(one.stall_ms for one in measured),
            "answer_bytes": statistics.median(one.answer_bytes_mean for one in measured),
            "server_cores": statistics.median(one.server.total for one in measured if one.server)
            if measured[0].server
            else None,
            "client_cores": max((max(one.client_cores) for one in measured if one.client_cores), default=None),
            "refused": sum(sum(one.refused.values()) for one in measured),
            "failed": sum(sum(one.failures.values()) for one in measured),
        }
    own = rows.get("walletd", {}).get("rate")
    for row in rows.values():
        row["walletd_is"] = own / row["rate"] if own and row["rate"] else None
    return rows


def _print(console: Console, compared: dict[str, dict[str, Any]]) -> None:
    table = Table(
        "workload", "service", "per second", "walletd ÷ it", "p50 ms", "p99 ms", "stall ms", "answer bytes", "cores, service",
        "cores, load", "refused, failed", box=None, pad_edge=False,
    )  # fmt: skip
    for column in table.columns[2:]:
        column.justify = "right"
    for workload, rows in compared.items():
        for name, row in rows.items():
            ratio = row["walletd_is"]
            table.add_row(
                workload, name, f"{row['rate']:,.0f}", "?" if ratio is None else f"{ratio:,.2f}", f"{row['p50']:,.2f}",
                f"{row['p99']:,.2f}", f"{row['stall_ms']:,.0f}", f"{row['answer_bytes']:,.0f}", screen.cores(row["server_cores"]),
                screen.cores(row["client_cores"]), f"{row['refused']:,}, {row['failed']:,}",
            )  # fmt: skip
    console.print(table)
