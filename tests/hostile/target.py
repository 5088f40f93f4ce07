"""The server under attack: a real `walletd serve` on loopback, with users, money and a log that is read afterwards."""

import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

PASSWORD: Final = "correct horse"
"""Of every user."""
FUNDING_MINOR: Final = 10**12
BODY_BYTES_MAX: Final = 65_536
HEADER_TIMEOUT_S: Final = 1
BODY_TIMEOUT_S: Final = 1

Members = dict[str, Any]


class Target:
    """One server process. `operator` is what requests that set it up show who they are by; empty where nobody asks."""

    def __init__(
        self, folder: Path, *, authentication: bool = False, pure_parser: bool = False, **settings: object
    ) -> None:
        self.folder = folder
        self.operator = ""
        _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))  # the server's is the same
        self._environment = {name: text for name, text in os.environ.items() if not name.startswith("WALLETD_")}
        if pure_parser:  # the one that aiohttp has where its C parser was not built
            self._environment["AIOHTTP_NO_EXTENSIONS"] = "1"
        if authentication:
            self.operator = f"Bearer {self._key()}"
        chosen = {
            "port": 0,
            "body_bytes_max": BODY_BYTES_MAX,
            "header_timeout_s": HEADER_TIMEOUT_S,
            "body_timeout_s": BODY_TIMEOUT_S,
            "authentication": "on" if authentication else "off",
            **settings,
        }
        flags = [part for name, value in chosen.items() for part in (f"--{name.replace('_', '-')}", str(value))]
        self._log = (folder / "log.jsonl").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "walletd", "serve", "--data", str(folder / "data"), "--log-requests", *flags],
            cwd=folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        try:
            self.url = self._ready()
            host, _, port = self.url.removeprefix("http://").rpartition(":")
            self.address = (host, int(port))
            self.treasury: str = self.get("/v1/assets/USD")["treasury_wallet_id"]
        except BaseException:
            self.stop()
            raise

    def _ready(self) -> str:
        """Wait until it answers; its address."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("walletd is ready at http://"), self.log_text
        return line.split()[-1]

    def _key(self) -> str:
        command = ["keys", "create", "--data", str(self.folder / "data"), "--name", "operator"]
        scopes = [part for scope in ("read", "write", "admin") for part in ("--scope", scope)]
        made = subprocess.run(
            [sys.executable, "-m", "walletd", *command, *scopes],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return made.stdout.strip()

    # -------------------------------------------------------------------------------------------------- well-behaved

    def get(self, path: str) -> Any:
        """The answer to the operator's question."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Members) -> Any:
        """The answer to what the operator does."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Members | None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self.operator:
            headers["Authorization"] = self.operator
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def wallet(self, amount: int = FUNDING_MINOR, **user: Any) -> str:
        """The id of a new user's wallet, credited with `amount`."""
        made = self.post("/v1/users", user)
        wallet: str = self.post("/v1/wallets", {"user_id": made["id"], "asset": "USD"})["id"]
        if amount:
            self.post("/v1/transfers", {"source": self.treasury, "destination": wallet, "amount": amount})
        return wallet

    def posted(self, wallet: str) -> int:
        """What a wallet has."""
        return int(self.get(f"/v1/wallets/{wallet}")["posted"])

    # ---------------------------------------------------------------------------------------------------- looked at

    @property
    def rss_bytes(self) -> int:
        """The memory that the process has, now."""
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
        except FileNotFoundError:  # a system without /proc
            told = subprocess.run(["ps", "-o", "rss=", "-p", str(self._process.pid)], capture_output=True, text=True)
            return int(told.stdout) * 1024

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def log_text(self) -> str:
        """Everything that it logged."""
        return (self.folder / "log.jsonl").read_text(encoding="utf-8")

    def log_size(self) -> int:
        """Where the last whole line of the log ends now; another may just be written."""
        return (self.folder / "log.jsonl").read_bytes().rfind(b"\n") + 1

    def logged(self, since: int = 0) -> list[Members]:
        """The events logged after that place. Raises ValueError where a line is not one JSON object: then somebody else wrote into it."""
        with (self.folder / "log.jsonl").open("rb") as stream:
            stream.seek(since)
            *lines, _ = stream.read().decode("ascii").split("\n")
        events = [json.loads(line) for line in lines]
        assert all(isinstance(event, dict) and {"ts", "level", "event"} <= event.keys() for event in events)
        return events

    def complaints(self, since: int = 0) -> list[str]:
        """Events that no stranger may cause: exceptions and everything logged as an error."""
        return [
            json.dumps(event)
            for event in self.logged(since)
            if "exception" in event or event["level"] in ("error", "critical")
        ]

    def await_logged(self, count: int, since: int, seconds: float = 5.0) -> list[Members]:
        """The events once there are `count` of them: an answer is sent before its line is written."""
        end = time.monotonic() + seconds
        while len(events := self.logged(since)) < count and time.monotonic() < end:
            time.sleep(0.01)
        return events

    def stop(self) -> int:
        """SIGTERM; the exit code. Kills what does not stop."""
        if self.is_alive:
            self._process.terminate()
        try:
            code = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()
        return code
