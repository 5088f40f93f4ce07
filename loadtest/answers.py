"""Reading HTTP/1.1 answers from bytes as they arrive: whole, split anywhere, several at once, with a length or in chunks.

It does what a load generator needs as cheaply as Python can: an answer that arrives whole costs a few searches in its head.
Anything it cannot frame with certainty raises MalformedAnswer; heads and bodies are bounded.
"""

from typing import Final, NamedTuple

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 256 * 2**20

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\nContent-Length: "


class MalformedAnswer(Exception):
    """What arrived is not an HTTP/1.1 answer that can be read."""


class Answer(NamedTuple):
    """One answer. `head` is the status line and the headers, without the empty line; `closes`: the connection ends with it."""

    status: int
    head: bytes
    body: bytes
    closes: bool

    def header(self, name: str) -> str | None:
        """The header's first value, or None."""
        return _header(self.head, name.lower().encode())


class AnswerReader:
    """Turns the bytes of one connection into answers, in order."""

    __slots__ = ("_buffer", "_wanted")

    def __init__(self) -> None:
        self._buffer = b""
        self._wanted = 0  # bytes of the buffer below which nothing more can be told

    @property
    def is_idle(self) -> bool:
        """Nothing of an answer has arrived that was not returned."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that are complete now. Raises MalformedAnswer."""
        if self._buffer:
            data = self._buffer + data
            if len(data) < self._wanted:
                self._buffer = data
                return []
        self._wanted = 0
        answers = []
        start = 0
        while start < len(data):
            answer, start = self._next(data, start)
            if answer is None:
                break
            if answer.status >= 200:
                answers.append(answer)
        self._buffer = data[start:]
        return answers

    def end(self) -> Answer | None:
        """The connection has ended: the answer whose body lasts until then, if there is one. Raises MalformedAnswer if one is cut."""
        data, self._buffer, self._wanted = self._buffer, b"", 0
        if not data:
            return None
        end = data.find(_END_OF_HEAD)
        if end < 0:
            raise MalformedAnswer("the connection ended inside a head")
        head = data[:end]
        if _length(head) is not None or _is_chunked(head):
            raise MalformedAnswer("the connection ended inside a body")
        return Answer(_status(head), head, data[end + 4 :], True)

    def _next(self, data: bytes, start: int) -> tuple[Answer | None, int]:
        """One answer that begins at `start`, and where the next one begins; None if it is not complete."""
        end = data.find(_END_OF_HEAD, start)
        if end < 0:
            if len(data) - start > HEAD_BYTES_MAX:
                raise MalformedAnswer("a head is too long")
            return None, start
        head = data[start:end]
        status = _status(head)
        begin = end + 4
        closes = b"\r\nconnection: close" in head.lower()
        if status < 200 or status in (204, 304):
            return Answer(status, head, b"", closes), begin
        length = _length(head)
        if length is not None:
            stop = begin + length
            if len(data) < stop:
                self._wanted = stop - start
                return None, start
            return Answer(status, head, data[begin:stop], closes), stop
        if _is_chunked(head):
            parts, stop = _chunks(data, begin)
            return (None, start) if stop < 0 else (Answer(status, head, b"".join(parts), closes), stop)
        if len(data) - begin > BODY_BYTES_MAX:
            raise MalformedAnswer("a body is too long")
        return None, start


def _status(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
        raise MalformedAnswer(f"not an HTTP/1.1 answer: {head[:40]!r}")
    return int(head[9:12])


def _header(head: bytes, name: bytes) -> str | None:
    for line in head.split(b"\r\n")[1:]:
        key, colon, value = line.partition(b":")
        if colon and key.strip().lower() == name:
            return value.strip().decode("latin-1")
    return None


def _length(head: bytes) -> int | None:
    at = head.find(_LENGTH)
    if at >= 0:
        at += len(_LENGTH)
        stop = head.find(b"\r", at)
        text = head[at : stop if stop >= 0 else len(head)]
    else:
        found = _header(head, b"content-length")
        if found is None:
            return None
        text = found.encode()
    if not text.isdigit() or int(text) > BODY_BYTES_MAX:
        raise MalformedAnswer(f"a length that cannot be: {text[:40]!r}")
    return int(text)


def _is_chunked(head: bytes) -> bool:
    return (_header(head, b"transfer-encoding") or "").lower() == "chunked"


def _chunks(data: bytes, at: int) -> tuple[list[bytes], int]:
    """The chunks of a body that begins at `at`, and where it ends; -1 if it is not complete."""
    parts: list[bytes] = []
    size_sum = 0
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            return parts, -1
        try:
            size = int(data[at:line].partition(b";")[0], 16)
        except ValueError:
            raise MalformedAnswer("a chunk without a size") from None
        size_sum += size
        if size < 0 or size_sum > BODY_BYTES_MAX:
            raise MalformedAnswer("a body is too long")
        if size == 0:
            return parts, _after_trailers(data, line)
        stop = line + 2 + size
        if len(data) < stop + 2:
            return parts, -1
        if data[stop : stop + 2] != b"\r\n":
            raise MalformedAnswer("a chunk that does not end where it says")
        parts.append(data[line + 2 : stop])
        at = stop + 2


def _after_trailers(data: bytes, line: int) -> int:
    """Where a chunked body ends whose last chunk's line ends at `line`; -1 if its trailers are not complete."""
    if data[line + 2 : line + 4] == b"\r\n":
        return line + 4
    end = data.find(_END_OF_HEAD, line)
    return -1 if end < 0 else end + 4
