"""The lane for long work: one piece of it a turn of the event loop, so that short requests go on between the pieces of others."""

import asyncio
from typing import Final

LONG_BODY_BYTES: Final = 8 * 1024
LONG_LIST: Final = 50
"""A body of more bytes, or an answer of more items, is long work: half a millisecond at least."""


class Lane:
    """Whose long work may be done now. Without it, twenty batches that came together would be one long stall."""

    def __init__(self) -> None:
        self._taken = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until it is the caller's turn; it lasts until the caller waits for something else."""
        await self._taken.acquire()
        asyncio.get_running_loop().call_soon(self._taken.release)
