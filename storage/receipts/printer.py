"""The printer: the process that makes receipts and puts them onto the shelf.

It stands apart from the server so that laying out a page takes no time from a transfer: it has its own interpreter, and the lowest priority there is. Jobs come as lines of JSON on
its input, and a reply to each, once the receipt is durable, goes as a line to its output. It ends with its input, and on Linux at once when the server is killed: what it was
at is made again by the next one.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from ...engine.receipts import Receipt, ReceiptForm
from .shelf import Made, Shelf

BATCH_MAX: Final = 16
"""Receipts made durable together: a folder is synchronised once for all of them."""

READ_BYTES: Final = 64 * 1024


_PR_SET_PDEATHSIG: Final = 1


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What the printer is started with, as JSON in its one argument."""

    folder: str
    public_url: str = ""
    fonts: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True):
    """A receipt to be made."""

    id: int
    receipt: Receipt


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a job. `fault` None: the receipt stands on the shelf, durable. `elsewhere`: the fault is not in this receipt.

    Id 0 is the printer itself: ready, or at its end.
    """

    id: int
    fault: str | None = None
    elsewhere: bool = False


class Printer:
    """Makes receipts, batch by batch."""

    def __init__(self, shelf: Shelf, public_url: str, fonts: tuple[Path, ...]) -> None:
        # Here, for the server reads this module's types and needs none of the libraries.
        from .fonts import Fonts
        from .paper import pdf_of
        from .plain import text_of

        self._shelf = shelf
        self._public_url = public_url
        self._fonts = Fonts(fonts)
        self._pdf_of = pdf_of
        self._text_of = text_of

    def print(self, jobs: list[Job]) -> list[Reply]:
        """Make a batch. A receipt that stands on the shelf already stays as it is."""
        made: list[Made] = []
        replies: dict[int, Reply] = {}
        for job in jobs:
            try:
                made.append(self._made(job.receipt))
            except Exception as error:  # noqa: BLE001 - whatever it is about this receipt, the others are to be made
                replies[job.id] = Reply(job.id, f"{type(error).__name__}: {error}")
        try:
            self._shelf.put(made)
        except OSError as error:
            fault = Reply(0, f"{error.strerror} ({error.filename})", elsewhere=True)
            return [replies.get(job.id) or msgspec.structs.replace(fault, id=job.id) for job in jobs]
        return [replies.get(job.id) or Reply(job.id) for job in jobs]

    def close(self) -> None:
        """Remove what was unpacked."""
        self._fonts.close()

    def _made(self, receipt: Receipt) -> Made:
        lacking = self._shelf.lacks(receipt.transaction, receipt.chain)
        contents: dict[ReceiptForm, bytes] = {}
        if ReceiptForm.TEXT in lacking:
            contents[ReceiptForm.TEXT] = self._text_of(receipt, self._public_url)
        if ReceiptForm.PDF in lacking:
            contents[ReceiptForm.PDF] = self._pdf(receipt)
        return Made(receipt.transaction, receipt.chain, contents)

    def _pdf(self, receipt: Receipt) -> bytes:
        try:
            return self._pdf_of(receipt, self._public_url, self._fonts)
        except Exception:  # noqa: BLE001 - a text that a library stumbles over: a receipt without its letters is better than none
            return self._pdf_of(receipt, self._public_url, self._fonts, latin_only=True)


def jobs_from(descriptor: int) -> Iterator[list[Job]]:
    """Batches of what has come, each of at least one job, until the input ends."""
    decode = msgspec.json.Decoder(Job).decode
    unread = b""
    while chunk := os.read(descriptor, READ_BYTES):
        *lines, unread = (unread + chunk).split(b"\n")
        for first in range(0, len(lines), BATCH_MAX):
            yield [decode(line) for line in lines[first : first + BATCH_MAX]]


def lower_priority() -> None:
    """Leave the processor to everyone else."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, 19)
    with suppress(OSError, AttributeError):
        # Linux: a core with nothing else on it counts as free for whoever wakes up.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def end_with_server() -> None:
    """Linux: end in good order when the server dies. Who still imports, at the lowest priority, would read the end of its input long after."""
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(1))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGUSR1), 0, 0, 0)


def main(argument: str) -> None:
    """Serve jobs from the standard input until it ends. A stop of the server reaches it that way, not by signals."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end_with_server()
    lower_priority()
    encode = msgspec.json.Encoder().encode
    try:
        setup = msgspec.json.decode(argument, type=Setup)
        shelf = Shelf(Path(setup.folder))
        with suppress(OSError):
            shelf.clear()
        printer = Printer(shelf, setup.public_url, tuple(map(Path, setup.fonts)))
        os.write(sys.stdout.fileno(), encode(Reply(0)) + b"\n")
        try:
            for jobs in jobs_from(sys.stdin.fileno()):
                os.write(sys.stdout.fileno(), b"".join(encode(reply) + b"\n" for reply in printer.print(jobs)))
        finally:
            printer.close()
    except BrokenPipeError:
        pass  # the server has gone: whatever was made stands on the shelf
    except Exception as error:  # noqa: BLE001 - the last word, for the server to log
        with suppress(OSError):
            os.write(sys.stdout.fileno(), encode(Reply(0, f"{type(error).__name__}: {error}")) + b"\n")
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
