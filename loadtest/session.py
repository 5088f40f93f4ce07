"""A session: one service, one population, and the runs on it, each followed by its audit."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from rich.console import Console

from . import machine, report, results, screen
from .audit import REPLAYS, Audit, Expected, Report
from .client import Client
from .dialects import DIALECTS
from .population import CONNECTIONS, Population, populate
from .processes import Started, is_loopback, listener_of, started, walletd
from .requests import Address, address_of
from .runs import Measured, Plan, run, scripts
from .worker import loop_factory

Outcome = TypeVar("Outcome")

FULL_AUDIT_MAX: Final = 5_000_000
"""Acknowledged writes that a full audit keeps and reads again."""


AUDIT_CONNECTIONS: Final = 32


class NotLoopback(Exception):
    """The load would leave this machine."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a session does. `url` is a service that runs already; without it one is started on a temporary folder in `folder`."""

    workloads: tuple[str, ...]
    plan: Plan
    url: str | None = None
    allow_remote: bool = False
    dialect: str = "v1"
    setup: str | None = None
    asset: str = "USD"
    wallets: int = 100_000
    funding_minor: int = 1_000_000
    audit: str = "sample"
    audit_wallets_max: int = 200_000
    folder: Path | None = None
    report: Path | None = None
    results: Path | None = None


class Target(msgspec.Struct, frozen=True):
    """The service under load, and the processes that it consists of as far as they are known."""

    address: Address
    pids: tuple[int, ...]
    file_system: str


def checked_address(url: str, *, allow_remote: bool) -> Address:
    """The address of a URL. Raises NotLoopback for another machine's unless that is allowed, and ValueError."""
    address = address_of(url)
    if not allow_remote and not is_loopback(address.host):
        raise NotLoopback(f"{url} is not on this machine: load is sent elsewhere only with --allow-remote")
    return address


@contextlib.contextmanager
def target(options: Options) -> Iterator[Target]:
    """The service of a session, which is started and ended here unless it runs already. Raises NotLoopback, NotStarted."""
    if options.url is not None:
        address = checked_address(options.url, allow_remote=options.allow_remote)
        pid = listener_of(address) if is_loopback(address.host) else None
        yield Target(address, () if pid is None else (pid,), "unknown")
        return
    with temporary_folder(options.folder) as folder, temporary_walletd(folder) as server:
        yield Target(server.address, (server.process.pid,), machine.file_system(folder))


@contextlib.contextmanager
def temporary_folder(parent: Path | None) -> Iterator[Path]:
    """A new folder, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="loadtest-", dir=parent) as folder:
        yield Path(folder)


def temporary_walletd(folder: Path) -> contextlib.AbstractContextManager[Started]:
    """A server on a new data folder inside `folder`."""
    return started(walletd(folder / "data"), folder, folder / "server.log")


def perform(options: Options, console: Console) -> bool:
    """Do the session. Whether every audit was clean. Raises NotLoopback, NotStarted, RunFailed, Unanswered."""
    with target(options) as service:
        done, told = measure(options, service, console)
        surroundings = surroundings_of(options, service, told)
    path = options.report or _report_path()
    report.write(path, surroundings, done)
    console.print(f"\nreport: {path}", highlight=False, soft_wrap=True)
    for measured, audit in done:
        row = msgspec.to_builtins({**surroundings, "run": measured.figures(), "audit": audit}, str_keys=True)
        console.print(results.line(row), highlight=False, markup=False, soft_wrap=True)
        results.append(options.results, row)
    return all(audit is None or audit.is_clean for _, audit in done)


def measure(
    options: Options, service: Target, console: Console
) -> tuple[list[tuple[Measured, Report | None]], dict[str, Any] | str]:
    """All runs of a session, with their audits, and what the service tells of itself."""
    told = loop_run(machine.service(Client(service.address, 1)))
    population = make_population(options, service.address)
    expected = Expected()
    done: list[tuple[Measured, Report | None]] = []
    for name in options.workloads:
        plan = msgspec.structs.replace(options.plan, workload=name)
        if options.audit == "full":
            plan = msgspec.structs.replace(plan, keep=FULL_AUDIT_MAX)
        with screen.run_progress(plan) as progress:
            measured = run(service.address, population, plan, service.pids, progress)
        audit = None
        if options.audit != "off":
            audit = audited(
                service.address, population, expected, plan, measured, wallets_max=options.audit_wallets_max,
                reads_max=FULL_AUDIT_MAX if options.audit == "full" else plan.keep,
            )  # fmt: skip
        screen.summary(console, measured, audit)
        measured.recorded.clear()
        done.append((measured, audit))
    return done, told


def make_population(options: Options, address: Address) -> Population:
    """The wallets of a session, opened and funded. Raises Unanswered."""
    # A walletd of our own is filled over /v1, where users have no passwords, whose hashing takes long on purpose.
    setup = options.setup or ("v1" if options.url is None else options.dialect)
    with screen.setup_progress() as progress:
        return loop_run(
            populate(
                Client(address, min(CONNECTIONS, options.wallets)), DIALECTS[options.dialect](), options.wallets,
                asset=options.asset, funding_minor=options.funding_minor, setup=setup, progress=progress,
            )
        )  # fmt: skip


def audited(
    address: Address,
    population: Population,
    expected: Expected,
    plan: Plan | None,
    measured: Measured | None,
    *,
    wallets_max: int,
    reads_max: int,
    replays_max: int = REPLAYS,
) -> Report:
    """The audit after a run, which is counted into `expected` first; without a run, of what is expected by then. Raises Unanswered."""
    sent, recorded = (
        ([], []) if plan is None or measured is None else (scripts(address, population, plan), measured.recorded)
    )
    expected.count(sent, recorded)
    audit = Audit(
        Client(address, AUDIT_CONNECTIONS), population, expected,
        wallets_max=wallets_max, reads_max=reads_max, seed=plan.seed if plan is not None else 1, replays_max=replays_max,
    )  # fmt: skip
    return loop_run(audit.check(sent, recorded))


def surroundings_of(options: Options, service: Target, told: dict[str, Any] | str) -> dict[str, Any]:
    """What a result was taken on and with."""
    settings = {
        "dialect": options.dialect, "wallets": options.wallets, "funding_minor": options.funding_minor,
        "started_here": options.url is None, "audit": options.audit,
    }  # fmt: skip
    return {
        "at": results.now(),
        "commit": machine.commit(),
        "machine": machine.machine(),
        "file_system": service.file_system,
        "service": told,
        "settings": settings,
    }


def loop_run(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run a coroutine to its end on the fastest event loop there is."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(coroutine)


def _report_path() -> Path:
    descriptor, name = tempfile.mkstemp(prefix="loadtest-", suffix=".html")
    os.close(descriptor)
    return Path(name)
