"""The services that are compared: walletd, the echo and the PostgreSQL peer, started here, measured in turns, and audited.

All stay up meanwhile, and only one has work at a time: before each run the others must have gone quiet, since a service that folds,
vacuums or checkpoints what came before would take processor time from the one that is measured.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from . import screen
from .audit import Expected, Report
from .client import Client
from .dialects import DigitalWallet
from .peers import postgres
from .population import CONNECTIONS, Population, open_wallets, treasury_of, users_of
from .processes import CpuTime, CpuUse, start
from .requests import Address
from .runs import Measured, Plan, run
from .session import audited, loop_run, temporary_walletd
from .workloads import WORKLOADS

SERVICES: Final = ("walletd", "echo", "echo-application", "postgres")
ASSET: Final = "USD"
FUNDING_MINOR: Final = 1_000_000
_ECHO: Final = Path(__file__).parent / "peers" / "echo.py"

QUIET_CORES: Final = 0.05
"""A service that uses less than this has nothing left to do."""

QUIET_LOOK_S: Final = 0.25
SETTLE_S_MAX: Final = 15.0

AUDIT_WALLETS_MAX: Final = 2_000
"""Balances that are compared after each of many runs; after the last one all are."""


class Service(msgspec.Struct):
    """A service, its processes, and its wallets by dialect: a workload runs where its dialect has some.

    Wallets have the same index in every dialect, so `expected` holds for all of them.
    """

    name: str
    address: Address
    pids: tuple[int, ...]
    populations: dict[str, Population]
    is_audited: bool
    setup_s: float = 0.0
    expected: Expected = msgspec.field(default_factory=Expected)
    audits: list[Report] = msgspec.field(default_factory=list)

    def population(self, workload: str, dialect: str) -> Population | None:
        """The wallets in the dialect that is compared, or in the one that the service speaks; only /v1 has batches."""
        if WORKLOADS[workload].is_batch:
            return self.populations.get("v1")
        return self.populations.get(dialect) or next(iter(self.populations.values()))

    def measure(self, plan: Plan, population: Population) -> Measured:
        """One run, and its audit on a sample. Raises RunFailed, Unanswered."""
        with screen.run_progress(plan) as progress:
            measured = run(self.address, population, plan, self.pids, progress)
        if self.is_audited:
            self.audits.append(
                audited(
                    self.address, population, self.expected, plan, measured,
                    wallets_max=AUDIT_WALLETS_MAX, reads_max=plan.keep,
                )
            )  # fmt: skip
        measured.recorded.clear()
        return measured

    def audit_all(self, wallets_max: int) -> Report:
        """The audit of all wallets, up to `wallets_max`, after all runs. Raises Unanswered."""
        population = self.populations.get("v1") or next(iter(self.populations.values()))
        self.audits.append(
            audited(self.address, population, self.expected, None, None, wallets_max=wallets_max, reads_max=0)
        )
        return self.audits[-1]


def start_service(name: str, wallets: int, folder: Path, stack: contextlib.ExitStack) -> Service:
    """Start a service and give it its wallets; it ends with `stack`. Raises NotStarted, Unavailable, Unanswered."""
    begun = time.monotonic()
    numbered = tuple(str(number) for number in range(1, wallets + 1))
    existing = {DigitalWallet.name: Population(DigitalWallet.name, ASSET, numbered, None, FUNDING_MINOR)}
    if name == "postgres":
        peer = stack.enter_context(postgres.peer(wallets, FUNDING_MINOR, folder.parent))
        service = Service(name, peer.service.address, peer.pids, existing, is_audited=True)
    elif name == "walletd":
        server = stack.enter_context(temporary_walletd(folder))
        populations = _opened(server.address, wallets)
        service = Service(name, server.address, (server.process.pid,), populations, is_audited=True)
    else:
        kind = name.removeprefix("echo-") if name != "echo" else "low-level"
        echo = start([sys.executable, str(_ECHO), kind], folder, folder / f"{name}.log")
        stack.callback(echo.stop)
        # Ids of the same length as walletd's, which makes requests and answers as long as its own.
        ids = tuple(f"00000000-0000-4000-8000-{number:012x}" for number in range(1, wallets + 1))
        existing["v1"] = Population("v1", ASSET, ids, ids[0], FUNDING_MINOR)
        service = Service(name, echo.address, (echo.process.pid,), existing, is_audited=False)
    service.setup_s = time.monotonic() - begun
    print(f"{name}: {wallets:,} wallets after {service.setup_s:.1f} s", file=sys.stderr)
    return service


def settle(services: Iterable[Service]) -> bool:
    """Wait until none of them has work, and what they wrote is on the disk. Whether that came to be."""
    pids = [pid for service in services for pid in service.pids]
    os.sync()
    deadline = time.monotonic() + SETTLE_S_MAX
    while time.monotonic() < deadline:
        before, begun = CpuTime.of(pids), time.monotonic()
        time.sleep(QUIET_LOOK_S)
        use = CpuUse.between(before, CpuTime.of(pids), time.monotonic() - begun)
        if use is None or use.total < QUIET_CORES:
            return True
    print("a service kept working without being asked anything", file=sys.stderr)
    return False


def told(service: Service, measured: Measured, number: int) -> None:
    """A line about a run that is done, for those who watch."""
    text = screen.counted(measured)
    print(f"round {number + 1}, {measured.plan.workload}, {service.name}: {text}; {measured.verdict}", file=sys.stderr)


def _opened(address: Address, wallets: int) -> dict[str, Population]:
    client = Client(address, min(CONNECTIONS, wallets))
    with screen.setup_progress() as progress:
        ids = loop_run(open_wallets(client, wallets, ASSET, FUNDING_MINOR, progress))
    treasury = loop_run(treasury_of(client, ASSET))
    users = loop_run(users_of(client, ids, ASSET))
    return {
        "v1": Population("v1", ASSET, tuple(ids), treasury, FUNDING_MINOR),
        DigitalWallet.name: Population(DigitalWallet.name, ASSET, tuple(users), treasury, FUNDING_MINOR),
    }
