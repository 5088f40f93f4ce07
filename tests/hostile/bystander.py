"""A client that behaves well while others do not: it moves money to and fro, holds every answer against what it must be, and counts."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from .target import Target

START_MINOR: Final = 1_000
PATIENCE_S: Final = 15.0


class Watched:
    """What the bystander got while it was watched."""

    def __init__(self, bystander: "Bystander") -> None:
        self._bystander = bystander
        self._start = bystander.served
        self.rss_peak_bytes = bystander.target.rss_bytes
        bystander.watchers.append(self)

    @property
    def served(self) -> int:
        """Answers since the watch began."""
        return self._bystander.served - self._start

    def look(self) -> None:
        """Called by the bystander now and then."""
        self.rss_peak_bytes = max(self.rss_peak_bytes, self._bystander.target.rss_bytes)

    def wait_for(self, count: int) -> None:
        """Until so many answers have come. Raises AssertionError where they do not."""
        end = time.monotonic() + PATIENCE_S
        while self.served < count and time.monotonic() < end and self._bystander.failure is None:
            time.sleep(0.01)
        assert self.served >= count, f"others got {self.served} answers in {PATIENCE_S} s"


class Bystander:
    """Runs in a thread of its own, from `start` to `stop`. It has an address, a connection and two wallets like anybody else."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.served = 0
        self.failure: BaseException | None = None
        self.watchers: list[Watched] = []
        self._wallets = [target.wallet(START_MINOR), target.wallet(0)]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bystander")

    def start(self) -> None:
        """Begin to move money."""
        self._thread.start()

    def stop(self) -> None:
        """End. Raises what went wrong."""
        self._stopped.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.check()

    def check(self) -> None:
        """Raises AssertionError where an answer was not what it must be."""
        assert self.failure is None, repr(self.failure)

    @contextmanager
    def watched(self) -> Iterator[Watched]:
        """Count what it gets inside, and hold it to its answers."""
        watched = Watched(self)
        try:
            yield watched
        finally:
            self.watchers.remove(watched)
        self.check()

    def rate_alone(self, seconds: float) -> float:
        """Its answers a second while nobody attacks."""
        with self.watched() as watched:
            started = time.monotonic()
            time.sleep(seconds)
            return watched.served / (time.monotonic() - started)

    def _run(self) -> None:
        try:
            connection = http.client.HTTPConnection(*self.target.address, timeout=PATIENCE_S)
            while not self._stopped.is_set():
                self._pay_and_look(connection)
                for watcher in list(self.watchers):
                    watcher.look()
            connection.close()
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits for it
            self.failure = error

    def _pay_and_look(self, connection: http.client.HTTPConnection) -> None:
        """One payment, whose answer must be right, and one look at what is left."""
        source, destination = self._wallets
        body = {"source": source, "destination": destination, "amount": 1}
        status, paid = self._ask(connection, "POST", "/v1/transfers", body)
        assert (status, paid.get("amount")) == (201, "1"), paid
        left = paid["legs"][0]["balance_after"]
        status, wallet = self._ask(connection, "GET", f"/v1/wallets/{source}", None)
        assert (status, wallet.get("posted")) == (200, left), wallet
        if left == "0":
            self._wallets.reverse()

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str, body: Any) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        if self.target.operator:
            headers["Authorization"] = self.target.operator
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        with connection.getresponse() as response:
            document = json.loads(response.read())
        self.served += 1
        return response.status, document
