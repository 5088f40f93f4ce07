"""API keys from the command line: made, listed and revoked in the data folder, beside a running server too, which notices at once.

A key's text is printed when it is made, and never again. Keys of one name are one caller: a second key of the name takes over from the
first without a payment that is tried again being made twice, and then the first is revoked.
"""

import argparse
import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from ..engine.identity import ApiKey, Scope
from ..engine.ports import StorageUnusable
from ..engine.refusals import Refusal
from ..settings import Resolved
from ..storage.access import SqliteAccess
from ..storage.folder import ACCESS_NAME, DataFolder
from ..storage.passwords import Argon2Hasher
from .service import Exit

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SPAN: Final = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WIDE: Final = 200


def add_create_arguments(parser: argparse.ArgumentParser) -> None:
    """What `keys create` is told."""
    parser.add_argument(
        "--name", type=_name, required=True, help="Who uses it: letters, digits, dot, dash, underscore."
    )
    parser.add_argument(
        "--scope",
        dest="scopes",
        action="append",
        choices=[scope.value for scope in Scope],
        required=True,
        help="What it may do; may be given more than once.",
    )
    parser.add_argument(
        "--expires",
        type=_span,
        metavar="SPAN",
        help="How long it lives, such as 90d, 12h or 30m; for ever unless given.",
    )


def add_revoke_arguments(parser: argparse.ArgumentParser) -> None:
    """What `keys revoke` is told."""
    parser.add_argument("id", type=_id, metavar="ID", help="The key's id, as `keys list` shows it.")


def create(given: argparse.Namespace, resolved: Resolved) -> Exit:
    """Make a key and print it. The data folder is made if it is missing: a server that asks for keys needs one before its first start."""
    try:
        key, secret = asyncio.run(_create(resolved.settings.data, given))
    except Refusal as refusal:
        return _failed(refusal.detail)
    ends = f"until {_time(key.expires_at)}" if key.expires_at is not None else "until it is revoked"
    print(f"Key {key.id} of {key.name}, for {_words(key)}, {ends}. It is not shown again:", file=sys.stderr)
    print(secret)
    return Exit.OK


def list_(_: argparse.Namespace, resolved: Resolved) -> Exit:
    """Show all keys, without their secrets."""
    table = Table("id", "name", "key", "scopes", "state", "created", "expires", "last used", box=None, pad_edge=False)
    now = _now()
    try:
        keys = asyncio.run(_list(resolved.settings.data))
    except Refusal as refusal:
        return _failed(refusal.detail)
    for key in keys:
        times = (_time(at) if at is not None else "never" for at in (key.created_at, key.expires_at, key.last_used_at))
        table.add_row(str(key.id), key.name, f"{key.hint}…", _words(key), _state(key, now), *times)
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table, markup=False)
    return Exit.OK


def revoke(given: argparse.Namespace, resolved: Resolved) -> Exit:
    """Withdraw a key."""
    try:
        done = asyncio.run(_revoke(resolved.settings.data, given.id))
    except Refusal as refusal:
        return _failed(refusal.detail)
    if not done:
        return _failed(f"there is no key {given.id} that is not revoked.")
    print(f"Key {given.id} is revoked.")
    return Exit.OK


async def keys_in(data: Path) -> list[ApiKey]:
    """The keys of a data folder; none where it has no file for them. Raises StorageUnusable and Refusal."""
    return await _list(data) if (data / ACCESS_NAME).is_file() else []


def _state(key: ApiKey, now: int) -> str:
    """`active`, `expired` or `revoked`."""
    if key.revoked_at is not None:
        return "revoked"
    return "active" if key.expires_at is None or now < key.expires_at else "expired"


def active(keys: list[ApiKey]) -> list[ApiKey]:
    """Those that open something now."""
    now = _now()
    return [key for key in keys if _state(key, now) == "active"]


async def _create(data: Path, given: argparse.Namespace) -> tuple[ApiKey, str]:
    DataFolder(data)
    now = _now()
    async with _access(data) as access:
        scopes = frozenset(map(Scope, given.scopes))
        return await access.create_key(given.name, scopes, now, None if given.expires is None else now + given.expires)


async def _list(data: Path) -> list[ApiKey]:
    _check_present(data)
    async with _access(data) as access:
        return await access.keys()


async def _revoke(data: Path, key_id: int) -> bool:
    _check_present(data)
    async with _access(data) as access:
        return await access.revoke_key(key_id, _now())


@asynccontextmanager
async def _access(data: Path) -> AsyncIterator[SqliteAccess]:
    hasher = Argon2Hasher()
    try:
        access = await SqliteAccess.open(data.absolute() / ACCESS_NAME, hasher)
        try:
            yield access
        finally:
            await access.close()
    finally:
        hasher.close()


def _check_present(data: Path) -> None:
    if not (data / ACCESS_NAME).is_file():
        raise StorageUnusable(f"{data / ACCESS_NAME} is missing: no key was ever made in this folder")


def _failed(sentence: str) -> Exit:
    print(f"walletd: {sentence}", file=sys.stderr)
    return Exit.FAILED


def _words(key: ApiKey) -> str:
    return ",".join(scope for scope in Scope if scope in key.scopes)


def _now() -> int:
    return time.time_ns() // 1_000


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1_000_000, UTC):%Y-%m-%d %H:%M:%SZ}"


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("must be 1 to 64 letters, digits, dots, dashes and underscores")
    return text


def _span(text: str) -> int:
    """Microseconds."""
    match = _SPAN.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError("must be a number and s, m, h or d, such as 90d")
    return int(match[1]) * _SECONDS[match[2]] * 1_000_000


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError("must be a key's id, a number")
    return int(text)
