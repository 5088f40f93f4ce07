"""`python -m walletd.loadtest`: reads arguments and settings, and turns the end into an exit code.

0: done, and every audit was clean; 1: a finding, or the load could not be put on; 2: wrong usage.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from . import compare, goals, services, startup, targets
from .client import Unanswered
from .dialects import DIALECTS
from .peers.postgres import Unavailable
from .processes import NotStarted
from .runs import Plan, RunFailed
from .session import NotLoopback, Options, checked_address, perform
from .workloads import WORKLOADS


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says. Returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "run")
    parser = _parser()
    parsed = parser.parse_args(given)
    act: Callable[[argparse.ArgumentParser, argparse.Namespace, Console], bool] = parsed.act
    try:
        return 0 if act(parser, parsed, _console()) else 1
    except (goals.NoPlace, NotLoopback, NotStarted, RunFailed, Unanswered, Unavailable, OSError) as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("loadtest: interrupted.", file=sys.stderr)
        return 1


def _interrupt(number: int, frame: object) -> None:
    """End as after Ctrl-C, so that what was started here is ended too."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m walletd.loadtest",
        description="Puts a wallet service under load over HTTP, measures it, and audits the money afterwards.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(
        commands.add_parser(
            "run", help="Measure one service. This is what is done without a command.", allow_abbrev=False
        )
    )
    _add_compare(commands.add_parser("compare", help="Measure walletd beside its peers, in turns.", allow_abbrev=False))
    _add_startup(
        commands.add_parser(
            "startup", help="Measure a start with many wallets and a tail to replay.", allow_abbrev=False
        )
    )
    _add_targets(
        commands.add_parser(
            "targets", help="Measure every target in one go, and write their table.", allow_abbrev=False
        )
    )
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(act=_run)
    names = ", ".join(f"{name} ({workload.title})" for name, workload in WORKLOADS.items())
    parser.add_argument(
        "--workload", default="random", metavar="NAMES", help=f"One or more, parted by commas, or `all`: {names}."
    )
    parser.add_argument(
        "--url", help="A service that runs already; without it a server is started on a temporary folder."
    )
    parser.add_argument("--allow-remote", action="store_true", help="Accept a URL of another machine.")
    parser.add_argument("--dialect", choices=sorted(DIALECTS), default="v1", help="The API that the load uses.")
    parser.add_argument(
        "--setup", choices=("v1", "digital-wallet", "existing"),
        help="How wallets are made: over /v1, over the digital wallet API, or the users 1 to --wallets exist with equal balances. Default: /v1 for a server that is started here, else the load's API.",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=_number(0), default=0.0, help="Open loop at this many requests a second; 0 is a closed loop."
    )
    parser.add_argument("--read-share", type=_number(0, 1), default=0.5, help="Share of reads in `mixed`.")
    parser.add_argument(
        "--audit", choices=("sample", "full", "off"), default="sample", help="How much is read again afterwards."
    )
    parser.add_argument(
        "--audit-wallets-max", type=_whole(1), default=200_000, help="Wallets up to which all are compared."
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="Where the HTML report goes; default: a new temporary file."
    )
    _add_load(parser)
    _add_place(parser)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(act=_compare)
    parser.add_argument(
        "--services", default=",".join(services.SERVICES), help=f"Parted by commas, of {', '.join(services.SERVICES)}."
    )
    parser.add_argument("--workload", default="random,treasury,batch", metavar="NAMES", help="Parted by commas.")
    parser.add_argument(
        "--rounds", type=_whole(1, 100), default=3, help="Rounds, in alternating order; medians are taken."
    )
    parser.add_argument(
        "--dialect", choices=sorted(DIALECTS), default="digital-wallet", help="The API of single transfers."
    )
    _add_load(parser)
    _add_place(parser)


def _add_startup(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(act=_startup)
    parser.add_argument("--wallets", type=_whole(2, 100_000_000), default=1_000_000)
    parser.add_argument(
        "--tail", type=_whole(0, 100_000_000), default=100_000, help="Records that the image is behind at the start."
    )
    parser.add_argument("--image", default="ledger.db", help="The image's file in the data folder.")
    _add_place(parser)


def _add_targets(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(act=_targets)
    parser.add_argument("--quick", action="store_true", help="Everything in small, to see that it works.")
    parser.add_argument(
        "--only",
        default=",".join(targets.PARTS),
        metavar="PARTS",
        help=f"Parted by commas, of {', '.join(targets.PARTS)}.",
    )
    parser.add_argument("--rounds", type=_whole(1, 100), help=f"Default: {targets.FULL.rounds}.")
    parser.add_argument("--wallets", type=_whole(2, 100_000_000), help=f"Default: {targets.FULL.wallets:,}.")
    parser.add_argument(
        "--duration",
        type=_number(1, 3_600),
        help=f"Measured seconds of each run. Default: {targets.FULL.duration_s:g}.",
    )
    parser.add_argument(
        "--large-wallets", type=_whole(2, 100_000_000),
        help=f"Wallets of the start, the stalls and the history. Default: {targets.FULL.large_wallets:,}.",
    )  # fmt: skip
    parser.add_argument(
        "--tail", type=_whole(0, 100_000_000), help=f"Records to replay at the start. Default: {targets.FULL.tail:,}."
    )
    parser.add_argument(
        "--entries",
        type=_whole(1_000, 100_000_000),
        help=f"Entries of the long history. Default: {targets.FULL.entries:,}.",
    )
    parser.add_argument(
        "--stall",
        type=_number(2, 3_600),
        help=f"Seconds in which stalls are looked for. Default: {targets.FULL.stall_s:g}.",
    )
    parser.add_argument("--connections", type=_whole(1, 10_000), default=64)
    parser.add_argument("--processes", type=_whole(1, 64), default=1, help="Processes that send the load.")
    parser.add_argument("--seed", type=_whole(0), default=1)
    parser.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help=f"A file to write the table to, between {goals.BEGIN} and {goals.END}.",
    )
    _add_place(parser)


def _add_load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wallets", type=_whole(2, 100_000_000), default=100_000)
    parser.add_argument("--connections", type=_whole(1, 10_000), default=64)
    parser.add_argument("--processes", type=_whole(1, 64), default=1, help="Processes that send the load.")
    parser.add_argument("--duration", type=_number(0.1, 86_400), default=10.0, help="Measured seconds.")
    parser.add_argument("--warmup", type=_number(0, 3_600), default=2.0, help="Seconds before the measured ones.")
    parser.add_argument("--seed", type=_whole(0), default=1)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, help="Where temporary folders are made: on the disk that is to be measured."
    )
    parser.add_argument("--results", type=Path, metavar="FILE", help="A file of JSON lines to append the result to.")


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace, console: Console) -> bool:
    if given.url is not None:
        _check_url(parser, given.url)
        checked_address(given.url, allow_remote=given.allow_remote)
    workloads = _workloads(parser, given.workload)
    if given.dialect == "digital-wallet" and any(WORKLOADS[name].is_batch for name in workloads):
        parser.error("the digital wallet API has no batches")
    options = Options(
        workloads=workloads, plan=_plan(given, rate=given.rate, read_share=given.read_share), url=given.url,
        allow_remote=given.allow_remote, dialect=given.dialect, setup=given.setup, wallets=given.wallets, audit=given.audit,
        audit_wallets_max=given.audit_wallets_max, folder=given.folder, report=given.report, results=given.results,
    )  # fmt: skip
    return perform(options, console)


def _compare(parser: argparse.ArgumentParser, given: argparse.Namespace, console: Console) -> bool:
    chosen = tuple(given.services.split(","))
    if unknown := set(chosen) - set(services.SERVICES):
        parser.error(f"unknown services: {', '.join(sorted(unknown))}")
    options = compare.Options(
        services=chosen, workloads=_workloads(parser, given.workload), rounds=given.rounds, plan=_plan(given),
        dialect=given.dialect, wallets=given.wallets, folder=given.folder, results=given.results,
    )  # fmt: skip
    return compare.perform(options, console)


def _startup(parser: argparse.ArgumentParser, given: argparse.Namespace, console: Console) -> bool:
    if Path(given.image).name != given.image:
        parser.error("--image must be a file's name")
    startup.perform(startup.Options(given.wallets, given.tail, given.image, given.folder, given.results), console)
    return True


def _targets(parser: argparse.ArgumentParser, given: argparse.Namespace, console: Console) -> bool:
    parts = frozenset(given.only.split(","))
    if unknown := parts - set(targets.PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    asked = {
        "rounds": given.rounds, "wallets": given.wallets, "duration_s": given.duration, "large_wallets": given.large_wallets,
        "tail": given.tail, "entries": given.entries, "stall_s": given.stall,
    }  # fmt: skip
    sizes = msgspec.structs.replace(
        targets.QUICK if given.quick else targets.FULL,
        **{name: value for name, value in asked.items() if value is not None},
    )
    options = targets.Options(
        parts=parts, sizes=sizes, connections=given.connections, processes=min(given.processes, given.connections), seed=given.seed,
        folder=given.folder, results=given.results, table=given.table,
    )  # fmt: skip
    return targets.perform(options, console)


def _plan(given: argparse.Namespace, *, rate: float = 0.0, read_share: float = 0.5) -> Plan:
    return Plan(
        workload="random", connections=given.connections, processes=min(given.processes, given.connections), rate=rate,
        warmup_s=given.warmup, duration_s=given.duration, seed=given.seed, read_share=read_share,
    )  # fmt: skip


def _workloads(parser: argparse.ArgumentParser, text: str) -> tuple[str, ...]:
    names = tuple(WORKLOADS) if text == "all" else tuple(text.split(","))
    if unknown := set(names) - set(WORKLOADS):
        parser.error(f"unknown workloads: {', '.join(sorted(unknown))}")
    return names


def _check_url(parser: argparse.ArgumentParser, url: str) -> None:
    try:
        checked_address(url, allow_remote=True)
    except ValueError as error:
        parser.error(str(error))


def _whole(lowest: int, highest: int = 2**62) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def _number(lowest: float, highest: float = 1e9) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"must be a number from {lowest:g} to {highest:g}")
        return value

    return parse


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 200)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
