"""The wallet engine, usable without a server: actors, coordinator, journal and ledger over two ports."""

from .commands import (
    Batch,
    Close,
    Command,
    CreateAsset,
    CreateUser,
    Freeze,
    Holding,
    IdempotencyKey,
    Move,
    OpenWallet,
    Unfreeze,
    UpdateUser,
    transfer,
)
from .engine import Engine, EngineOptions, EngineState
from .memory import MemoryImage, MemoryJournal, open_in_memory
from .outcome import Outcome
from .refusals import Refusal, RefusalCode

__all__ = [
    "Batch",
    "Close",
    "Command",
    "CreateAsset",
    "CreateUser",
    "Engine",
    "EngineOptions",
    "EngineState",
    "Freeze",
    "Holding",
    "IdempotencyKey",
    "MemoryImage",
    "MemoryJournal",
    "Move",
    "OpenWallet",
    "Outcome",
    "Refusal",
    "RefusalCode",
    "Unfreeze",
    "UpdateUser",
    "open_in_memory",
    "transfer",
]
