"""A log line is one JSON object, whatever is in it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from walletd.cli.log import JsonFormatter, PlainFormatter, set_up


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def record(event: str, name: str = "walletd", /, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": name, "levelname": "INFO", "msg": event, "created": 1.5} | fields)


def test_an_event_has_time_level_name_and_its_fields() -> None:
    assert json.loads(JsonFormatter().format(record("ready", url="http://x", sequence=3))) == {
        "ts": "1970-01-01T00:00:01.500000Z",
        "level": "info",
        "event": "ready",
        "url": "http://x",
        "sequence": 3,
    }


def test_an_event_of_another_logger_names_it() -> None:
    assert json.loads(JsonFormatter().format(record("slow", "asyncio")))["logger"] == "asyncio"


def test_a_field_cannot_pass_for_the_events_own_members() -> None:
    line = json.loads(JsonFormatter().format(record("ready", level="debug", event="x", ts="y")))
    assert (line["level"], line["event"], line["ts"]) == ("info", "ready", "1970-01-01T00:00:01.500000Z")


@pytest.mark.parametrize(
    "evil", ["a\nb", "a\r\nb", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e", "\x00", '"}', "\ud800"]
)
def test_a_value_cannot_break_the_line_or_reach_the_terminal(evil: str) -> None:
    text = JsonFormatter().format(record(evil, value=evil, list=[evil]))
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["value"] == evil
    assert PlainFormatter().format(record("x", detail=evil)).isprintable()


def test_an_exception_stays_in_its_line() -> None:
    stream = io.StringIO()
    set_up("info", stream=stream)
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("walletd.x").exception("broken")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["exception"].endswith("ValueError: first\nsecond")


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    set_up("warning", stream=stream)
    logging.getLogger("walletd").info("quiet")
    assert stream.getvalue() == ""


def test_what_statements_are_bound_to_is_never_written() -> None:
    stream = io.StringIO()
    set_up("debug", stream=stream)
    logging.getLogger("aiosqlite").debug("executing %s", "UPDATE … '$argon2id$…'")
    logging.getLogger("walletd").debug("seen")
    set_up("info", stream=io.StringIO())
    assert "argon2id" not in stream.getvalue()
    assert "seen" in stream.getvalue()
