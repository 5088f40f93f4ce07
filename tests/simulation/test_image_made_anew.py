"""An image that is made anew while it is asked answers nobody out of its emptiness: not a key's lookup, not a reader."""

import asyncio
from collections.abc import Iterator

import pytest

from walletd.engine import EngineOptions, MemoryImage, MemoryJournal, Refusal, transfer
from walletd.engine.ports import Head, HistoryPage, HistoryQuery, StorageUnusable
from walletd.tests.builders import World, keyed, quiet


class Gate:
    """Lets through when it is opened."""

    def __init__(self) -> None:
        self.shut = False
        self._moved = asyncio.Event()

    async def passed(self) -> None:
        """Wait until it is open."""
        while self.shut:
            self._moved.clear()
            await self._moved.wait()

    def open(self) -> None:
        """Let through."""
        self.shut = False
        self._moved.set()


class GatedImage(MemoryImage):
    """An image whose questions and folds wait at gates, and whose next folds and questions can be made to fail."""

    def __init__(self, journal: MemoryJournal) -> None:
        super().__init__(journal)
        self.at_question, self.at_fold, self.after_reset = Gate(), Gate(), Gate()
        self.folds_fail: Iterator[bool] = iter(())
        self.questions_fail: Iterator[bool] = iter(())

    async def fold(self, through: int) -> Head:
        """See Image."""
        await self.at_fold.passed()
        if next(self.folds_fail, False):
            raise StorageUnusable("the test says so")
        return await super().fold(through)

    async def reset(self) -> None:
        """See Image."""
        await super().reset()
        await self.after_reset.passed()

    async def _ask(self) -> None:
        fails = next(self.questions_fail, False)
        await self.at_question.passed()
        if fails:
            raise StorageUnusable("the test says so")

    async def key(self, digest: bytes) -> int | None:
        """See Queries."""
        await self._ask()
        return await super().key(digest)

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """See Queries."""
        await self._ask()
        return await super().history(query)


class Setting:
    """A world with one key in memory at most, and two payments made under keys: the first key must be looked up in the image."""

    def __init__(self) -> None:
        self.world = World(options=EngineOptions(keys_in_memory_max=1, room_poll_s=0, gather_s=0))
        self.image = GatedImage(self.world.store)
        self.world.image = self.image

    async def begin(self) -> None:
        """Make the payments and fold them."""
        world = self.world
        await world.asset()
        self.payer, self.payee = await world.wallet(100), await world.wallet()
        for name in ("first", "second"):
            await world.engine.execute(transfer(self.payer, self.payee, 10), key=keyed(name))
        await self.page()

    async def page(self) -> HistoryPage:
        """The payee's history."""
        return await self.world.engine.history(HistoryQuery(wallet=self.world.at(self.payee).number, limit=9))

    def pay_again(self) -> "asyncio.Task[object]":
        """The first payment once more, under its key."""
        execute = self.world.engine.execute
        return asyncio.ensure_future(execute(transfer(self.payer, self.payee, 10), key=keyed("first")))


async def another_record(setting: Setting) -> None:
    """Something to fold, and somebody who wants it folded."""
    await setting.world.wallet()
    setting.world._begun.append(asyncio.ensure_future(setting.page()))  # type: ignore[arg-type]
    await quiet()


async def test_a_lookup_under_way_when_the_image_is_emptied_does_not_pay_twice() -> None:
    setting = Setting()
    async with setting.world:
        await setting.begin()
        image = setting.image
        image.at_question.shut = image.after_reset.shut = True
        again = setting.pay_again()
        await quiet()
        image.folds_fail = iter([True])
        await another_record(setting)
        image.at_question.open()
        await quiet()
        image.after_reset.open()
        outcome = await again
        assert outcome.replayed  # type: ignore[attr-defined]
        assert setting.world.posted(setting.payee) == [20]


async def test_a_question_that_comes_while_the_image_is_emptied_waits_for_the_new_one() -> None:
    setting = Setting()
    async with setting.world:
        await setting.begin()
        image = setting.image
        image.after_reset.shut = True
        image.folds_fail = iter([True])
        await another_record(setting)
        again = setting.pay_again()
        await quiet()
        image.after_reset.open()
        outcome = await again
        assert outcome.replayed  # type: ignore[attr-defined]
        assert len((await setting.page()).entries) == 2


async def test_a_fold_that_ends_after_the_image_is_distrusted_does_not_let_questions_pass() -> None:
    setting = Setting()
    async with setting.world:
        await setting.begin()
        image = setting.image
        image.at_fold.shut = image.after_reset.shut = True
        image.questions_fail = iter([True])
        image.at_question.shut = True
        again = setting.pay_again()
        await quiet()
        await another_record(setting)
        image.at_question.open()
        await quiet()
        image.at_fold.open()
        await quiet()
        image.after_reset.open()
        outcome = await again
        assert outcome.replayed  # type: ignore[attr-defined]
        assert setting.world.posted(setting.payee) == [20]


async def test_two_questions_that_fail_together_make_the_image_anew_once() -> None:
    setting = Setting()
    async with setting.world:
        await setting.begin()
        image = setting.image
        image.questions_fail = iter([True, True])
        slow = image.at_question
        slow.shut = True
        asked = [asyncio.ensure_future(setting.page()) for _ in range(2)]
        await quiet()
        slow.open()
        pages = await asyncio.gather(*asked)
        assert [len(page.entries) for page in pages] == [2, 2]
        with pytest.raises(Refusal):
            await setting.world.engine.transaction(99)
