"""Histories: what clients saw of a schedule, and what is on the disk at its end. The checkers judge nothing else.

Steps order everything: a client saw its answer at `answered`, a step of the loop that counts over all lives of the process. `floor` is the
latest record that anybody could have seen before, `ceiling` how many records were durable then.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from walletd.engine import Command, IdempotencyKey, Outcome, Refusal
from walletd.engine.records import Record

from .model import Book, State

EVENTS_ASKED: Final = 3
"""Records that a reader of events asks for."""


@dataclass(eq=False, slots=True)
class Attempt:
    """One sending of a request. Without `outcome` and `refusal` it was never answered: its caller had gone, or the process crashed.

    `label` is in the record that this attempt makes, so the journal tells which attempt made it. `body` names what the key is bound to.
    """

    label: str
    command: Command
    life: int
    key: IdempotencyKey | None = None
    dry_run: bool = False
    asked: int = -1
    floor: int = 0
    answered: int | None = None
    ceiling: int = 0
    outcome: Outcome | None = None
    refusal: Refusal | None = None
    error: str | None = None
    open_then: int = 0
    """How many attempts were open when this one was answered, itself included."""

    @property
    def acknowledged(self) -> Record | None:
        """The record that it was told it made, or had made before."""
        return None if self.outcome is None or self.dry_run or self.answered is None else self.outcome.record

    @property
    def undecided(self) -> bool:
        """Whether it may have happened although nobody was told that it did."""
        if self.dry_run or self.asked < 0:
            return False
        return self.answered is None or (self.refusal is not None and self.refusal.code == "outcome_unknown")


@dataclass(eq=False, slots=True)
class Reading:
    """One question and its answer. `about` is what was asked: a wallet's number, a transaction's number, or the record after which."""

    form: str
    about: int
    life: int
    asked: int
    answered: int
    floor: int
    ceiling: int
    value: Any


@dataclass(eq=False, slots=True)
class Holding:
    """A wallet as it stood at some step: `owned` tells a user's from a Treasury."""

    step: int
    number: int
    owned: bool
    posted: int
    held: int


@dataclass(eq=False, slots=True)
class Life:
    """One run of the engine, from its start to its stop, failure or crash. Steps at which things happened."""

    number: int
    floor: int
    """Records durable when it began."""
    full: list[int] = field(default_factory=list)
    room: list[int] = field(default_factory=list)
    fold_full: list[int] = field(default_factory=list)
    stopped: int | None = None
    failed: int | None = None
    ended_well: bool = False
    recovered: dict[str, Any] | None = None
    """What the ledger showed when it had recovered."""
    left: list[str] = field(default_factory=list)
    """What was still reserved, claimed or waiting when nothing was in flight any more."""
    in_flight_max: int = 1 << 30
    mailbox_max: int = 1 << 30


@dataclass(eq=False)
class History:
    """Everything that a schedule leaves. `records` is the whole journal, those of the first `prefix` being there from the start."""

    records: list[Record]
    prefix: int
    chain_broken: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    holdings: list[Holding] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    clock_peaks: list[tuple[int, int]] = field(default_factory=list)
    """(records durable then, the highest time the clock had shown)."""
    image: dict[str, Any] = field(default_factory=dict)
    replayed: dict[str, Any] = field(default_factory=dict)
    raised: list[str] = field(default_factory=list)
    """What went wrong in a way that needs no checker: exceptions, hangs."""
    book: Book = field(default_factory=Book)
    """What the records before `states` make."""
    states: list[State] = field(default_factory=list)
    """The model after each record, 0 for none; those of the prefix are given."""

    def follow(self) -> None:
        """Take the model through all records."""
        for record in self.records[len(self.states) - 1 :]:
            self.book.grow(record)
            self.states.append(self.states[-1].after(record))

    def state(self, seq: int) -> State:
        """The model after record `seq`."""
        return self.states[seq]


def label_of(record: Record) -> str | None:
    """The label of the attempt that made a record; None for those that have no place for one."""
    body = record.body
    if body.movements:
        return body.movements[0].reference
    if body.assets:
        return body.assets[0].name
    if body.users:
        return body.users[0].name
    if body.user_changes:
        return body.user_changes[0].name
    return body.wallet_changes[0].reason if body.wallet_changes else None
