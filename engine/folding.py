"""Folding: keeps the image close behind the journal, and lets a read wait until the image has what was acknowledged.

Invariant: folded.seq <= durable seq. A fold never delays a write; a read that needs the image waits for the fold of what was durable
when it came, no longer.
"""

import asyncio
import logging
from typing import Final

from .limits import FOLD_STEP_MAX, IDEMPOTENCY_KEY_LIFE_US
from .ports import Head, Image, ImageCounters, JournalFull, StorageUnusable
from .records import GENESIS
from .refusals import Refusal, RefusalCode

_LINGER_S: Final = 0.1
"""How long records gather when nobody waits for them: a larger step costs less a record."""
_FULL_RETRY_S: Final = 1.0
_EXPIRE_INTERVAL_US: Final = 10_000_000


EMPTY: Final = Head(0, 0, GENESIS)

log = logging.getLogger("walletd.engine")


async def make_anew(image: Image, error: Exception) -> tuple[Head, ImageCounters]:
    """Empty an image that cannot be used, so that it is folded from the first record on."""
    log.warning("image made anew", extra={"reason": str(error)})
    await image.reset()
    return await image.open()


class Folding:
    """Folds what is durable, in the background. `run` is its life; it ends after `end`, between two steps, or with the image's failure."""

    def __init__(self, image: Image, folded: Head) -> None:
        self._image = image
        self._durable_seq = folded.seq
        self._expired_at = 0
        self._expiring = False  # whether there may be more keys to forget
        self._ending = False
        self._distrusted: StorageUnusable | None = None
        self._made_anew = False
        self._work = asyncio.Event()
        self._wanted = asyncio.Event()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self.folded = folded
        self.generation = 0
        """Rises when the image is no longer the one it was: what was asked of it before may have been answered by an empty one."""

    def durable(self, seq: int) -> None:
        """Tell that the journal is durable through `seq`."""
        self._durable_seq = seq
        self._work.set()

    async def through(self, seq: int) -> None:
        """Wait until the image holds record `seq`, which is durable.

        Raises Refusal: READ_ONLY if there is no room to fold, STOPPING after `end`.
        """
        while self.folded.seq < seq:  # again, where the image was given up between the answer and this turn
            if self._ending:
                raise Refusal(RefusalCode.STOPPING)
            assert seq <= self._durable_seq
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append((seq, waiter))
            self._work.set()
            self._wanted.set()
            await waiter

    def end(self) -> None:
        """Let `run` end. A step under way is finished: half a step must not be left in the store."""
        self._ending = True
        self._work.set()
        self._wanted.set()

    def distrust(self, error: StorageUnusable) -> None:
        """Tell that the image could not be read: it is made anew before anything else is folded."""
        if self._distrusted is not None:
            return
        self._distrusted = error
        self._forget()
        self._work.set()
        self._wanted.set()

    def _forget(self) -> None:
        self.folded = EMPTY
        self.generation += 1

    async def run(self) -> None:
        """Fold until `end`. An image that fails is made anew from the journal, once; then raises StorageUnusable."""
        while not self._ending:
            await self._work.wait()
            self._work.clear()
            try:
                await self._follow()
            except StorageUnusable as error:
                await self._make_anew(error)

    async def _follow(self) -> None:
        while not self._ending:
            if self._distrusted is not None:
                raise self._distrusted
            if self.folded.seq >= self._durable_seq:
                return
            if not self._waiters and self._durable_seq - self.folded.seq < FOLD_STEP_MAX and await self._linger():
                continue
            await self._step()

    async def _make_anew(self, error: StorageUnusable) -> None:
        if self._made_anew:
            raise error
        self._made_anew = True
        self._distrusted = error
        self._forget()
        self.folded, _ = await make_anew(self._image, error)
        self._distrusted = None
        self._work.set()

    async def finish(self) -> None:
        """Fold everything durable, once `run` has ended. Raises StorageUnusable, JournalFull."""
        while self.folded.seq < self._durable_seq:
            self.folded = await self._image.fold(self._durable_seq)
        self._answer()

    def abandon(self, refusal: Refusal) -> None:
        """Answer every waiting read with a refusal."""
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(refusal)
        self._waiters = []

    async def _linger(self) -> bool:
        """Let records gather. Returns whether something came up meanwhile: somebody who waits, the end, or doubt."""
        self._wanted.clear()
        try:
            async with asyncio.timeout(_LINGER_S):
                await self._wanted.wait()
        except TimeoutError:
            return False
        return True

    async def _step(self) -> None:
        try:
            folded = await self._image.fold(self._durable_seq)
            if self._distrusted is not None:
                raise self._distrusted  # while the step ran; what it folded is thrown away
            self.folded = folded
            self._answer()
            await self._expire()
        except JournalFull:
            self.abandon(Refusal(RefusalCode.READ_ONLY, "The disk is full: the image cannot follow the journal."))
            await asyncio.sleep(_FULL_RETRY_S)

    async def _expire(self) -> None:
        if self._expiring or self.folded.at - self._expired_at >= _EXPIRE_INTERVAL_US:
            self._expired_at = self.folded.at
            self._expiring = await self._image.expire_keys(self.folded.at - IDEMPOTENCY_KEY_LIFE_US)

    def _answer(self) -> None:
        folded = self.folded.seq
        for seq, waiter in self._waiters:
            if seq <= folded and not waiter.done():
                waiter.set_result(None)
        self._waiters = [(seq, waiter) for seq, waiter in self._waiters if seq > folded]
