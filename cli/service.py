"""One running walletd: the data folder's lock, the stores, the engine and the HTTP server, started in that order and stopped in the reverse.

Invariant: the ready line is printed only once requests are answered, and a stop loses nothing that was acknowledged: HTTP
takes no new work, what is in flight is answered, then the engine folds everything and closes the stores.
"""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any, Final

import iso4217

from .. import __version__
from ..engine import CreateAsset, Engine
from ..engine.identity import Access
from ..engine.ports import StorageUnusable
from ..engine.receipts import Receipts
from ..engine.records import BrokenJournal
from ..engine.refusals import Refusal, RefusalCode
from ..http.server import Server, ServerOptions
from ..settings import Settings, is_loopback
from ..storage.access import SqliteAccess
from ..storage.folder import DataFolder, FolderLocked
from ..storage.image import SqliteImage
from ..storage.journal import SqliteJournal
from ..storage.passwords import Argon2Hasher
from ..storage.receipts.book import ReceiptBook
from ..storage.receipts.press import Press
from ..storage.receipts.shelf import Shelf

_log: Final = logging.getLogger("walletd")

GC_THRESHOLDS: Final = (20_000, 20, 50)
"""Few of the server's objects form cycles, so the collector looks seldom: at Python's own 700 it took a sixteenth of each batch."""


Seed = Callable[[Engine, Access], Awaitable[None]]
"""Fills a started engine with data before requests are taken."""


class Exit(IntEnum):
    """How a command ended. Stable: scripts switch on it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    LOCKED = 3
    UNUSABLE = 4
    ADDRESS = 5
    ENGINE = 6


EXIT_MEANINGS: Final = {
    Exit.OK: "done; a server was stopped and everything was folded",
    Exit.FAILED: "an error, or a check that failed",
    Exit.USAGE: "wrong usage or settings, or `python -O`",
    Exit.LOCKED: "another walletd uses the data folder",
    Exit.UNUSABLE: "a folder cannot be used: a broken journal, an unreadable file, a backup's folder that is not empty",
    Exit.ADDRESS: "the address cannot be listened on",
    Exit.ENGINE: "the engine failed while it ran; start again, and recovery decides",
}

assert set(EXIT_MEANINGS) == set(Exit)


def reserved_asset_ids() -> frozenset[int]:
    """The ids that belong to fiat assets: the numeric codes of ISO 4217."""
    return frozenset(currency.number for currency in iso4217.Currency)


def serve(settings: Settings, *, ready: Callable[[str, Engine], None], seed: Seed | None = None) -> Exit:
    """Run until a signal or a failure. `ready` is told the base URL once requests are answered."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_Service(settings, ready, seed).run())


def fill(settings: Settings, seed: Seed) -> Exit:
    """Put data into the data folder, without a server. Raises what `seed` raises, with everything stopped."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_Service(settings, None, seed).run())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # here, for it does not exist for every platform
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class _Service:
    """`ready` is None where nothing is to be served."""

    def __init__(self, settings: Settings, ready: Callable[[str, Engine], None] | None, seed: Seed | None) -> None:
        self._settings = settings
        self._ready = ready
        self._seed = seed
        self._stop = asyncio.Event()
        self._journal: SqliteJournal

    async def run(self) -> Exit:
        """The whole life of the service. Raises what `seed` raises, with everything stopped."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            folder = DataFolder(self._settings.data)
            folder.lock()
        except FolderLocked as error:
            return _refused(Exit.LOCKED, error)
        except StorageUnusable as error:
            return _refused(Exit.UNUSABLE, error)
        try:
            return await self._with_folder(folder)
        finally:
            folder.unlock()

    async def _with_folder(self, folder: DataFolder) -> Exit:
        starting = asyncio.create_task(self._start_engine(folder))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            _log.info("stopped", extra={"while": "starting"})
            return Exit.OK
        stopping.cancel()
        try:
            engine = starting.result()
        except (BrokenJournal, StorageUnusable) as error:
            return _refused(Exit.UNUSABLE, error)
        try:
            return await self._with_engine(engine, folder)
        finally:
            try:
                await engine.stop()
            except StorageUnusable as error:
                # The journal has everything: the next start folds what this one could not.
                _log.error("not_folded", extra={"detail": str(error)})
            _log.info("stopped", extra={"sequence": engine.ledger.seq})

    async def _start_engine(self, folder: DataFolder) -> Engine:
        journal = SqliteJournal(folder.journal_path, reserve_bytes=self._settings.disk_reserve_mib * 2**20)
        self._journal = journal
        image = SqliteImage(folder.image_path, folder.journal_path)
        # Millions of objects are made here and none is garbage; looking for some took a quarter of the start.
        gc.disable()
        return await Engine.start(
            journal, image, image, reserved_asset_ids=reserved_asset_ids(), on_progress=_log_progress
        )

    async def _with_engine(self, engine: Engine, folder: DataFolder) -> Exit:
        hasher = Argon2Hasher()
        try:
            access = await SqliteAccess.open(folder.access_path, hasher)
        except StorageUnusable as error:
            return _refused(Exit.UNUSABLE, error)
        try:
            return await self._with_access(engine, access, folder)
        finally:
            await access.close()
            hasher.close()

    async def _with_access(self, engine: Engine, access: Access, folder: DataFolder) -> Exit:
        try:
            await ensure_asset(engine, self._settings.default_asset)
            if self._seed is not None:
                await self._seed(engine, access)
        except Refusal as refusal:
            return _refused(Exit.FAILED, refusal)
        if self._ready is None:
            return Exit.OK
        receipts = self._receipts(engine, folder)
        await receipts.start()
        try:
            return await self._with_receipts(engine, access, receipts, self._ready)
        finally:
            await receipts.stop()

    def _receipts(self, engine: Engine, folder: DataFolder) -> ReceiptBook:
        settings = self._settings
        press = Press(folder.receipts_path, public_url=settings.public_url, fonts=settings.receipt_fonts)
        return ReceiptBook(engine, self._journal, Shelf(folder.receipts_path), press, eager=settings.receipts_eager)

    async def _with_receipts(
        self, engine: Engine, access: Access, receipts: Receipts, ready: Callable[[str, Engine], None]
    ) -> Exit:
        server = Server(
            engine,
            access,
            server_options(self._settings),
            version=__version__,
            default_asset=self._settings.default_asset,
            receipts=receipts,
        )
        try:
            host, port = await server.start()
        except OSError as error:
            place = f"{self._settings.host} port {self._settings.port}"
            reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
            return _refused(
                Exit.ADDRESS, f"cannot listen on {place}: {reason}. Stop what uses it, or choose another with --port."
            )
        self._announce(engine, host, port, ready)
        return await self._until_stopped(engine, server)

    def _announce(self, engine: Engine, host: str, port: int, ready: Callable[[str, Engine], None]) -> None:
        if self._settings.authentication == "off":
            if is_loopback(self._settings.host):
                detail = "Authentication is off: anyone on this machine may move money."
                _log.info("unauthenticated", extra={"detail": detail})
            else:
                detail = "Authentication is off: anyone who reaches the port may move money."
                _log.warning("unauthenticated_network", extra={"detail": detail})
        # What lives since the start lives on: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        _give_back_memory()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()
        # The stores' threads hand the interpreter back sooner, so the event loop waits less for them.
        sys.setswitchinterval(1e-4)
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        _log.info("ready", extra={"url": url, "version": __version__, "sequence": engine.ledger.seq})
        ready(url, engine)

    async def _until_stopped(self, engine: Engine, server: Server) -> Exit:
        stopping = asyncio.create_task(self._stop.wait())
        failing = asyncio.create_task(engine.failure())
        await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
        failure = failing.result() if failing.done() else None
        if failure is not None:
            _log.critical("engine_failed", extra={"detail": str(failure)}, exc_info=failure)
        stopping.cancel()
        failing.cancel()
        await server.stop()
        return Exit.OK if failure is None else Exit.ENGINE

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            # Asked twice: everything acknowledged is durable already, so nothing is lost by leaving at once.
            os._exit(128 + number)
        _log.info("stopping", extra={"signal": number.name})
        self._stop.set()


def _give_back_memory() -> None:
    """Return what the start used and needs no more to the system, where the C library can: some 35 bytes a wallet."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def ensure_asset(engine: Engine, code: str) -> None:
    """Make the ISO 4217 currency `code` an asset, under its numeric code and with its minor unit, unless it is one."""
    try:
        engine.ledger.asset(code)
    except Refusal as refusal:
        if refusal.code is not RefusalCode.ASSET_NOT_FOUND:
            raise
        currency = iso4217.Currency(code)
        scale = currency.exponent
        assert scale is not None, "settings.py takes no currency without a minor unit"
        await engine.execute(CreateAsset(code=code, id=currency.number, name=currency.currency_name, scale=scale))


def server_options(settings: Settings) -> ServerOptions:
    """The settings that the HTTP server is given: those with the names of its options."""
    return ServerOptions(
        host=settings.host,
        port=settings.port,
        body_bytes_max=settings.body_bytes_max,
        header_timeout_s=settings.header_timeout_s,
        body_timeout_s=settings.body_timeout_s,
        in_flight_max=settings.in_flight_max,
        rate_limit_per_s=settings.rate_limit_per_s,
        rate_burst=settings.rate_burst,
        authentication=settings.authentication == "on",
        login_life_s=settings.login_life_s,
        cors_origins=settings.cors_origins,
        public_url=settings.public_url,
        log_requests=settings.log_requests,
        shutdown_timeout_s=settings.shutdown_timeout_s,
    )


def _log_progress(what: str, done: int, total: int) -> None:
    _log.debug("progress", extra={"what": what, "done": done, "total": total})


def _refused(code: Exit, why: Any) -> Exit:
    _log.error("not_started", extra={"detail": str(why), "exit_code": int(code)})
    return code
