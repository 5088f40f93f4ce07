"""Runs walletd as its users do: as a process of its own, in an empty folder, with a clean environment and ports by the system."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

START_S = 60.0
STOP_S = 60.0


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without anything that sets walletd or Python up otherwise."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("WALLETD_", "PYTHON", "COV_"))}
    return kept | more


class Running:
    """A server process that was started by a test, and is ended by it."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._log = (folder / f"stderr-{time.monotonic_ns()}.log").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "walletd", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.process.stdout is not None
        self.stdout = self.process.stdout
        self.ready_line = self.stdout.readline().rstrip("\n")
        assert self.ready_line.startswith("walletd is ready at http://"), self.stderr
        self.url = self.ready_line.rpartition(" ")[2]

    @property
    def stderr(self) -> str:
        """Everything logged so far."""
        self._log.flush()
        return Path(self._log.name).read_text(encoding="utf-8")

    def get(self, path: str) -> Any:
        """The JSON that GET answers."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        """The JSON that POST answers."""
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), sent)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_S)
        self.stdout.close()
        self._log.close()


Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Running]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs one command to its end."""

    def run(
        *arguments: str | Path, python: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *python, "-m", "walletd", *map(str, arguments)],
            cwd=tmp_path,
            env=clean_environment(**environment),
            capture_output=True,
            text=True,
            timeout=START_S,
        )

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers that are ready when it returns; `serve --port 0` unless told otherwise."""
    started: list[Running] = []

    def start(data: Path | None = None, *arguments: str, command: str = "serve") -> Running:
        folder = [] if data is None else ["--data", str(data)]
        running = Running([command, *folder, "--port", "0", *arguments], tmp_path, clean_environment())
        started.append(running)
        return running

    yield start
    for running in started:
        running.end()
