"""The lane for long work: a portion of it a turn of the event loop, so that short requests go on between the portions of others."""

import asyncio
from typing import Final

LONG_BODY_BYTES: Final = 32 * 1024
"""To read a body of more bytes is long work: a millisecond or more."""

LONG_LIST: Final = 200
"""Items that are read or answered in one portion: a millisecond's work."""


class Lane:
    """Gives out turns for reading and answering what is long. What the engine decides and commits together, it does in one go all the same."""

    def __init__(self) -> None:
        self._taken = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for a turn; it lasts until the caller waits for something else."""
        await self._taken.acquire()
        asyncio.get_running_loop().call_soon(self._taken.release)
