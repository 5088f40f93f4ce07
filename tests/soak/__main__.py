"""A long run at half load, with restarts: memory stays flat, files grow by what is written, nothing drifts, and nothing is lost.

`python -m walletd.tests.soak --seconds 3600 [--rate R] [--report FILE] [--samples FILE]`. The rate is half of what a short burst reaches, unless it is given.
Five times the server is ended, by SIGTERM and SIGKILL in turn, and started again. Exits with 1 when anything is wrong.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from .load import FUNDING_MINOR, Load, balances, populate
from .service import Service

WAL_BYTES_MAX: Final = 128 * 2**20
FILE_BYTES_A_RECORD_MAX: Final = {"journal.db": 600, "ledger.db": 450}
"""Measured: 200 and 150, with some keys and few batches."""
EMPTY_BYTES_MAX: Final = 2**20
KEY_BYTES: Final = 200.0
"""Memory that an idempotency key takes: it is remembered for a day, up to a million of them."""

GROWTH_PER_RECORD_MAX: Final = 12.0
"""Bytes of memory a record may leave behind beside its key: half of the smallest object there is."""

WARM_RECORDS: Final = 300_000
"""Records of a life before its memory is judged: by then the image's page cache, 64 MiB, is full of the pages that they wrote."""

FITTED_MIN: Final = 10
FITTED_RECORDS_MIN: Final = 100_000
"""The least samples, and records between them, that a line is drawn through."""

DRIFT_MAX: Final = 3.0
DRIFT_MS: Final = 5.0
"""The p99 of the last quarter may be so many times that of the first, and so much more, before it is called drift."""

DESCRIPTORS_LEFT_MAX: Final = 8
"""Descriptors that a life may have open when its load has ended, more than when it began: readers and the printer of receipts."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long, how hard, and with how many lives. `rate` None: half of what a burst reaches."""

    seconds: float
    rate: float | None = None
    wallets: int = 5_000
    burst_s: float = 10.0
    lives: int = 5
    sample_s: float = 5.0


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them do not pass, in milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000 if values else 0.0


async def burst(service: Service, load: Load, seconds: float) -> float:
    """Requests a second that the server reaches when pushed."""
    load.latencies = []
    await load.run(service.port, float("inf"), seconds)
    return len(load.latencies) / seconds


async def watch(service: Service, load: Load, samples: list[dict[str, float]], life: int, every_s: float) -> None:
    """Sample until cancelled."""
    began = time.monotonic()
    taken = 0
    while True:
        await asyncio.sleep(every_s)
        latencies, taken = load.latencies[taken:], len(load.latencies)
        sample = await asyncio.to_thread(service.sample)
        shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
        timed = {f"{name}_ms": percentile(latencies, share) for name, share in shares.items()}
        samples.append({"life": life, "at_s": time.monotonic() - began, "answers": len(latencies), **timed, **sample})


async def live(
    plan: Plan, service: Service, load: Load, rate: float, samples: list[dict[str, float]], life: int
) -> None:
    """One life of the server under load; it is killed, or ended, at its end."""
    seconds = plan.seconds / plan.lives
    load.latencies = []
    before = await asyncio.to_thread(service.sample)
    watching = asyncio.create_task(watch(service, load, samples, life, plan.sample_s))
    killed = life % 2 == 1
    try:
        if killed:
            running = asyncio.create_task(load.run(service.port, rate, seconds + 5))
            await asyncio.sleep(seconds)
            watching.cancel()
            await asyncio.to_thread(service.end, signal.SIGKILL)
            await running
        else:
            await load.run(service.port, rate, seconds)
            await settle(service, life, load, before)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    if not killed:
        code = await asyncio.to_thread(service.end, signal.SIGTERM)
        if code != 0:
            load.book.failed.append(f"stopped with exit code {code}")


async def settle(service: Service, life: int, load: Load, before: dict[str, float]) -> None:
    """Every connection's descriptor comes back once the load has ended."""
    left = DESCRIPTORS_LEFT_MAX + 1.0
    for _ in range(50):
        left = (await asyncio.to_thread(service.sample))["descriptors"] - before["descriptors"]
        if left <= DESCRIPTORS_LEFT_MAX:
            return
        await asyncio.sleep(0.1)
    load.book.failed.append(f"life {life}: {left:.0f} descriptors stay open after the load")


def growth(samples: list[dict[str, float]]) -> float | None:
    """Bytes of memory a record, in the longest life once its caches are full: the slope of a straight line. None where no life was long enough to tell."""
    lives = {int(sample["life"]) for sample in samples}
    longest = max(([sample for sample in samples if sample["life"] == life] for life in lives), key=len, default=[])
    records = [sample["walletd_journal_sequence"] for sample in longest]
    warm = [index for index, record in enumerate(records) if record - records[0] >= WARM_RECORDS]
    if len(warm) < FITTED_MIN or records[warm[-1]] - records[warm[0]] < FITTED_RECORDS_MIN:
        return None
    fitted = longest[warm[0] :]
    return statistics.linear_regression(records[warm[0] :], [sample["rss"] for sample in fitted]).slope


def drift(samples: list[dict[str, float]]) -> tuple[float, float]:
    """The p99 of the first and of the last quarter, in milliseconds: medians, for one stall of the machine is no drift."""
    quarter = max(1, len(samples) // 4)
    times = [sample["p99_ms"] for sample in samples] or [0.0]
    return statistics.median(times[:quarter]), statistics.median(times[-quarter:])


def judge(samples: list[dict[str, float]], load: Load) -> list[str]:
    """What is wrong with the samples and with what clients were told."""
    found = load.book.failed[:20]
    explained = KEY_BYTES * load.book.keys / max(1, load.book.written)
    if (slope := growth(samples)) is not None and slope - explained > GROWTH_PER_RECORD_MAX:
        found.append(f"memory grows by {slope - explained:.1f} bytes a record beside the {explained:.1f} of its key")
    first, last = drift(samples)
    if last > DRIFT_MAX * first + DRIFT_MS and len(samples) > 60:
        found.append(f"the p99 rose from {first:.1f} ms in the first quarter to {last:.1f} ms in the last")
    for name in ("journal.db-wal", "ledger.db-wal"):
        if (largest := max((sample[name] for sample in samples), default=0)) > WAL_BYTES_MAX:
            found.append(f"{name} grew to {largest:,.0f} bytes")
    if any(sample.get("walletd_invariant_violations_total") for sample in samples):
        found.append("an invariant was violated")
    return found


def unexplained(last: dict[str, float]) -> list[str]:
    """Which files are larger than what is in them: so many bytes a record, and what an empty ledger takes."""
    records = last["walletd_journal_sequence"]
    return [
        f"{name} has {last[name] / records:,.0f} bytes a record"
        for name, most in FILE_BYTES_A_RECORD_MAX.items()
        if last[name] > records * most + EMPTY_BYTES_MAX
    ]


async def soak(folder: Path, plan: Plan) -> tuple[dict[str, float], list[str], list[dict[str, float]]]:
    """Figures, what is wrong, and the samples."""
    service = Service(folder)
    samples: list[dict[str, float]] = []
    try:
        service.start()
        population, treasury, tokens = await populate(service.port, plan.wallets)
        load = Load(population, seed=1, tokens=tokens)
        highest = await burst(service, load, plan.burst_s)
        rate = plan.rate or highest / 2
        starts = []
        for life in range(plan.lives):
            await live(plan, service, load, rate, samples, life)
            starts.append(await asyncio.to_thread(service.start))
            await load.retry(service.port)
            print(
                f"soak: life {life + 1} of {plan.lives}, {load.book.acknowledged:,} transfers acknowledged", flush=True
            )
        held = await balances(service.port, population)
        [issued] = await balances(service.port, [(treasury, 0)])
        figures = await asyncio.to_thread(service.sample)
        await asyncio.to_thread(service.end, signal.SIGTERM)
        found = judge(samples, load) + unexplained(figures)
        told = [FUNDING_MINOR + told for told in load.book.sums[:-1]]
        wrong = [index for index in range(len(held)) if held[index] != told[index] and index not in load.book.doubtful]
        if wrong:
            found.append(
                f"{len(wrong)} wallets do not hold what their clients were told, such as {population[wrong[0]]}"
            )
        if sum(held) + issued != 0:
            found.append(f"all wallets and the Treasury sum to {sum(held) + issued}, not to zero")
        if wrong_folder := await asyncio.to_thread(service.verify):
            found.append(f"walletd verify: {wrong_folder}")
    finally:
        service.close()
    return figures_of(samples, load, rate, highest, starts, figures, len(wrong)), found, samples


def figures_of(
    samples: list[dict[str, float]],
    load: Load,
    rate: float,
    highest: float,
    starts: list[float],
    last: dict[str, float],
    wrong: int,
) -> dict[str, float]:
    """What is reported."""
    first_ms, last_ms = drift(samples)
    records = max(1.0, last["walletd_journal_sequence"])
    rounded: dict[str, Any] = {
        "requests_a_second": rate,
        "highest_a_second": highest,
        "restarts": len(starts),
        "slowest_start_s": max(starts),
        "transfers_acknowledged": load.book.acknowledged,
        "refused": load.book.refused,
        "wallets_in_doubt": len(load.book.doubtful),
        "wallets_wrong": wrong,
        "records": records,
        "journal_bytes_a_record": last["journal.db"] / records,
        "image_bytes_a_record": last["ledger.db"] / records,
        "keys": load.book.keys,
        "receipts": last["receipts"],
        "samples": len(samples),
    }
    if samples:
        rounded |= {
            "memory_mib_most": max(sample["rss"] for sample in samples) / 2**20,
            "descriptors_most": max(sample["descriptors"] for sample in samples),
            "journal_wal_mib_most": max(sample["journal.db-wal"] for sample in samples) / 2**20,
            "image_wal_mib_most": max(sample["ledger.db-wal"] for sample in samples) / 2**20,
            "fold_lag_records_most": max(sample["walletd_fold_lag_records"] for sample in samples),
            "threads_most": max(sample["threads"] for sample in samples),
            "p99_ms_first_quarter": first_ms,
            "p99_ms_last_quarter": last_ms,
            "slowest_ms": max(sample["max_ms"] for sample in samples),
        }
    if (slope := growth(samples)) is not None:
        rounded |= {"memory_bytes_a_record": slope, "memory_mib_an_hour": slope * rate * 3600 / 2**20}
    return {name: round(value, 2) for name, value in rounded.items()}


def main() -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m walletd.tests.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--rate", type=float, help="requests a second")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--samples", type=Path, help="file for every sample, a JSON line each")
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="walletd-soak-") as folder:
        figures, found, samples = asyncio.run(soak(Path(folder), Plan(seconds=given.seconds, rate=given.rate)))
    line = {"suite": "soak", "seconds": round(time.monotonic() - started, 1), "figures": figures, "found": found}
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):28} {value:,}")
    print("found:", *(found or ["nothing"]), sep="\n  ")
    if given.samples is not None:
        given.samples.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    if given.report is not None:
        with given.report.open("a") as file:
            file.write(json.dumps(line) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
