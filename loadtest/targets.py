"""Every target of walletd, measured in one go: rates beside the echo and the peer, latency, stalls, the start, memory and a long history.

Rates are taken in rounds, in which the services take turns, so that what the machine does meanwhile happens to all of them. What
needs many wallets is measured afterwards on a folder that is built once.
"""

import contextlib
import statistics
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from . import compare, goals, history, machine, quiet, results, stalling, startup
from .client import Client
from .dialects import DigitalWallet
from .peers.postgres import Unavailable
from .population import Population, treasury_of
from .runs import Measured, Plan
from .services import ASSET, FUNDING_MINOR, Service, settle, start_service, told
from .session import loop_run, temporary_folder

PARTS: Final = ("single", "wide", "v1", "open", "hot", "treasury", "batch", "start", "stall", "history")
RATES: Final = frozenset({"single", "wide", "v1", "open", "hot", "treasury", "batch"})
LARGE: Final = frozenset({"start", "stall", "history"})
OPEN_SHARE: Final = 0.8
WIDE_CONNECTIONS: Final = 256
LARGE_AUDIT_MAX: Final = 20_000
"""Balances that an audit of very many wallets compares."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int
    wallets: int
    duration_s: float
    warmup_s: float
    large_wallets: int
    tail: int
    entries: int
    pages: int
    stall_s: float


FULL: Final = Sizes(
    rounds=3, wallets=100_000, duration_s=6.0, warmup_s=1.5, large_wallets=1_000_000, tail=300_000, entries=1_000_000,
    pages=1_000, stall_s=40.0,
)  # fmt: skip
QUICK: Final = Sizes(
    rounds=1, wallets=10_000, duration_s=2.0, warmup_s=0.5, large_wallets=50_000, tail=20_000, entries=20_000, pages=200,
    stall_s=8.0,
)  # fmt: skip


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured, and where the figures go. `table` is a file with a place for the table."""

    parts: frozenset[str]
    sizes: Sizes
    connections: int
    processes: int
    seed: int
    folder: Path | None
    results: Path | None
    table: Path | None

    @property
    def plan(self) -> Plan:
        """The closed loop that all rates are taken with."""
        return Plan(
            workload="random", connections=self.connections, processes=self.processes, warmup_s=self.sizes.warmup_s,
            duration_s=self.sizes.duration_s, seed=self.seed,
        )  # fmt: skip


class _Case(NamedTuple):
    """One load, and who bears it."""

    part: str
    workload: str
    dialect: str
    services: tuple[str, ...]
    connections: int | None = None
    """Other than of all cases."""


_CASES: Final = (
    _Case("single", "random", DigitalWallet.name, ("walletd", "echo", "postgres")),
    _Case("wide", "random", DigitalWallet.name, ("walletd", "echo"), WIDE_CONNECTIONS),
    _Case("v1", "random", "v1", ("walletd", "echo")),
    _Case("hot", "hot", "v1", ("walletd", "postgres")),
    _Case("treasury", "treasury", "v1", ("walletd", "postgres")),
    _Case("batch", "batch", "v1", ("walletd", "echo")),
)
_NEEDS: Final = {"open": {"single"}, "hot": {"v1", "single"}, "treasury": {"v1", "single"}}
"""What a part is a share of."""


def perform(options: Options, console: Console) -> bool:
    """Measure, print, and write down. Whether every audit was clean; goals that were missed are told, and are no failure.

    Raises NoPlace, NotStarted, RunFailed, Unanswered.
    """
    if options.table is not None:
        goals.check_place(options.table)
    watch = quiet.Watch.begin()
    figures: dict[str, Any] = {}
    audits: dict[str, Any] = {}
    with temporary_folder(options.folder) as folder:
        if options.parts & RATES:
            _rates(options, folder, figures, audits)
        if options.parts & LARGE:
            _large(options, folder, figures, audits)
        file_system = machine.file_system(folder)
    row: dict[str, Any] = {
        "at": results.now(), "commit": machine.commit(), "machine": machine.machine(), "file_system": file_system,
        "settings": {
            "parts": sorted(options.parts), "connections": options.connections, "processes": options.processes, "seed": options.seed,
            **msgspec.to_builtins(options.sizes),
        },
        "noise": watch.end([rates["others_cores"] for part in figures.get("rates", {}).values() for rates in part.values()]), "targets": figures, "audits": audits,
    }  # fmt: skip
    rows = goals.rows_of(figures)
    under = _under(row)
    _print(console, rows, [*under, *figures.get("known_by", ()), *compare.audit_lines(audits)])
    if options.table is not None:
        goals.put(options.table, goals.markdown(rows, under))
    results.append(options.results, row)
    if options.results is None:
        console.print(results.line(row), highlight=False, markup=False, soft_wrap=True)
    return not any(audit["found"] for audit in audits.values())


# ------------------------------------------------------------------------------------------------------------- rates


def _rates(options: Options, folder: Path, figures: dict[str, Any], audits: dict[str, Any]) -> None:
    parts = options.parts.union(*(_NEEDS.get(part, set()) for part in options.parts))
    cases = [case for case in _CASES if case.part in parts]
    with contextlib.ExitStack() as stack:
        services = _started(options, cases, folder, stack)
        runs = _rounds(options, cases, services)
        figures["setup_s"] = {name: service.setup_s for name, service in services.items()}
        figures["rates"] = {part: compare.compared(of_part) for part, of_part in runs.items()}
        _add_shares(figures["rates"], runs)
        figures["known_by"] = compare.known_by(figures["rates"])
        if "open" in options.parts:
            single = figures["rates"]["single"]
            highest = {name: single[name]["rate"] for name in single if single[name]["rate"]}
            figures["open"] = _open(options, services, highest)
        for name, service in services.items():
            if service.is_audited:
                service.audit_all(options.sizes.wallets)
                audits[name] = compare.audits_of(service)


def _started(
    options: Options, cases: list[_Case], folder: Path, stack: contextlib.ExitStack
) -> dict[str, Service]:  # fmt: skip
    services = {}
    for name in dict.fromkeys(name for case in cases for name in case.services):
        try:
            services[name] = start_service(name, options.sizes.wallets, folder, stack)
        except Unavailable as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return services


def _rounds(options: Options, cases: list[_Case], services: dict[str, Service]) -> dict[str, dict[str, list[Measured]]]:
    runs: dict[str, dict[str, list[Measured]]] = {case.part: {} for case in cases}
    for number in range(options.sizes.rounds):
        for case in cases:
            order = case.services if number % 2 == 0 else tuple(reversed(case.services))
            plan = msgspec.structs.replace(
                options.plan,
                workload=case.workload,
                connections=case.connections or options.connections,
                seed=options.seed + number,
            )
            for name in order:
                if name in services:
                    runs[case.part].setdefault(name, []).append(_run(services, name, plan, case.dialect, number))
    return runs


def _run(services: dict[str, Service], name: str, plan: Plan, dialect: str, number: int) -> Measured:
    settle(services.values())
    population = services[name].population(plan.workload, dialect)
    assert population is not None
    measured = services[name].measure(plan, population)
    told(services[name], measured, number)
    return measured


def _add_shares(rates: dict[str, Any], runs: dict[str, dict[str, list[Measured]]]) -> None:
    """What a skewed load reaches of the same service's random pairs, round by round."""
    for part in ("hot", "treasury"):
        for name, measured in runs.get(part, {}).items():
            whole = runs["v1"].get(name) or runs["single"].get(name, [])
            shares = [one.rate / other.rate for one, other in zip(measured, whole, strict=False) if other.rate]
            if shares:
                rates[part][name]["of_random"] = statistics.median(shares)
                rates[part][name]["of_random_between"] = [min(shares), max(shares)]


def _open(options: Options, services: dict[str, Service], highest: dict[str, float]) -> dict[str, Any]:
    """Each service in open loop, offered a share of the highest rate that it has reached."""
    runs: dict[str, list[Measured]] = {name: [] for name in highest}
    for number in range(options.sizes.rounds):
        for name, rate in highest.items():
            plan = msgspec.structs.replace(
                options.plan,
                rate=rate * OPEN_SHARE,
                duration_s=options.sizes.duration_s * 1.5,
                seed=options.seed + 100 + number,
            )
            runs[name].append(_run(services, name, plan, DigitalWallet.name, number))
    return {name: compare.figures_of(of_name) for name, of_name in runs.items()}


# ------------------------------------------------------------------------------------------------------ many wallets


def _large(options: Options, folder: Path, figures: dict[str, Any], audits: dict[str, Any]) -> None:
    sizes = options.sizes
    folder = folder / "large"
    folder.mkdir()
    wallets, build_s = startup.build(sizes.large_wallets, folder)
    figures["build_s"] = build_s
    of_start = startup.Options(sizes.large_wallets, sizes.tail, "ledger.db", options.folder, None)
    if "start" in options.parts:
        figures["start"] = startup.measured(of_start, folder, wallets)
    if not options.parts & {"stall", "history"}:
        return
    server = stalling.start_jumping(folder, startup.DATA)
    try:
        treasury = loop_run(treasury_of(Client(server.address, 1), ASSET))
        population = Population("v1", ASSET, tuple(wallets), treasury, FUNDING_MINOR)
        service = Service("walletd", server.address, (server.process.pid,), {"v1": population}, is_audited=True)
        if "start" in options.parts:
            service.expected.move(startup.tail_moves(of_start))
        if "stall" in options.parts:
            settle([service])
            plan = msgspec.structs.replace(options.plan, duration_s=sizes.stall_s)
            stalled = stalling.measured(service, plan, sizes.duration_s, LARGE_AUDIT_MAX)
            figures["stall"] = {"wallets": sizes.large_wallets, **stalled}
        if "history" in options.parts:
            figures["history"] = history.measured(service, sizes.entries, sizes.pages, options.seed)
            service.audit_all(LARGE_AUDIT_MAX)
        audits["walletd, many wallets"] = compare.audits_of(service)
    finally:
        server.stop()


# ---------------------------------------------------------------------------------------------------------- the end


def _under(row: dict[str, Any]) -> list[str]:
    taken = row["machine"]
    sizes = row["settings"]
    return [
        f"Taken {row['at']} at commit `{row['commit']}` on {taken['cores']} cores of {taken['processor']}, {taken['memory_gib']} GiB, {taken['system']}, "
        f"Python {taken['python']}, SQLite {taken['sqlite']}, data on {row['file_system']}; {quiet.sentence(row['noise'])}.",
        f"{sizes['wallets']:,} wallets, {sizes['connections']} connections over loopback but where a row says otherwise, {sizes['rounds']} round{'s' * (sizes['rounds'] > 1)} of {sizes['duration_s']:g} s in turns; "
        "medians, and in parentheses the lowest and the highest round. The load runs on the same cores as the service.",
    ]


def _print(console: Console, rows: list[goals.Row], under: list[str]) -> None:
    table = Table(*goals.HEAD, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(cell.strip("*") for cell in row.cells))
    console.print(table)
    for line in under:
        console.print(line, highlight=False, markup=False)
