"""The comparison: walletd beside its peers, the same load on each, in turns.

Rounds go through the services in alternating order and medians are taken, so that a machine that gets slower or faster meanwhile
does not decide. Ratios compare with walletd, round by round.
"""

import contextlib
import statistics
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from . import machine, quiet, results, screen
from .runs import Measured, Plan
from .services import Service, settle, start_service, told
from .session import temporary_folder


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared. `dialect` is the one of single transfers; batches are always /v1's."""

    services: tuple[str, ...]
    workloads: tuple[str, ...]
    rounds: int
    plan: Plan
    dialect: str
    wallets: int
    folder: Path | None
    results: Path | None
    audit_wallets_max: int = 200_000


def perform(options: Options, console: Console) -> bool:
    """Do the comparison and print it. Whether every audit was clean. Raises NotStarted, Unavailable, RunFailed, Unanswered."""
    watch = quiet.Watch.begin()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_folder(options.folder))
        services = {name: start_service(name, options.wallets, folder, stack) for name in options.services}
        figures = _rounds(options, services)
        for service in services.values():
            if service.is_audited:
                service.audit_all(options.audit_wallets_max)
        row: dict[str, Any] = {
            "at": results.now(), "commit": machine.commit(), "machine": machine.machine(), "file_system": machine.file_system(folder),
            "settings": {
                "dialect": options.dialect, "wallets": options.wallets, "rounds": options.rounds, "plan": msgspec.to_builtins(options.plan),
            },
            "noise": watch.end(
                [one.others_cores for runs in figures.values() for run in runs.values() for one in run]
            ),
            "setup_s": {name: service.setup_s for name, service in services.items()},
            "compared": {workload: compared(runs) for workload, runs in figures.items()},
            "audits": {name: audits_of(service) for name, service in services.items() if service.is_audited},
        }  # fmt: skip
    _print(console, row["compared"])
    for line in (*known_by(row["compared"]), *audit_lines(row["audits"]), quiet.sentence(row["noise"])):
        console.print(line, highlight=False, markup=False)
    results.append(options.results, row)
    console.print(results.line(row), highlight=False, markup=False, soft_wrap=True)
    return all(not audit["found"] for audit in row["audits"].values())


def _rounds(options: Options, services: dict[str, Service]) -> dict[str, dict[str, list[Measured]]]:
    figures: dict[str, dict[str, list[Measured]]] = {workload: {} for workload in options.workloads}
    for number in range(options.rounds):
        order = list(services) if number % 2 == 0 else list(reversed(services))
        for workload in options.workloads:
            plan = msgspec.structs.replace(options.plan, workload=workload, seed=options.plan.seed + number)
            for name in order:
                service = services[name]
                population = service.population(workload, options.dialect)
                if population is None:
                    continue
                settle(services.values())
                measured = service.measure(plan, population)
                told(service, measured, number)
                figures[workload].setdefault(name, []).append(measured)
    return figures


def compared(runs: dict[str, list[Measured]]) -> dict[str, Any]:
    """Each service's medians over the rounds, and walletd's rate as a multiple of its: the median of the rounds' ratios, and their spread."""
    rows: dict[str, Any] = {}
    own = [one.rate for one in runs.get("walletd", [])]
    for name, measured in runs.items():
        row = figures_of(measured)
        ratios = [ours / one.rate for ours, one in zip(own, measured, strict=False) if one.rate]
        row["walletd_is"] = statistics.median(ratios) if ratios else None
        row["walletd_is_between"] = [min(ratios), max(ratios)] if ratios else None
        rows[name] = row
    return rows


def figures_of(measured: list[Measured]) -> dict[str, Any]:
    """The medians of some runs of the same load; of stalls, maxima, folding's lag and others' use of the machine the worst."""
    latencies = [next(iter(one.latency.values()), {}) for one in measured]
    servers = [one.server.total for one in measured if one.server]
    return {
        "rate": statistics.median(one.rate for one in measured),
        "rates": [one.rate for one in measured],
        **{name: statistics.median(one.get(name, 0.0) for one in latencies) for name in ("p50", "p90", "p99", "p99.9")},
        "p99s": [one.get("p99", 0.0) for one in latencies],
        "max": max(one.get("max", 0.0) for one in latencies),
        "stall_ms": max(one.stall_ms for one in measured),
        "answer_bytes": statistics.median(one.answer_bytes_mean for one in measured),
        "server_cores": statistics.median(servers) if servers else None,
        "client_cores": max((max(one.client_cores) for one in measured if one.client_cores), default=None),
        "offered_per_s": statistics.median(one.offered_per_s for one in measured),
        "dropped": sum(one.dropped for one in measured),
        "refused": sum(sum(one.refused.values()) for one in measured),
        "failed": sum(sum(one.failures.values()) for one in measured),
        "others_cores": statistics.median(
            [one.others_cores for one in measured if one.others_cores is not None] or [0.0]
        ),
        "fold_lag_records": max(
            [one.fold_lag_records for one in measured if one.fold_lag_records is not None], default=None
        ),
        "verdicts": [one.verdict for one in measured],
    }


def audits_of(service: Service) -> dict[str, Any]:
    """All audits of a service in sum."""
    checked: dict[str, int] = {}
    for audit in service.audits:
        for what, number in audit.checked.items():
            checked[what] = checked.get(what, 0) + number
    findings = [finding for audit in service.audits for finding in audit.findings]
    notes = list(dict.fromkeys(note for audit in service.audits for note in audit.notes))
    return {
        "audits": len(service.audits), "found": sum(audit.found for audit in service.audits), "checked": checked,
        "findings": findings[:20], "notes": notes,
    }  # fmt: skip


def audit_lines(audits: dict[str, dict[str, Any]]) -> list[str]:
    """What the audits found, a line each."""
    lines = []
    for name, audit in audits.items():
        looked = ", ".join(f"{number:,} {what}" for what, number in audit["checked"].items())
        state = f"{audit['found']:,} FINDINGS" if audit["found"] else "all fits"
        lines.append(f"{audit['audits']} audits of {name}: {state}: {looked}")
        lines += [f"  {finding}" for finding in audit["findings"]]
    return lines


def known_by(figures: dict[str, dict[str, Any]]) -> list[str]:
    """How it is known that the services were the limit, and not the load: what the same load reached on the fastest of them."""
    lines = []
    for workload, rows in figures.items():
        best = max(
            (name for name in rows if name.startswith("echo")), key=lambda name: rows[name]["rate"], default=None
        )
        if best is None or "walletd" not in rows:
            continue
        times = rows[best]["rate"] / rows["walletd"]["rate"] if rows["walletd"]["rate"] else 0.0
        lines.append(
            f"{workload}: the same load reached {times:.2f} times walletd's rate on the {best}, its busiest process had "
            f"{screen.cores(rows['walletd']['client_cores'])} of a core on walletd, which used {screen.cores(rows['walletd']['server_cores'])} cores"
        )
    return lines


def _print(console: Console, figures: dict[str, dict[str, Any]]) -> None:
    table = Table(
        "workload", "service", "per second", "walletd ÷ it", "(rounds)", "p50 ms", "p99 ms", "stall ms", "answer bytes", "cores, service",
        "cores, load", "refused, failed", box=None, pad_edge=False,
    )  # fmt: skip
    for column in table.columns[2:]:
        column.justify = "right"
    for workload, rows in figures.items():
        for name, row in rows.items():
            ratio, between = row["walletd_is"], row["walletd_is_between"]
            table.add_row(
                workload, name, f"{row['rate']:,.0f}", "?" if ratio is None else f"{ratio:,.2f}",
                "" if between is None else f"{between[0]:,.2f}–{between[1]:,.2f}", f"{row['p50']:,.2f}",
                f"{row['p99']:,.2f}", f"{row['stall_ms']:,.0f}", f"{row['answer_bytes']:,.0f}", screen.cores(row["server_cores"]),
                screen.cores(row["client_cores"]), f"{row['refused']:,}, {row['failed']:,}",
            )  # fmt: skip
    console.print(table)
