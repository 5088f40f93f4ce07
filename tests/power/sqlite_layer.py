"""A file layer below SQLite: every call that changes a file goes by a watcher, which may let it pass, count it, or make it fail.

It is a VFS registered as the default one in the very library that Python's `sqlite3` is linked with, so the code under test stays as it is. A file is
opened by the system's own VFS; then its table of methods is replaced by a copy in which reads, writes, truncations, fsyncs and closes
come by here first. Locks and shared memory stay SQLite's own. A log's index (`-shm`) is never opened as a file: it is not
persistent, and SQLite makes it anew.
"""

import _sqlite3
import contextlib
import ctypes
import sqlite3
from collections.abc import Callable, Iterator
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast
from typing import Any, Final, NamedTuple, Protocol

OK: Final = sqlite3.SQLITE_OK

_FILE: Final = c_void_p

_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, _FILE, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_RANDOMNESS = CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)
_CLOSE = CFUNCTYPE(c_int, _FILE)
_TRANSFER = CFUNCTYPE(c_int, _FILE, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, _FILE, c_int64)
_SYNC = CFUNCTYPE(c_int, _FILE, c_int)
_OPEN_FOLDER = CFUNCTYPE(c_int, c_char_p, POINTER(c_int))
_SET_CALL = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)
_GET_CALL = CFUNCTYPE(c_void_p, c_void_p, c_char_p)


class _Methods(Structure):
    """sqlite3_io_methods."""

    _fields_ = [
        ("version", c_int),
        ("close", _CLOSE),
        ("read", _TRANSFER),
        ("write", _TRANSFER),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        *((name, c_void_p) for name in ("size", "lock", "unlock", "check_lock", "control", "sector", "traits")),
        *((name, c_void_p) for name in ("shm_map", "shm_lock", "shm_barrier", "shm_unmap", "fetch", "unfetch")),
    ]


class _Vfs(Structure):
    """sqlite3_vfs."""

    _fields_ = [
        ("version", c_int),
        ("file_bytes", c_int),
        ("path_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("app_data", c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        *((name, c_void_p) for name in ("access", "full_path", "dl_open", "dl_error", "dl_sym", "dl_close")),
        ("randomness", _RANDOMNESS),
        *((name, c_void_p) for name in ("sleep", "time", "last_error", "time_64")),
        ("set_call", _SET_CALL),
        ("get_call", _GET_CALL),
        ("next_call", c_void_p),
    ]


class Fault(NamedTuple):
    """How a call fails: SQLite's code, and for a write how many of its bytes are written all the same."""

    code: int
    written: int = 0


class Watcher(Protocol):
    """Told of every call on the files of interest. A call that it gives a fault is not made."""

    def concerns(self, path: str) -> bool:
        """Whether the calls on this file come by."""
        ...

    def fault(self, call: str, path: str, size: int) -> Fault | None:
        """Asked before each read, write, truncate, sync and delete."""
        ...

    def opened(self, path: str) -> None:
        """A file was opened, and by that perhaps made."""
        ...

    def written(self, path: str, offset: int, content: bytes) -> None:
        """Bytes were given to the system."""
        ...

    def truncated(self, path: str, size: int) -> None:
        """A file was cut to a size."""
        ...

    def synced(self, path: str) -> None:
        """A file's content is durable."""
        ...

    def deleted(self, path: str) -> None:
        """A name was removed."""
        ...

    def folder_synced(self) -> None:
        """The names in the folder are durable."""
        ...

    def random(self, size: int) -> bytes | None:
        """Bytes to seed SQLite's randomness with; None for the system's."""
        ...


def library() -> ctypes.CDLL | None:
    """The library that `sqlite3` calls; None where its functions cannot be reached."""
    for name in (getattr(_sqlite3, "__file__", None), None):
        with contextlib.suppress(OSError, AttributeError):
            found = ctypes.CDLL(name)
            found.sqlite3_vfs_find.restype = POINTER(_Vfs)
            found.sqlite3_libversion.restype = c_char_p
            if found.sqlite3_libversion().decode() == sqlite3.sqlite_version:
                return found
    return None


UNREACHABLE: Final = (
    "Python's SQLite is linked in so that its functions cannot be called: no file layer can be put below it"
)


class Layer:
    """The layer of one process. `errors` keeps what a watcher raised: SQLite can only be told a code."""

    def __init__(self, sqlite: ctypes.CDLL) -> None:
        self._sqlite = sqlite
        self._system = sqlite.sqlite3_vfs_find(None)
        self._watcher: Watcher | None = None
        self._reads = False
        self._files: dict[int, tuple[str, _Methods]] = {}
        self._methods: dict[int, tuple[_Methods, _Methods]] = {}
        self._folder_opened = False
        self.errors: list[BaseException] = []
        real = self._system.contents
        self._vfs = _Vfs.from_buffer_copy(real)
        self._vfs.next = None
        self._vfs.name = b"walletd-power"
        self._vfs.open = _OPEN(self._guarded(self._open))
        self._vfs.delete = _DELETE(self._guarded(self._delete))
        self._vfs.randomness = _RANDOMNESS(self._randomness)
        self._real_open_folder = _OPEN_FOLDER(real.get_call(cast(self._system, c_void_p), b"openDirectory"))
        self._open_folder = _OPEN_FOLDER(self._note_folder)

    @contextlib.contextmanager
    def watching(self, watcher: Watcher, *, reads: bool = False) -> Iterator[None]:
        """Files opened in here come by `watcher`; all must be closed before the end. Reads come by only if asked for: they are many."""
        self._watcher, self._reads = watcher, reads
        self.errors = []
        system = cast(self._system, c_void_p)
        self._sqlite.sqlite3_vfs_register(byref(self._vfs), 1)
        self._system.contents.set_call(system, b"openDirectory", cast(self._open_folder, c_void_p))
        # An empty request makes SQLite draw its randomness anew, from the VFS that is now the default.
        self._sqlite.sqlite3_randomness(0, None)
        try:
            yield
        finally:
            self._system.contents.set_call(system, b"openDirectory", None)
            self._sqlite.sqlite3_vfs_unregister(byref(self._vfs))
            self._sqlite.sqlite3_vfs_register(self._system, 1)
            self._sqlite.sqlite3_randomness(0, None)
            self._watcher = None
        assert not self._files, f"still open: {sorted(path for path, _ in self._files.values())}"
        if self.errors:
            raise self.errors[0]

    def _guarded(self, call: Callable[..., int]) -> Callable[..., int]:
        def guarded(*arguments: Any) -> int:
            try:
                return call(*arguments)
            except BaseException as error:  # noqa: BLE001 - nothing may pass through SQLite's frames
                self.errors.append(error)
                return sqlite3.SQLITE_IOERR

        return guarded

    # ------------------------------------------------------------------------------------------------- the VFS

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, flags_out: Any) -> int:
        path = None if name is None else cast(name, c_char_p).value
        text = "" if path is None else path.decode()
        watched = self._watcher is not None and path is not None and self._watcher.concerns(text)
        real = self._system.contents
        code = int(real.open(cast(self._system, c_void_p), name, file, flags, flags_out))
        if code == OK and watched and self._watcher is not None:
            slot = cast(file, POINTER(c_void_p))
            self._files[file] = (text, self._replaced(slot))
            self._watcher.opened(text)
        return code

    def _delete(self, _vfs: int, name: bytes, sync_folder: int) -> int:
        path = name.decode()
        watcher = self._watcher
        if watcher is None or not watcher.concerns(path):
            return int(self._system.contents.delete(cast(self._system, c_void_p), name, sync_folder))
        if (fault := watcher.fault("delete", path, 0)) is not None:
            return fault.code
        self._folder_opened = False
        code = int(self._system.contents.delete(cast(self._system, c_void_p), name, sync_folder))
        if code == OK:
            watcher.deleted(path)
            if self._folder_opened:
                watcher.folder_synced()
        return code

    def _randomness(self, vfs: int, size: int, out: int) -> int:
        seed = None if self._watcher is None else self._watcher.random(size)
        if seed is None:
            return int(self._system.contents.randomness(cast(self._system, c_void_p), size, out))
        ctypes.memmove(out, seed, size)
        return size

    def _note_folder(self, path: bytes, out: Any) -> int:
        """SQLite opens a folder only to sync it."""
        self._folder_opened = True
        return int(self._real_open_folder(path, out))

    # ------------------------------------------------------------------------------------------------ the files

    def _replaced(self, slot: Any) -> _Methods:
        """Put the copy of a file's table of methods in place; returns the table that was there."""
        address = slot[0]
        if address not in self._methods:
            real = cast(address, POINTER(_Methods)).contents
            copy = _Methods.from_buffer_copy(real)
            copy.close = _CLOSE(self._guarded(self._close))
            copy.read = _TRANSFER(self._guarded(self._read)) if self._reads else real.read
            copy.write = _TRANSFER(self._guarded(self._write))
            copy.truncate = _TRUNCATE(self._guarded(self._truncate))
            copy.sync = _SYNC(self._guarded(self._sync))
            self._methods[address] = (real, copy)
        real, copy = self._methods[address]
        copy.read = _TRANSFER(self._guarded(self._read)) if self._reads else real.read
        slot[0] = ctypes.addressof(copy)
        return real

    def _close(self, file: int) -> int:
        _, real = self._files.pop(file)
        cast(file, POINTER(c_void_p))[0] = ctypes.addressof(real)
        return int(real.close(file))

    def _read(self, file: int, out: int, size: int, offset: int) -> int:
        path, real = self._files[file]
        assert self._watcher is not None
        if (fault := self._watcher.fault("read", path, size)) is not None:
            return fault.code
        return int(real.read(file, out, size, offset))

    def _write(self, file: int, content: int, size: int, offset: int) -> int:
        path, real = self._files[file]
        assert self._watcher is not None
        fault = self._watcher.fault("write", path, size)
        wanted = size if fault is None else min(size, fault.written)
        if wanted:
            code = int(real.write(file, content, wanted, offset))
            if code != OK:
                return code
            self._watcher.written(path, offset, ctypes.string_at(content, wanted))
        return OK if fault is None else fault.code

    def _truncate(self, file: int, size: int) -> int:
        path, real = self._files[file]
        assert self._watcher is not None
        if (fault := self._watcher.fault("truncate", path, size)) is not None:
            return fault.code
        code = int(real.truncate(file, size))
        if code == OK:
            self._watcher.truncated(path, size)
        return code

    def _sync(self, file: int, flags: int) -> int:
        path, real = self._files[file]
        assert self._watcher is not None
        if (fault := self._watcher.fault("sync", path, 0)) is not None:
            return fault.code
        self._folder_opened = False
        code = int(real.sync(file, flags))
        if code == OK:
            self._watcher.synced(path)
            if self._folder_opened:
                self._watcher.folder_synced()
        return code


def make_layer() -> Layer | None:
    """The process's layer; None where SQLite cannot be reached."""
    global _layer  # noqa: PLW0603 - SQLite keeps pointers into it for as long as the process lives
    if _layer is None and (sqlite := library()) is not None:
        _layer = Layer(sqlite)
    return _layer


_layer: Layer | None = None
