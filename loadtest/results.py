"""The history of results: one JSON object a line, each with what it was taken on."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def now() -> str:
    """The present time in RFC 3339, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def line(row: dict[str, Any]) -> str:
    """A row as one line of JSON."""
    return json.dumps(_rounded(row), separators=(",", ":"), default=str)


def append(path: Path | None, row: dict[str, Any]) -> None:
    """Add a row to a file, if there is one to add it to."""
    if path is not None:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(line(row) + "\n")


def _rounded(value: Any) -> Any:
    """Figures with more digits than they are worth are cut to four behind the point."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {str(name): _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
