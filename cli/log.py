"""The log: one JSON object a line on stderr, made with the standard logging package.

`logger.info("event", extra={"name": value})` writes `{"ts": …, "level": "info", "event": "event", "name": value}`. Whatever a
value holds, it cannot end the line or reach a terminal as a control character: everything outside printable ASCII is escaped.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

# What the logging package itself puts on a record; the rest was given by the caller.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != "walletd":
            line["logger"] = record.name
        line.update({name: value for name, value in vars(record).items() if name not in _OWN and name not in line})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # JSON escapes the C0 controls, and ensure_ascii all of Unicode; DEL is what both leave.
        return json.dumps(line, ensure_ascii=True, default=str).replace("\x7f", "\\u007f")


class PlainFormatter(logging.Formatter):
    """A record as a sentence for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        sentence = str(vars(record).get("detail", record.getMessage()))
        return "walletd: " + "".join(char if char.isprintable() else "?" for char in sentence)


def set_up(level: str, formatter: logging.Formatter | None = None, stream: TextIO | None = None) -> None:
    """Send every logger's events of at least `level` to `stream` (stderr unless given), as JSON lines unless a formatter is given."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter or JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # It logs each statement with what is bound to it: hashes of passwords and tokens, and keys.
    logging.getLogger("aiosqlite").setLevel(logging.INFO)


def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The hook for an exception that nobody caught: it ends the process, and is an event like any other."""
    logging.getLogger("walletd").critical("crashed", exc_info=(kind, error, trace))
