"""A planted defect: what a tired engineer did wrong, as a change of exact text in a copy of the tree."""

from pathlib import Path

import msgspec


class Misplaced(Exception):
    """A change whose place is not in the tree exactly once: the defect must be planted anew."""


class Change(msgspec.Struct, frozen=True):
    """In `file`, `old`, which occurs there exactly once, becomes `new`."""

    file: str
    old: str
    new: str


class Defect(msgspec.Struct, frozen=True):
    """`wrong` is one sentence. `first`: the tests, below tests/, that are likely to see it; they run before the suites."""

    name: str
    wrong: str
    changes: tuple[Change, ...]
    first: tuple[str, ...] = ()


def defect(name: str, wrong: str, *changes: tuple[str, str, str], first: tuple[str, ...] = ()) -> Defect:
    """A defect, its changes given as (file, old, new)."""
    return Defect(name, wrong, tuple(Change(*change) for change in changes), first)


def changed_files(planted: Defect, root: Path) -> dict[str, str]:
    """The files of the tree at `root` with the defect in them, by path. Raises Misplaced."""
    texts: dict[str, str] = {}
    for change in planted.changes:
        if change.file not in texts:
            path = root / change.file
            if not path.is_file():
                raise Misplaced(f"{planted.name}: there is no {change.file}")
            texts[change.file] = path.read_text()
        if (times := texts[change.file].count(change.old)) != 1:
            raise Misplaced(f"{planted.name}: {change.file} has its place {times} times, not once: {change.old!r}")
        texts[change.file] = texts[change.file].replace(change.old, change.new)
    return texts
