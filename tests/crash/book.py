"""The book: what clients were told, and whether the journal agrees.

An operation is in doubt until its answer comes. After a restart the journal decides it: with a key, the repetition must say the same as the journal; without,
it is all there or all absent, for ever.
"""

from typing import Any, Final

import msgspec

from walletd.loadtest.answers import Answer

from .follower import FINDINGS_MAX, Follower, Mark
from .operations import Operation

REFUSED: Final = frozenset({400, 402, 422})
NOT_NOW: Final = frozenset({429, 503})
REPLAYED: Final = "Idempotency-Replayed"
_DECODER: Final = msgspec.json.Decoder(float_hook=str)


class Told(msgspec.Struct, eq=False):
    """An operation with the state of what its sender knows."""

    operation: Operation
    state: str = "in doubt"


class Book:
    """All operations of one folder. `known` has each mark's operation."""

    def __init__(self) -> None:
        self.follower = Follower()
        self.known: dict[Mark, Told] = {}
        self.in_doubt: set[Told] = set()
        self.unchecked: list[Told] = []
        self.keyed: list[Operation] = []
        self.located: list[Operation] = []
        self.acknowledged = 0
        self.refused = 0
        self.figures: dict[str, int] = {}
        self._findings: list[str] = []

    @property
    def findings(self) -> list[str]:
        """What is wrong."""
        return self._findings + self.follower.findings

    def find(self, sentence: str) -> None:
        """Note that something is wrong."""
        if len(self._findings) < FINDINGS_MAX:
            self._findings.append(sentence)

    def count(self, what: str, by: int = 1) -> None:
        """Add to a figure."""
        self.figures[what] = self.figures.get(what, 0) + by

    def send(self, operation: Operation) -> Told:
        """An operation is about to be sent."""
        told = Told(operation)
        for mark in operation.marks:
            self.known[mark] = told
        self.in_doubt.add(told)
        return told

    def answered(self, told: Told, answer: Answer) -> None:
        """Its answer came."""
        operation = told.operation
        if answer.status in NOT_NOW:
            return  # stopping: nothing happened, or nobody says so; it stays in doubt
        self.in_doubt.discard(told)
        if answer.status in (200, 201):
            told.state = "done"
            operation.answer = _DECODER.decode(answer.body)
            self._refuse_items(operation)
            operation.location = answer.header("Location")
            self.acknowledged += 1
            self.count(f"acknowledged {operation.api}")
            (self.keyed if operation.key is not None else self.located).append(operation)
            self.unchecked.append(told)
        elif answer.status in REFUSED and b"insufficient_balance" in answer.body:
            told.state = "refused"
            self.refused += 1
        else:
            told.state = "refused"
            self.find(f"{operation.path} {operation.body} was answered {answer.status}: {answer.body[:300]!r}")

    def follow(self, events: list[dict[str, Any]]) -> None:
        """Take the journal's events up to its end, while nothing is under way, and judge all that was told since the last time."""
        for mark in self.follower.follow(events):
            told = self.known.get(mark)
            if told is None or told.state in ("refused", "absent"):
                self.find(f"{mark} is in the journal, and was {told.state if told else 'never asked for'}")
        for told in self.unchecked:
            self._check(told.operation, "was acknowledged")
        self.unchecked = []
        for told in self.in_doubt:
            self._decide(told)

    def repeated(self, told: Told, answer: Answer, *, was_there: bool) -> None:
        """The repetition, with its key, of what was in doubt was answered. The events that follow show whether it had one effect."""
        self.answered(told, answer)
        replayed = answer.header(REPLAYED) is not None
        if answer.status in (200, 201) and replayed != was_there:
            what = (
                "was done before and was done again" if was_there else "was never done and was answered as a repetition"
            )
            self.find(f"the key {told.operation.key} of {told.operation.path} {what}")

    def same_again(self, operation: Operation, answer: Answer) -> None:
        """The repetition of what was acknowledged was answered."""
        again = _DECODER.decode(answer.body)
        before = operation.answer
        if operation.api == "application_credits":  # answers the balance as it is by now
            again, before = ({**content, "new_balance": None} for content in (again, before))
        if answer.header(REPLAYED) is None or again != before:
            self.find(
                f"the key {operation.key} of {operation.path} was answered {before} and then {answer.status} {again}"
            )

    def was_there(self, told: Told) -> bool:
        """Whether the journal has what is in doubt."""
        return any(mark in self.follower.seen for mark in told.operation.marks)

    def _decide(self, told: Told) -> None:
        there = self.was_there(told)
        if told.operation.marks:
            self.count("in doubt, done" if there else "in doubt, not done")
        if there:
            self._check(told.operation, "was in doubt")

    def forget_keyless(self) -> None:
        """What is in doubt and cannot be repeated is decided by the journal, for ever."""
        for told in [told for told in self.in_doubt if told.operation.key is None]:
            told.state = "done" if self.was_there(told) else "absent"
            self.in_doubt.discard(told)

    def _refuse_items(self, operation: Operation) -> None:
        """The items of a batch that were refused one by one are no part of what was done."""
        if not operation.path.endswith("/batch"):
            return
        for (mark, legs), item in zip(list(operation.marks.items()), operation.answer["results"], strict=True):
            if item["status"] != 201:
                del operation.marks[mark]
                self.known[mark] = Told(Operation(operation.api, operation.path, {}, {mark: legs}), "refused")

    def _check(self, operation: Operation, how: str) -> None:
        """It is there, all of it in one record, with its legs, and as it was answered."""
        seen = [self.follower.seen.get(mark) for mark in operation.marks]
        missing = [mark for mark, one in zip(operation.marks, seen, strict=True) if one is None]
        if missing:
            self.find(f"{operation.path} {operation.body} {how}, and the journal lacks {missing[:3]} of {len(seen)}")
            return
        if len({one.seq for one in seen if one is not None}) > 1:
            self.find(f"{operation.path} {operation.body} {how}, and is in several records")
        for mark, legs in operation.marks.items():
            found = self.follower.seen[mark]
            there = {
                wallet if wallet in legs or "" not in legs else "": amount for wallet, amount in found.legs.items()
            }
            if legs and there != legs:
                self.find(f"{mark} {how} with {legs}, and has {found.legs}")
        if operation.claims is not None and operation.answer is not None:
            [mark, *_] = operation.marks
            self._compare(operation, self.follower.seen[mark].transaction, mark)

    def _compare(self, operation: Operation, transaction: int, mark: Mark) -> None:
        assert operation.claims is not None
        found, claims = self.follower.seen[mark], operation.claims(operation.answer)
        wallet = claims.get("wallet") or ""
        held = {"transaction": transaction, "entry": found.entries.get(wallet), "balance": found.balances.get(wallet)}
        for name, value in held.items():
            if name in claims and claims[name] != value:
                # A repetition of this one API answers today's balance.
                if operation.api == "application_credits" and name == "balance":
                    continue
                self.find(
                    f"{operation.path} {operation.body}: the answer says {name} {claims[name]}, the journal {value}"
                )
