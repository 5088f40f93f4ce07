"""Kills a real server, as a power button would, while clients push at it, and asks afterwards what became of what they were told."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


class ServerProcess:
    """`walletd serve` on one data folder, to be killed and started again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._process: subprocess.Popen[str] | None = None
        self._environment = {name: text for name, text in os.environ.items() if not name.startswith("WALLETD_")}
        self._log = (data.parent / "stderr.log").open("a", encoding="utf-8")

    @property
    def log(self) -> str:
        """Everything that the servers have logged."""
        return (self.data.parent / "stderr.log").read_text(encoding="utf-8")

    def launch(self) -> None:
        """Start without waiting."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "walletd", "serve", "--data", str(self.data), "--port", "0"],
            cwd=self.data.parent,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def ready(self) -> str:
        """Wait until it answers; its address."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("walletd is ready at http://"), self.log
        return line.split()[-1]

    def kill(self) -> None:
        """SIGKILL: no handler runs, no buffer is written."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(number)
        code = process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
        return code

    def close(self) -> None:
        """End whatever still runs."""
        if self._process is not None:
            self.kill()
        self._log.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data")
    yield process
    process.close()
