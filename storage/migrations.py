"""The schemas of the files, as numbered steps: `schema/<file>_<n>.sql` takes a file from version n - 1 to n.

A file says what it is by `application_id` and how far it has come by `user_version`. A step and its number are one
transaction, so a file is always at a whole version. A foreign file, or one of a newer version, is refused untouched.
"""

import importlib.resources
from pathlib import Path
from typing import Final, NamedTuple

import aiosqlite

from ..engine.ports import StorageForeign


class Schema(NamedTuple):
    """One kind of file: what it is called, the mark in its header, and the newest version known here."""

    name: str
    application_id: int
    version: int


JOURNAL: Final = Schema("journal", 0x574C544A, 1)
"""`journal.db`; the mark reads WLTJ."""

LEDGER: Final = Schema("ledger", 0x574C544C, 1)
"""`ledger.db`; the mark reads WLTL."""

ACCESS: Final = Schema("access", 0x574C5441, 1)
"""`access.db`; the mark reads WLTA."""


async def number_of(connection: aiosqlite.Connection, pragma: str) -> int:
    """The value of a pragma that answers one number."""
    rows = list(await connection.execute_fetchall(pragma))
    return int(rows[0][0])


async def version_of(connection: aiosqlite.Connection, path: Path, schema: Schema) -> int:
    """The version of a file, 0 for a new one. Raises StorageForeign for a foreign file or a newer version."""
    application_id = await number_of(connection, "PRAGMA application_id")
    version = await number_of(connection, "PRAGMA user_version")
    if application_id == 0 and version == 0 and await number_of(connection, "SELECT count(*) FROM sqlite_schema") == 0:
        return 0
    if application_id != schema.application_id:
        raise StorageForeign(f"{path} is not walletd's {schema.name}: it belongs to another program")
    if version > schema.version:
        raise StorageForeign(
            f"{path} was written by a newer walletd (schema version {version}, this one knows {schema.version}): "
            "start that version or a later one"
        )
    return version


async def migrate(connection: aiosqlite.Connection, path: Path, schema: Schema) -> None:
    """Bring a file to the newest version, step by step. Raises StorageForeign for a file that may not be touched."""
    version = await version_of(connection, path, schema)
    for step in range(version + 1, schema.version + 1):
        await connection.executescript(
            f"BEGIN IMMEDIATE;\n{statements(schema, step)}\n"
            f"PRAGMA application_id = {schema.application_id};\nPRAGMA user_version = {step};\nCOMMIT;"
        )


def statements(schema: Schema, step: int) -> str:
    """The SQL of one step."""
    file = importlib.resources.files(__package__) / "schema" / f"{schema.name}_{step}.sql"
    return file.read_text(encoding="utf-8")
