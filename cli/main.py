"""The command line: reads arguments and settings, calls one function for each command, and turns its end into an exit code.

Answers go to stdout, progress, logs and refusals to stderr.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from .. import __version__
from ..engine import Engine
from ..engine.identity import Access
from ..engine.ports import JournalFull, StorageUnusable
from ..engine.records import BrokenJournal
from ..settings import SETTINGS, Resolved, SettingsError, resolve
from ..storage.backup import backup, rebuild, restore
from ..storage.folder import FolderLocked
from ..storage.verify import verify
from . import demo, doctor, keys, log, seed
from .service import EXIT_MEANINGS, Exit, fill, serve

_WIDE: Final = 200
"""Columns of a table that goes to a file or a pipe, where nothing is to be cut."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code."""
    given = _parser().parse_args(arguments)
    if sys.flags.optimize:
        return _refuse(
            Exit.USAGE, "Python runs with -O (or PYTHONOPTIMIZE), which drops the checks that guard the money."
        )
    flags = {setting.name: vars(given)[setting.name] for setting in SETTINGS if setting.name in given}
    try:
        resolved = resolve(flags, env_file=given.env_file)
    except SettingsError as error:
        return _refuse(Exit.USAGE, *error.mistakes)
    run: Callable[[argparse.Namespace, Resolved], Exit] = given.run
    try:
        return run(given, resolved)
    except FolderLocked as error:
        return _refuse(Exit.LOCKED, str(error))
    except (BrokenJournal, StorageUnusable) as error:
        return _refuse(Exit.UNUSABLE, str(error))
    except JournalFull as error:
        return _refuse(Exit.FAILED, f"the disk is full: {error}.")
    except OSError as error:
        return _refuse(Exit.FAILED, f"{error.filename or 'the system'}: {error.strerror or error}.")
    except KeyboardInterrupt:
        return _refuse(Exit.FAILED, "interrupted.")


def _parser() -> argparse.ArgumentParser:
    codes = "\n".join(f"  {code:<3} {meaning}" for code, meaning in EXIT_MEANINGS.items())
    parser = argparse.ArgumentParser(
        prog="walletd",
        description="An in-memory, actor-based wallet engine with a durable journal.",
        epilog=f"exit codes:\n{codes}\n\nEach setting is a flag, a WALLETD_ variable, or a line of .env: see `walletd settings`.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"walletd {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str,
        run: Callable[[argparse.Namespace, Resolved], Exit],
        text: str,
        *settings: str,
        under: "argparse._SubParsersAction[argparse.ArgumentParser]" = commands,
    ) -> argparse.ArgumentParser:
        added = under.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(run=run)
        added.add_argument("--env-file", type=Path, metavar="FILE", help="Settings to read instead of ./.env.")
        _add_settings(added, settings)
        return added

    every = tuple(setting.name for setting in SETTINGS)
    command("serve", _serve, "Run the server until SIGTERM or SIGINT.", *every)
    # The demo's people have US dollars.
    others = (name for name in every if name != "default_asset")
    command("demo", _demo, "Run a server with data to play with, and print curl lines that work.", *others)
    command("seed", _seed, "Put the sample data into a new data folder; one that has users is left alone.", "data")
    command("settings", _settings, "Show the settings in force and where each comes from.", *every)
    command("doctor", _doctor, "Look at this machine and the data folder, and say how to mend what is wrong.", *every)
    command(
        "verify",
        _verify,
        "Check a data folder: the chain, every record, the image and every sum; a server may run beside it.",
        "data",
    )
    command("rebuild", _rebuild, "Throw the image away and fold it again from the journal.", "data")
    added = command(
        "backup", _backup, "Copy the journal into a new folder and check the copy; a server may run beside it.", "data"
    )
    added.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="The folder to make.")
    added = command("restore", _restore, "Make a new data folder from a backup.", "data")
    added.add_argument("--from", dest="source", type=Path, required=True, metavar="FOLDER", help="The backup.")
    text = "Make, list and revoke the API keys that a server with authentication on asks for."
    group = commands.add_parser("keys", help=text, description=text, allow_abbrev=False)
    under = group.add_subparsers(metavar="COMMAND", required=True)
    keys.add_create_arguments(command("create", keys.create, "Make a key and print it.", "data", under=under))
    command("list", keys.list_, "Show all keys, without their secrets.", "data", under=under)
    text = "Withdraw a key; a running server stops taking it at once."
    keys.add_revoke_arguments(command("revoke", keys.revoke, text, "data", under=under))
    return parser


def _add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    for setting in SETTINGS:
        if setting.name not in names:
            continue
        text = f"{setting.help} Default: {setting.default or 'none'}.".replace("%", "%%")
        absent = argparse.SUPPRESS
        if setting.is_switch:
            parser.add_argument(
                setting.flag, dest=setting.name, action="store_const", const="true", default=absent, help=text
            )
            opposite = setting.flag.replace("--", "--no-", 1)
            parser.add_argument(
                opposite, dest=setting.name, action="store_const", const="false", default=absent, help=absent
            )
        else:
            metavar = setting.name.rpartition("_")[2].upper()
            parser.add_argument(setting.flag, dest=setting.name, default=absent, metavar=metavar, help=text)


def _refuse(code: Exit, *sentences: str) -> Exit:
    for sentence in sentences:
        print(f"walletd: {sentence}", file=sys.stderr)
    return code


def _serve(_: argparse.Namespace, resolved: Resolved) -> Exit:
    log.set_up(resolved.settings.log_level)
    sys.excepthook = log.crashed
    return serve(resolved.settings, ready=lambda url, _: print(f"walletd is ready at {url}", flush=True))


def _demo(given: argparse.Namespace, resolved: Resolved) -> Exit:
    # What the log would say on a first try is said by the guide instead.
    log.set_up(
        "warning" if resolved.sources["log_level"] == "default" else resolved.settings.log_level, log.PlainFormatter()
    )
    try:
        if resolved.sources["data"] == "flag":
            return _demo_in(given.data, resolved)
        with tempfile.TemporaryDirectory(prefix="walletd-demo-") as folder:
            return _demo_in(folder, resolved)
    except seed.NotEmpty:
        return _refuse(
            Exit.FAILED, "the data folder has users already: run `walletd serve` on it, or name a new folder."
        )


def _demo_in(folder: str, resolved: Resolved) -> Exit:
    settings = msgspec.structs.replace(resolved.settings, data=Path(folder), default_asset=seed.DOLLARS)

    def ready(url: str, engine: Engine) -> None:
        print(f"walletd is ready at {url}", demo.guide(engine, url), sep="\n", flush=True)

    return serve(settings, ready=ready, seed=seed.fill)


def _seed(_: argparse.Namespace, resolved: Resolved) -> Exit:
    log.set_up("warning", log.PlainFormatter())
    settings = msgspec.structs.replace(resolved.settings, default_asset=seed.DOLLARS)

    async def filled(engine: Engine, access: Access) -> None:
        await seed.fill(engine, access)
        print(f"{settings.data} holds the sample data: {engine.ledger.user_count} users, {engine.ledger.seq} records.")

    try:
        return fill(settings, filled)
    except seed.NotEmpty:
        return _refuse(Exit.FAILED, f"{settings.data} has users already: the sample data goes into a new folder only.")


def _settings(_: argparse.Namespace, resolved: Resolved) -> Exit:
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for setting in SETTINGS:
        value = getattr(resolved.settings, setting.name)
        text = ", ".join(value) if isinstance(value, tuple) else str(value).lower() if setting.is_switch else str(value)
        table.add_row(setting.name, text, resolved.sources[setting.name])
    _console().print(table, markup=False)
    return Exit.OK


def _doctor(_: argparse.Namespace, resolved: Resolved) -> Exit:
    worst = Exit.OK
    for finding in doctor.examine(resolved.settings):
        print(f"{finding.level:<4}  {finding.subject}: {finding.says}")
        if finding.mend:
            print(f"      → {finding.mend}")
        if finding.level == "fail":
            worst = Exit.FAILED
    print(
        "ok    settings: valid." if worst is Exit.OK else "Something has to be mended before a server runs well here."
    )
    return worst


def _verify(_: argparse.Namespace, resolved: Resolved) -> Exit:
    folder = resolved.settings.data
    with _progress() as on_progress:
        report = asyncio.run(verify(folder, on_progress))
    for finding in report.findings:
        print(finding)
    if not report.sound:
        return _refuse(Exit.FAILED, f"{folder} is not as it must be; what is wrong is listed above.")
    image = "no image" if report.image is None else f"image as of record {report.image.seq}"
    print(f"{folder} is sound: {report.journal.seq} records, {image}.")
    return Exit.OK


def _rebuild(_: argparse.Namespace, resolved: Resolved) -> Exit:
    with _progress() as on_progress:
        head = asyncio.run(rebuild(resolved.settings.data, on_progress))
    print(f"The image of {resolved.settings.data} is made anew, as of record {head.seq}.")
    return Exit.OK


def _backup(given: argparse.Namespace, resolved: Resolved) -> Exit:
    with _progress() as on_progress:
        head = asyncio.run(backup(resolved.settings.data, given.to, on_progress))
    print(f"{given.to} holds {head.seq} records, read back and checked.")
    return Exit.OK


def _restore(given: argparse.Namespace, resolved: Resolved) -> Exit:
    with _progress() as on_progress:
        head = asyncio.run(restore(given.source, resolved.settings.data, on_progress))
    print(f"{resolved.settings.data} holds {head.seq} records, read back and checked; the first start makes its image.")
    return Exit.OK


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDE)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on stderr, one for each thing that is being done; nothing where stderr is not a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield on_progress
