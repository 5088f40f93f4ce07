"""A campaign: one folder after another, each under load, killed again and again at aimed moments, and inspected after every restart."""

import asyncio
import contextlib
import random
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from walletd.loadtest.answers import MalformedAnswer
from walletd.loadtest.requests import Address
from walletd.storage.folder import IMAGE_NAME

from . import aim
from .aim import Aim, Shot
from .book import Book
from .clients import WRITERS, Load, Logins
from .evidence import moments
from .folder_events import Change
from .genesis import begin
from .inspection import Inspection
from .operations import Maker, World
from .server import Server, WardenHandle

KILLS_PER_FOLDER: Final = 40
VERIFY_EVERY: Final = 20
FORKED_SHARE: Final = 0.9

DURABLE: Final = "acknowledgement: durable, not given"
NOT_DURABLE: Final = "acknowledgement: not durable, not given"
BEHIND: Final = "restart: the image behind the journal"
STARTING: Final = "start: killed"
TWICE: Final = "start: killed twice in a row"
FIRST: Final = "start: killed on an empty folder"
REBUILDING: Final = "start: killed after the image was made anew"
STOPPING: Final = "stop: killed"
IDLE: Final = "idle: killed"

KINDS: Final = (
    "journal: inside a write",
    "journal: commit written, not published",
    "journal: inside a checkpoint",
    "image: inside a write",
    "image: inside a checkpoint",
    "image: set aside, none in its place",
    DURABLE,
    NOT_DURABLE,
    BEHIND,
    STARTING,
    TWICE,
    FIRST,
    REBUILDING,
    STOPPING,
    IDLE,
)
"""Kinds of moment that a long run must have met."""

_KIND_OF: Final = {"stop": STOPPING, "idle": IDLE}

KILLS_FOR_EVERY_KIND: Final = 600


class Tally(msgspec.Struct):
    """What a campaign has done. `kinds`: kills by what the server was doing, as its files, log and journal tell."""

    kills: int = 0
    kinds: dict[str, int] = {}
    figures: dict[str, float] = {}
    found: list[str] = []

    def kind(self, name: str) -> None:
        self.kinds[name] = self.kinds.get(name, 0) + 1

    def add(self, name: str, value: float = 1) -> None:
        self.figures[name] = self.figures.get(name, 0) + value

    def merge(self, other: "Tally") -> None:
        """Add another campaign's."""
        self.kills += other.kills
        self.found += other.found
        for name, count in other.kinds.items():
            self.kinds[name] = self.kinds.get(name, 0) + count
        for name, value in other.figures.items():
            self.add(name, value)

    @property
    def never(self) -> list[str]:
        """Kinds that a run of this length should have met and has not."""
        return [] if self.kills < KILLS_FOR_EVERY_KIND else [kind for kind in KINDS if kind not in self.kinds]


class FolderCampaign:
    """The kills of one folder, from its first start to its verification."""

    def __init__(self, warden: WardenHandle, folder: Path, seed: int, tally: Tally) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self._tally = tally
        self._book = Book()
        self._logins = Logins()
        self._server = Server(warden, folder)
        self._world: World
        self._makers: list[Maker] = []
        self._old_image = folder / "old-image"
        self._logged = 0

    async def run(self, kills: int, until: float) -> list[str]:
        """Kill about so often, or until a time; what is wrong."""
        if self._chance.random() < 0.7:
            await self._kill_starts(self._chance.randrange(1, 3), FIRST)
        address = await self._start()
        if address is None:
            return self._book.findings
        try:
            await self._populate(address)
            await self._lives(address, self._tally.kills + kills, until)
        except (OSError, MalformedAnswer, AssertionError) as error:
            # A server that lives, and does not answer as it must.
            self._book.find(f"{type(error).__name__} {error}: {self._server.log[-1500:]}")
        for name, count in self._book.figures.items():
            self._tally.add(name, count)
        self._tally.add("acknowledged", self._book.acknowledged)
        self._tally.add("refused", self._book.refused)
        self._tally.add("records", self._book.follower.seq)
        return self._book.findings

    async def _populate(self, address: Address) -> None:
        self._world = await begin(address, self._book)
        names = [f"c{index}" for index in range(WRITERS)]
        self._makers = [Maker(self._world, name, random.Random(self._chance.random())) for name in names]

    async def _lives(self, address: Address, last: int, until: float) -> None:
        while self._tally.kills < last and time.monotonic() < until:
            await self._life(address)
            await self._between()
            restarted = await self._start()
            if restarted is None or self._book.findings:
                return
            address = restarted
            await self._inspect(address)
        await self._end(address)

    async def _life(self, address: Address) -> None:
        """Load, and the kill that ends it."""
        chance = self._chance
        load = Load(address, self._book, self._world, self._makers, chance)
        kind = chance.choices(("load", "checkpoint", "stop", "idle"), (60, 10, 18, 12))[0]
        for maker in self._makers:
            maker.logins = chance.random() < 0.2  # each such payment has a receipt printed, which is slow
            maker.batch_items = chance.choice((4, 4, 4, 40, 200))
        load.start(heavy=kind == "checkpoint", logins=self._logins if chance.random() < 0.2 else None)
        if kind == "load":
            aimed = aim.under_load(chance)
        elif kind == "checkpoint":
            aimed = aim.in_checkpoint(chance)
        elif kind == "stop":
            if chance.random() < 0.3:
                await self._pause(load, address)
            else:
                await asyncio.sleep(chance.uniform(0, aim.UPTIME_MAX_S))
            aimed = aim.in_stop(chance)
        else:
            await self._pause(load, address)
            aimed = Aim(name="idle")
        shot = await (self._server.stop(aimed) if kind == "stop" else self._server.kill(aimed))
        await load.ended()
        if not shot.exited:
            self._killed(shot, aimed)
            if kind in _KIND_OF:
                self._tally.kind(_KIND_OF[kind])
        elif kind != "stop" or shot.code != 0:
            self._book.find(f"it ended by itself with {shot.code}: {self._server.log[-1000:]}")

    async def _pause(self, load: Load, address: Address) -> None:
        """Stop the load after a while and look: nothing may be held back, and every answer must be in the journal of the living server."""
        await asyncio.sleep(self._chance.uniform(0.05, aim.UPTIME_MAX_S))
        await load.quiet()
        inspection = await Inspection.begin(address, self._book)
        await inspection.follow()
        await inspection.balances(every=False)
        inspection.close()

    def _killed(self, shot: Shot, aimed: Aim) -> None:
        self._tally.kills += 1
        self._tally.add(f"aimed at {aimed.name}: {'hit' if shot.hit else 'missed'}")
        written = aimed.file if shot.hit and aimed.change == int(Change.WRITTEN) else None
        for kind in moments(self._server.data, written):
            self._tally.kind(kind)

    async def _between(self) -> None:
        """While the server is down: verify, spoil the image, kill starts."""
        chance = self._chance
        if chance.randrange(VERIFY_EVERY) == 0:
            await self._verify()
        if chance.random() < 0.1:
            self._keep_image()
        anew = chance.random() < 0.15 and self._spoil_image()
        if anew or chance.random() < 0.45:
            await self._kill_starts(chance.choice((1, 2, 2, 3)), STARTING, anew=anew)

    async def _kill_starts(self, count: int, kind: str, *, anew: bool = False) -> None:
        """Start and kill, several times in a row."""
        row = 0
        for _ in range(count):
            forked = self._chance.random() < FORKED_SHARE
            aimed = aim.in_start(self._chance, forked=forked, anew=anew)
            shot, ready = await self._server.start_and_kill(aimed, forked=forked)
            if shot.exited:
                self._book.find(f"a start ended by itself with {shot.code}: {self._server.log[-1000:]}")
                return
            self._killed(shot, aimed)
            if not ready:
                row += 1
                for name in {kind, STARTING}:
                    self._tally.kind(name)
                if row == 2:
                    self._tally.kind(TWICE)
            if "image made anew" in self._new_log():
                self._tally.kind(REBUILDING)

    def _new_log(self) -> str:
        log = self._server.log
        new, self._logged = log[self._logged :], len(log)
        for line in new.splitlines():
            if '"level": "error"' in line or '"level": "critical"' in line or "Traceback" in line:
                self._book.find(f"logged: {line[:600]}")
        return new

    def _keep_image(self) -> None:
        shutil.rmtree(self._old_image, ignore_errors=True)
        self._old_image.mkdir()
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(self._server.data / (IMAGE_NAME + suffix), self._old_image)

    def _spoil_image(self) -> bool:
        """Lose the image, put an old one back, or make one that cannot be trusted. Whether it must be made anew."""
        image = self._server.data / IMAGE_NAME
        way = self._chance.choice(("lost", "old", "wrong", "wrong"))
        if way == "wrong":
            if not image.exists():
                return False
            with (
                contextlib.closing(sqlite3.connect(image)) as connection,
                contextlib.suppress(sqlite3.OperationalError),
            ):
                connection.execute("UPDATE balances SET posted = posted + 1")
                connection.commit()
                self._tally.add("image spoilt: wrong")
            return True
        if way == "old" and not (self._old_image / IMAGE_NAME).exists():
            return False
        for suffix in ("", "-wal", "-shm"):
            image.with_name(image.name + suffix).unlink(missing_ok=True)
        if way == "old":
            shutil.copytree(self._old_image, image.parent, dirs_exist_ok=True)
        self._tally.add(f"image spoilt: {way}")
        return False

    async def _start(self) -> Address | None:
        """Start for good."""
        forked = self._chance.random() < FORKED_SHARE
        began = time.monotonic()
        address = await self._server.start(forked=forked)
        if address is None:
            self._book.find(f"it did not start: {self._server.log[-1500:]}")
            return None
        how = "forked" if forked else "whole"
        self._tally.add(f"starts, {how}")
        self._tally.add(f"seconds of starts, {how}", time.monotonic() - began)
        self._new_log()
        return address

    async def _inspect(self, address: Address) -> None:
        chance, book, world = self._chance, self._book, self._world
        began = time.monotonic()
        inspection = await Inspection.begin(address, book)
        if await inspection.lag():
            self._tally.kind(BEHIND)
        counts = [book.figures.get(name, 0) for name in ("in doubt, done", "in doubt, not done")]
        await inspection.resolve(chance)
        for name, kind, before in zip(
            ("in doubt, done", "in doubt, not done"), (DURABLE, NOT_DURABLE), counts, strict=True
        ):
            if book.figures.get(name, 0) > before:
                self._tally.kind(kind)
        await inspection.balances(every=False)
        await inspection.history(chance.choice([*world.wallets, *world.golden_wallets.values()]), every=False)
        await inspection.history(chance.choice((world.treasury, world.gold_treasury, world.wallets[0])), every=False)
        await inspection.logins(world, self._logins)
        inspection.close()
        self._tally.add("restarts inspected")
        self._tally.add("seconds of inspections", time.monotonic() - began)

    async def _verify(self) -> None:
        began = time.monotonic()
        if wrong := await self._server.verify(self._folder / "copy"):
            self._book.find(f"walletd verify: {wrong}")
        self._tally.add("folders verified")
        self._tally.add("seconds of verifying", time.monotonic() - began)

    async def _end(self, address: Address) -> None:
        """Everything is read back, the server is stopped in peace, and the folder verified."""
        inspection = await Inspection.begin(address, self._book)
        await inspection.follow()
        await inspection.balances(every=True)
        for wallet in (*self._world.wallets, *self._world.golden_wallets.values()):
            await inspection.history(wallet, every=True)
        inspection.close()
        shot = await self._server.stop()
        if shot.code != 0:
            self._book.find(f"asked to stop, it ended with {shot.code}: {self._server.log[-1000:]}")
        await self._verify()


async def campaign(seed: int, kills: int | None, seconds: float, progress: bool = False) -> Tally:
    """Folders until so many kills are done, or the time is over, or something is found."""
    tally, began = Tally(kinds={}, figures={}, found=[]), time.monotonic()
    warden = WardenHandle()
    try:
        number = 0
        while not tally.found and time.monotonic() < began + seconds and (kills is None or tally.kills < kills):
            left = KILLS_PER_FOLDER if kills is None else min(KILLS_PER_FOLDER, kills - tally.kills)
            with tempfile.TemporaryDirectory(prefix="walletd-crash-", ignore_cleanup_errors=True) as folder:
                one = FolderCampaign(warden, Path(folder), seed * 1_000_003 + number, tally)
                found = await one.run(left, began + seconds)
            tally.found += [f"seed {seed}, folder {number}: {sentence}" for sentence in found]
            number += 1
            tally.add("folders")
            if progress:
                print(f"seed {seed}: {tally.kills} kills in {time.monotonic() - began:.0f} s", flush=True)
    finally:
        warden.close()
    return tally


def run_campaign(seed: int, kills: int | None, seconds: float) -> Tally:
    """A campaign in a process of its own."""
    return asyncio.run(campaign(seed, kills, seconds, progress=True))
