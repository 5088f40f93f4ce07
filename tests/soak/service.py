"""A real server on one data folder, and what the system says of its process and files."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import urlopen

READY_S: Final = 60.0
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
WATCHED: Final = ("journal.db", "journal.db-wal", "ledger.db", "ledger.db-wal", "access.db", "access.db-wal")


class Service:
    """`walletd serve`, to be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._log = (folder / "stderr.log").open("ab")
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self) -> float:
        """Start, and wait until it answers; seconds that took."""
        started = time.monotonic()
        environment = {name: text for name, text in os.environ.items() if not name.startswith("WALLETD_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "walletd", "serve", "--data", str(self.data), "--port", "0"],
            cwd=self.data.parent,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("walletd is ready at"), f"it did not start: {line!r}"
        port = urlsplit(line.split()[-1]).port
        assert port is not None
        self.port = port
        return time.monotonic() - started

    def end(self, number: signal.Signals) -> int:
        """End it by a signal; its exit code."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(number)
        code = process.wait(READY_S)
        assert process.stdout is not None
        process.stdout.close()
        return code

    def close(self) -> None:
        """End what still runs."""
        if self._process is not None:
            self.end(signal.SIGKILL)
        self._log.close()

    def verify(self) -> str:
        """What `walletd verify` finds wrong with the folder; nothing, if all is well. The server must not run."""
        checked = subprocess.run(
            [sys.executable, "-m", "walletd", "verify", "--data", str(self.data)],
            cwd=self.data.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        return "" if checked.returncode == 0 else (checked.stdout + checked.stderr).strip()

    def sample(self) -> dict[str, float]:
        """Memory, descriptors, threads, CPU seconds, file sizes and the server's own counts, now."""
        assert self._process is not None
        process = Path(f"/proc/{self._process.pid}")
        fields = (process / "stat").read_text().rpartition(") ")[2].split()
        values: dict[str, float] = {
            "rss": int((process / "statm").read_text().split()[1]) * PAGE_BYTES,
            "descriptors": len(list((process / "fd").iterdir())),
            "threads": int(fields[17]),
            "cpu_s": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        }
        for name in WATCHED:
            path = self.data / name
            values[name] = path.stat().st_size if path.exists() else 0
        values["receipts"] = sum(len(names) for _, _, names in os.walk(self.data / "media" / "receipts"))
        return values | self._metrics()

    def _metrics(self) -> dict[str, float]:
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {
            match[1]: float(match[2]) for match in re.finditer(r"^(walletd_[a-z_]+) ([0-9.e+-]+)$", text, re.MULTILINE)
        }
