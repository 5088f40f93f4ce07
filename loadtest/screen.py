"""What the terminal shows: progress while something runs, and a summary at the end. Progress goes to stderr, summaries to stdout."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .audit import Report
from .population import Progress as SetupProgress
from .runs import Measured, Plan
from .runs import Progress as RunProgress

_PLAIN_INTERVAL_S = 5.0


@contextmanager
def setup_progress() -> Iterator[SetupProgress]:
    """Bars for what is counted towards a total."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
                if not console.is_terminal:
                    console.print(f"{what}: {total:,}")
            bars.update(tasks[what], completed=done)

        yield progress


@contextmanager
def run_progress(plan: Plan) -> Iterator[RunProgress]:
    """One bar for a run, with the rate so far."""
    console = Console(stderr=True)
    whole = plan.warmup_s + plan.duration_s
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(plan.title, total=whole, told="")
        printed = time.monotonic()

        def progress(seconds: float, achieved: int, refused: int, failed: int) -> None:
            nonlocal printed
            measured_s = seconds - plan.warmup_s
            rate = f"{achieved / measured_s:,.0f}/s" if measured_s > 0.5 else "warming up"
            wrong = f", {refused:,} refused, {failed:,} failed" if refused or failed else ""
            bars.update(task, completed=min(whole, max(0.0, seconds)), told=rate + wrong)
            if not console.is_terminal and time.monotonic() - printed > _PLAIN_INTERVAL_S:
                printed = time.monotonic()
                console.print(f"{plan.title}: {seconds:.0f} of {whole:.0f} s, {rate}{wrong}")

        yield progress


def summary(console: Console, measured: Measured, audit: Report | None) -> None:
    """A run in a few lines."""
    console.print(f"\n[bold]{measured.plan.title}[/bold]")
    console.print(counted(measured), highlight=False)
    table = Table("latency, ms", "p50", "p90", "p99", "p99.9", "max", "mean", "requests", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, figures in measured.latency.items():
        names = ("p50", "p90", "p99", "p99.9", "max", "mean")
        table.add_row(kind, *(f"{figures[name]:,.2f}" for name in names), f"{figures['count']:,.0f}")
    console.print(table)
    console.print(
        f"longest stall {measured.stall_ms:,.1f} ms at {measured.stall_at_s:.1f} s; the load test's own longest pause {measured.own_pause_ms:,.1f} ms",
        highlight=False,
    )
    busiest = cores(measured.server.busiest_thread if measured.server else None)
    console.print(
        f"cores in use: service {cores(measured.server.total if measured.server else None)} (busiest thread {busiest}), "
        f"load test {' + '.join(map(cores, measured.client_cores)) if measured.client_cores else '?'}, idle {cores(measured.machine_idle_cores)}",
        highlight=False,
    )
    console.print(measured.verdict, highlight=False)
    if audit is not None:
        console.print(
            f"[{'green' if audit.is_clean else 'bold red'}]audit: {describe_audit(audit)}[/]", highlight=False
        )
        for finding in audit.findings:
            console.print(f"  {finding}", style="red", markup=False, highlight=False)


def counted(measured: Measured) -> str:
    """Rates and counts in a sentence."""
    parts = [f"{measured.rate:,.0f}/s done of {measured.offered_per_s:,.0f}/s offered"]
    if measured.dropped or measured.plan.rate:
        parts.append(f"{measured.dropped:,} dropped")
    if measured.unanswered:
        parts.append(f"{measured.unanswered:,} without an answer")
    parts += [f"{count:,} answered {status}" for status, count in sorted(measured.refused.items())]
    parts += [
        f"{count:,}: {reason}" for reason, count in measured.failures.items() if reason != "no answer before the end"
    ]
    if measured.cut:
        parts.append(f"{measured.cut:,} cut on purpose, {measured.replayed:,} answered by replay")
    return ", ".join(parts)


def describe_audit(audit: Report | None) -> str:
    """An audit in a sentence."""
    if audit is None:
        return "not done"
    looked = ", ".join(f"{number:,} {what}" for what, number in audit.checked.items())
    notes = "".join(f"; {note}" for note in audit.notes)
    return f"{f'{audit.found:,} FINDINGS' if audit.found else 'all fits'}: {looked}{notes}"


def cores(value: float | None) -> str:
    """Cores, or a question mark where they are unknown."""
    return "?" if value is None else f"{value:.2f}"
