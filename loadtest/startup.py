"""The start: how long a server takes that has many wallets and an image behind its journal, and what an idle wallet costs in memory.

The data folder is built over the API. Then the server stops, which leaves the image as of the last record, and the image is put
aside. A tail of transfers follows, each a record of its own; right after the last answer the server is killed, and the image that was
put aside comes back: the journal is now ahead of it by exactly the tail, as after a crash of a server that could not fold.
"""

import json
import random
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from . import machine, quiet, results, screen
from .answers import Answer
from .client import Client, Unanswered
from .dialects import V1
from .population import CONNECTIONS, open_wallets
from .processes import Started, resident_bytes, start, walletd
from .requests import Address
from .session import loop_run, temporary_folder
from .workloads import AMOUNT_MAX_MINOR, Move

ASSET: Final = "USD"
DATA: Final = "data"
"""The data folder's name in the temporary one."""

FUNDING_MINOR: Final = 1_000_000
SETTLE_S: Final = 2.0

NOISE_S: Final = 0.2
"""Two starts may differ by this much for no reason, so a shorter difference gives no rate."""


class Options(NamedTuple):
    """How many wallets, how many records of tail, and which file of the data folder is the image."""

    wallets: int
    tail: int
    image: str
    folder: Path | None
    results: Path | None


class _Start(NamedTuple):
    """One start of a server."""

    server: Started
    seconds: float


def perform(options: Options, console: Console) -> dict[str, Any]:
    """Measure, print, and return the row. Raises NotStarted, Unanswered."""
    watch = quiet.Watch.begin()
    with temporary_folder(options.folder) as folder:
        wallets, build_s = build(options.wallets, folder)
        figures = {"build_s": build_s, **measured(options, folder, wallets)}
        row: dict[str, Any] = {
            "at": results.now(), "commit": machine.commit(), "machine": machine.machine(), "file_system": machine.file_system(folder),
            "noise": watch.end(), "startup": figures,
        }  # fmt: skip
    _print(console, figures)
    console.print(quiet.sentence(row["noise"]), highlight=False)
    print(results.line(row))
    results.append(options.results, row)
    return row


def measured(options: Options, folder: Path, wallets: list[str]) -> dict[str, Any]:
    """The figures of a folder that `build` filled, whose data can be served again afterwards. Raises NotStarted, Unanswered."""
    empty_s, empty_bytes = _rest(_start(folder, "empty"))
    ready_s, idle_bytes = _rest(_start(folder, DATA))
    aside = folder / "aside"
    shutil.copyfile(folder / DATA / options.image, aside)
    _tail(options, folder, wallets)
    _put_back(folder / DATA, options.image, aside)
    aside.unlink()
    log = folder / "tail.log"
    tailed = _start(folder, DATA, log)
    code = tailed.server.stop()
    difference = None if idle_bytes is None or empty_bytes is None else idle_bytes - empty_bytes
    return {
        "wallets": options.wallets,
        "tail": options.tail,
        "ready_empty_s": empty_s,
        "ready_s": ready_s,
        "ready_with_tail_s": tailed.seconds,
        "replayed_per_s": _rate(options.tail, tailed.seconds - ready_s),
        "steps_per_s": _steps(log),
        "resident_empty_bytes": empty_bytes,
        "resident_bytes": idle_bytes,
        "bytes_per_idle_wallet": None if difference is None else difference / options.wallets,
        "stopped_with": code,
    }


def build(count: int, folder: Path) -> tuple[list[str], float]:
    """Fill a new data folder in `folder` with wallets. Their ids, and the seconds. Raises NotStarted, Unanswered."""
    begun = time.monotonic()
    server = _start(folder, DATA).server
    try:
        with screen.setup_progress() as progress:
            client = Client(server.address, min(CONNECTIONS, count))
            wallets = loop_run(open_wallets(client, count, ASSET, FUNDING_MINOR, progress))
    finally:
        server.stop()
    return wallets, time.monotonic() - begun


def _start(folder: Path, data: str, log: Path | None = None) -> _Start:
    """Start a server; `seconds` is from its process being made to its ready line, the interpreter's own start included."""
    begun = time.monotonic()
    server = start(walletd(folder / data, "--log-level", "debug"), folder, log or folder / f"{data}.log")
    return _Start(server, time.monotonic() - begun)


def _rest(begun: _Start) -> tuple[float, int | None]:
    """Let a server that was just started settle: the seconds it took, and its memory when it idles. Ends it."""
    try:
        time.sleep(SETTLE_S)
        return begun.seconds, resident_bytes(begun.server.process.pid)
    finally:
        begun.server.stop()


def _tail(options: Options, folder: Path, wallets: list[str]) -> None:
    server = _start(folder, DATA).server
    try:
        with screen.setup_progress() as progress:
            done = 0

            def take(index: int, answer: Answer) -> None:
                nonlocal done
                if answer.status != 201:
                    raise Unanswered(f"the tail: {answer.status} {answer.body[:200]!r}")
                done += 1
                if done % 1000 == 0:
                    progress("writing the tail", done, options.tail)

            loop_run(Client(server.address, CONNECTIONS).each(_transfers(options, server.address, wallets), take))
    finally:
        server.stop(signal.SIGKILL)


def tail_moves(options: Options) -> Iterator[Move]:
    """What the tail moves, a record each. The same options give the same moves."""
    rng = random.Random(1)
    for _ in range(options.tail):
        source, destination = rng.sample(range(options.wallets), 2)
        yield source, destination, rng.randint(1, AMOUNT_MAX_MINOR)


def _transfers(options: Options, address: Address, wallets: list[str]) -> Iterator[bytes]:
    dialect = V1()
    for source, destination, amount in tail_moves(options):
        yield dialect.transfer(address, wallets[source], wallets[destination], amount)


def _put_back(data: Path, image: str, aside: Path) -> None:
    """The image as it was put aside. What the newer one has beside it belongs to the newer one, and goes."""
    for path in data.glob(f"{image}*"):
        path.unlink()
    shutil.copyfile(aside, data / image)


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if seconds > NOISE_S else None


def _steps(log: Path) -> dict[str, float]:
    """What the server's log tells of its recovery: how much a second was done of each thing that it counts, if it says."""
    counted: dict[str, list[tuple[float, int]]] = {}
    for text in log.read_text(errors="replace").splitlines():
        try:
            event = json.loads(text)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") == "progress" and {"ts", "what", "done"} <= event.keys():
            at = datetime.fromisoformat(str(event["ts"])).timestamp()
            counted.setdefault(str(event["what"]), []).append((at, int(event["done"])))
    rates = {}
    for what, points in counted.items():
        steps = [(later[1] - one[1], later[0] - one[0]) for one, later in pairwise(points) if later[0] > one[0]]
        largest = max((done for done, _ in steps), default=0)
        if largest:
            # A last step of a few things takes as long as the rounding of its time, and tells nothing.
            rates[what] = statistics.median(done / seconds for done, seconds in steps if done * 2 >= largest)
    return rates


def _print(console: Console, figures: dict[str, Any]) -> None:
    table = Table("start", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, value in figures.items():
        if isinstance(value, dict):
            for what, rate in value.items():
                table.add_row(f"logged: {what}, per second", f"{rate:,.0f}")
        else:
            table.add_row(
                name.replace("_", " "),
                "?" if value is None else f"{value:,.2f}" if isinstance(value, float) else f"{value:,}",
            )
    console.print(table)
    if not figures["steps_per_s"]:
        print(
            "the server's log counts nothing of its recovery: replayed_per_s is the difference of two starts",
            file=sys.stderr,
        )
