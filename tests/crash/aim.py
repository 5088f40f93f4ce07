"""Aims: when a kill lands. At a time, or inside what the server does to one of its files."""

import random
from typing import Final

import msgspec

from .folder_events import Change


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """Wait `after_s`; then, if `file` is named, until `change` happened to it `count` times or `limit_s` have passed; then `delay_us` more; then kill."""

    name: str
    after_s: float = 0.0
    file: str | None = None
    change: int = int(Change.WRITTEN)
    count: int = 1
    limit_s: float = 1.0
    delay_us: int = 0


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an aim. `hit`: the change was seen; `exited`: the server was gone before."""

    hit: bool
    exited: bool
    code: int
    """The exit code; negative, the signal that ended it."""


UPTIME_MAX_S: Final = 0.3
START_MAX_S: Final = 0.25
START_EXEC_MAX_S: Final = 1.0


def _at(chance: random.Random, name: str, file: str, **more: object) -> Aim:
    # Half of the kills come at once, the others where a commit syncs or a checkpoint is half-way.
    delay_us = chance.choice((0, 0, 0, chance.randrange(300), chance.randrange(3_000)))
    return msgspec.convert({"name": name, "file": file, "delay_us": delay_us, **more}, Aim)


def under_load(chance: random.Random) -> Aim:
    """For a server at work."""
    after_s = chance.uniform(0.02, UPTIME_MAX_S)
    kind = chance.randrange(10)
    if kind < 3:
        return Aim(name="any time", after_s=after_s)
    if kind < 6:
        return _at(chance, "append", "journal.db-wal", after_s=after_s, count=chance.randrange(1, 6))
    if kind < 9:
        return _at(chance, "fold", "ledger.db-wal", after_s=after_s, count=chance.randrange(1, 30))
    return _at(chance, "login", "access.db-journal", after_s=after_s)


def in_checkpoint(chance: random.Random) -> Aim:
    """For a server that is made to write so much that it checkpoints soon."""
    file = chance.choice(("journal.db", "ledger.db"))
    return _at(chance, "checkpoint", file, count=chance.randrange(1, 4), limit_s=3.0)


def in_stop(chance: random.Random) -> Aim:
    """For a server that was asked to stop: it folds, checkpoints and removes its logs."""
    kind = chance.randrange(5)
    if kind == 0:
        return Aim(name="stop", after_s=chance.uniform(0, 0.05))
    file = chance.choice(("journal.db", "ledger.db", "ledger.db", "ledger.db-wal", "access.db"))
    if kind == 1:
        return _at(chance, "stop", f"{file.removesuffix('-wal')}-wal", change=int(Change.DELETED))
    return _at(chance, "stop", file, count=chance.randrange(1, 6))


def in_start(chance: random.Random, *, forked: bool, anew: bool) -> Aim:
    """For a server that starts. `anew`: its image cannot be used, so it is set aside and folded again."""
    kind = chance.randrange(8)
    if anew and kind < 2:
        return _at(chance, "set aside", "ledger.db", change=int(Change.MOVED_AWAY), delay_us=0)
    if anew and kind < 5:
        return _at(chance, "image anew", "ledger.db-wal", count=chance.randrange(1, 12))
    if kind < 6:
        return Aim(name="start", after_s=chance.uniform(0, START_MAX_S if forked else START_EXEC_MAX_S))
    file = chance.choice(("lock", "journal.db-wal", "journal.db-wal", "ledger.db-wal", "access.db"))
    return _at(chance, "start", file, count=chance.randrange(1, 4))
