"""Stalls: the longest time without an answer in an open loop on many wallets, while the image is folded, files are checkpointed and keys expire.

Every request has an idempotency key. Half-way the server's clock jumps ahead by more than a day, so that all keys written until then
expire at once, which is the most that can ever expire in one moment.
"""

import os
import signal
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from . import jumping_clock, screen
from .client import Client
from .processes import Started, start
from .runs import Measured, Plan, Progress, run
from .services import Service, settle
from .session import audited, loop_run

LOAD_SHARE: Final = 0.8
"""Of the highest rate: what the open loop offers."""

WORKLOAD: Final = "keyed"


def start_jumping(folder: Path, data: str) -> Started:
    """A server on a data folder, whose clock jumps at SIGUSR1. Raises NotStarted."""
    command = [sys.executable, str(Path(jumping_clock.__file__)), "serve", "--data", str(folder / data), "--port", "0"]
    return start(command, folder, folder / "jumping.log")


def measured(service: Service, plan: Plan, highest_s: float, wallets_max: int) -> dict[str, Any]:
    """The figures of a service that `start_jumping` started. `plan` is the open loop's, without its rate. Raises RunFailed, Unanswered."""
    population = service.populations["v1"]
    closed = msgspec.structs.replace(plan, workload=WORKLOAD, duration_s=highest_s)
    highest = service.measure(closed, population)
    settle([service])
    open_loop = msgspec.structs.replace(
        closed, rate=highest.rate * LOAD_SHARE, duration_s=plan.duration_s, seed=plan.seed + 1
    )
    jump_s = plan.duration_s / 2
    with screen.run_progress(open_loop) as shown:
        told = _Jump(shown, service.pids[0], open_loop.warmup_s + jump_s)
        done = run(service.address, population, open_loop, service.pids, told)
    has_jumped = is_ahead(service)
    service.audits.append(
        audited(
            service.address, population, service.expected, open_loop, done, wallets_max=wallets_max, reads_max=plan.keep,
            replays_max=0,  # keys that have expired are new ones
        )
    )  # fmt: skip
    done.recorded.clear()
    figures = figures_of(done, int(jump_s), has_jumped=has_jumped)
    return {
        "highest_rate": highest.rate,
        "keys_expired": highest.achieved + figures["keyed_before"],
        "fold_lag_records": done.fold_lag_records,
        **figures,
    }


def figures_of(done: Measured, jump_s: int, *, has_jumped: bool) -> dict[str, Any]:
    """The stalls before the jump, and from it on; the latter are None if the clock did not jump."""
    stalls, worst = done.stall_ms_by_second, done.worst_ms_by_second
    return {
        "offered_per_s": done.offered_per_s,
        "rate": done.rate,
        "dropped": done.dropped,
        "refused": sum(done.refused.values()),
        "stall_ms": done.stall_ms,
        "stall_before_ms": max(stalls[:jump_s], default=0.0),
        "stall_expiring_ms": max(stalls[jump_s:], default=0.0) if has_jumped else None,
        "max_before_ms": max(worst[:jump_s], default=0.0),
        "max_expiring_ms": max(worst[jump_s:], default=0.0),
        "own_pause_ms": done.own_pause_ms,
        "keyed_before": sum(done.by_second[:jump_s]),
        **next(iter(done.latency.values()), {}),
        "verdict": done.verdict,
    }


def is_ahead(service: Service) -> bool:
    """Whether the service's clock shows another day than ours."""
    date = loop_run(Client(service.address, 1).get("/livez")).header("Date")
    return date is not None and parsedate_to_datetime(date).timestamp() > time.time() + jumping_clock.JUMP_S / 2


class _Jump:
    """Shows progress, and makes the clock jump once, when its time has come."""

    def __init__(self, shown: Progress, pid: int, at_s: float) -> None:
        self._shown = shown
        self._pid = pid
        self._at_s = at_s

    def __call__(self, seconds: float, achieved: int, refused: int, failed: int) -> None:
        if seconds >= self._at_s:
            self._at_s = float("inf")
            os.kill(self._pid, signal.SIGUSR1)
        self._shown(seconds, achieved, refused, failed)
