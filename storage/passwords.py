"""Passwords: argon2id in a thread of its own, one at a time.

A hash takes some 20 ms of a processor and 19 MiB. One thread and a short queue are what logins get, so a flood of them is refused as
overloaded and leaves the other processors to transfers. The thread has the common priority: one put off while it holds the interpreter would put off the
event loop with it.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher as Argon2
from argon2 import Type
from argon2.exceptions import InvalidHashError, VerificationError

from ..engine.identity import HashedPassword
from ..engine.refusals import Refusal, RefusalCode

TIME_COST: Final = 2
MEMORY_KIB: Final = 19 * 1024
PARALLELISM: Final = 1
"""The least that OWASP's password storage cheat sheet advises for argon2id. One lane, for a lane is a thread."""

WAITING_MAX: Final = 64
"""Passwords that may wait for the thread: about two seconds of work."""

ResultT = TypeVar("ResultT")


class Argon2Hasher:
    """See PasswordHasher in engine/identity.py. `close` ends its thread."""

    def __init__(
        self, *, time_cost: int = TIME_COST, memory_kib: int = MEMORY_KIB, waiting_max: int = WAITING_MAX
    ) -> None:
        self._argon2 = Argon2(time_cost=time_cost, memory_cost=memory_kib, parallelism=PARALLELISM, type=Type.ID)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="walletd-passwords")
        self._waiting_max = waiting_max
        self._waiting = 0
        self._nobodys = self._argon2.hash("nobody's password, as slow to check as any")

    async def hash(self, password: str) -> HashedPassword:
        """See PasswordHasher."""
        # New passwords get half of the queue: making users must not keep others from logging in.
        work = self._in_thread(lambda: self._argon2.hash(_bytes(password)), max(1, self._waiting_max // 2))
        return HashedPassword(await work)

    async def verify(self, hashed: HashedPassword | None, password: str) -> bool:
        """See PasswordHasher."""
        text = self._nobodys if hashed is None else hashed.text
        return await self._in_thread(lambda: self._matches(text, password), self._waiting_max) and hashed is not None

    def close(self) -> None:
        """End the thread once what it works on is done."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _matches(self, text: str, password: str) -> bool:
        try:
            return self._argon2.verify(text, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], ResultT], waiting_max: int) -> ResultT:
        if self._waiting >= waiting_max:
            raise Refusal(RefusalCode.OVERLOADED, "Too many passwords are being checked.")
        self._waiting += 1
        # Counted until the thread is done with it, also when nobody waits any more.
        future = self._thread.submit(work)
        waiter = asyncio.wrap_future(future)
        waiter.add_done_callback(self._done)
        return await asyncio.shield(waiter)

    def _done(self, _: object) -> None:
        self._waiting -= 1


def _bytes(password: str) -> bytes:
    """The password's bytes, the same for every way to type it (RFC 8265 asks for form C)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
