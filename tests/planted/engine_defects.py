"""Defects of the engine: money, turns, keys, the chain and recovery."""

from typing import Final

from .defect import Defect, defect

COORDINATOR: Final = "engine/coordinator.py"
ENGINE: Final = "engine/engine.py"
RECORDS: Final = "engine/records.py"
RECOVERY: Final = "engine/recovery.py"
WALLET: Final = "engine/wallet.py"

MONEY: Final[tuple[Defect, ...]] = (
    defect(
        "released_twice",
        "What a refused item of a batch had reserved is released at once, and again with the record.",
        (COORDINATOR, "            del draft.holds[held_before:]\n", ""),
    ),
    defect(
        "not_released_on_refusal",
        "A movement refused at its last wallet leaves what it held at the earlier ones.",
        (COORDINATOR, "wallet.held -= draw", "pass"),
    ),
    defect(
        "reserved_in_callers_order",
        "Wallets are judged in the caller's order, so the answer depends on how the legs were written.",
        (COORDINATOR, "sorted(legs, key=_number)", "legs"),
    ),
    defect(
        "debit_ignores_holds",
        "A debit is compared with the balance and not with what debits in flight leave of it.",
        (COORDINATOR, "draw > source.posted - source.held", "draw > source.posted"),
    ),
    defect(
        "judge_ignores_holds",
        "The same in the long ladder, which movements of many legs take.",
        (WALLET, "draw and draw > self.posted - self.held", "draw and draw > self.posted"),
    ),
    defect(
        "credit_in_flight_is_spent",
        "Money that is not durable yet may be spent.",
        (COORDINATOR, "draw > source.posted - source.held", "draw > source.appended"),
    ),
    defect(
        "debit_passes_the_queue",
        "A debit does not wait behind those that wait for the same wallet already.",
        (COORDINATOR, "(source.mailbox and source is not turn_at)", "False"),
    ),
    defect(
        "other_assets_treasury",
        "Money moves between wallets of two assets, so any Treasury will do.",
        (COORDINATOR, "asset is not destination.asset\n            or not", "not"),
    ),
    defect(
        "sum_of_legs_unchecked",
        "The legs of a movement of many need not sum to zero.",
        (COORDINATOR, "if sum(amount for _, amount in of_asset) != 0:", "if not of_asset:"),
    ),
    defect(
        "signs_swapped",
        "A transfer takes from the one who is to be paid.",
        (
            "engine/commands.py",
            "((source, -amount), (destination, amount))",
            "((source, amount), (destination, -amount))",
        ),
    ),
    defect(
        "frozen_wallet_pays",
        "The short way of a movement forgets that a wallet may be frozen.",
        (COORDINATOR, "or source.restrictions is not None", "or source.closed"),
    ),
    defect(
        "closed_wallet_is_paid",
        "The short way of a movement forgets that a wallet may be closed.",
        (COORDINATOR, "or destination.restrictions is not None", "or destination.credits_frozen"),
    ),
    defect(
        "atomic_batch_in_parts",
        "An atomic batch keeps the items before the one that was refused.",
        (COORDINATOR, "if batch.atomic:", "if batch.atomic and index == 0:"),
    ),
    defect(
        "balance_of_the_durable_sequence",
        "An entry's balance is reckoned from the durable balance, as if nothing were in flight.",
        (WALLET, "amount, self.appended, self.entry_count", "amount, self.posted + amount, self.entry_count"),
    ),
)

TURNS: Final[tuple[Defect, ...]] = (
    defect(
        "acknowledged_before_the_flush",
        "An operation is answered when its record is appended.",
        (ENGINE, "self._in_flight.append(operation)", "self._in_flight.append(operation); self._answer(operation)"),
    ),
    defect(
        "wake_up_lost",
        "Only the first of those who wait at a wallet gets a turn.",
        ("engine/actor.py", "        while box:\n", "        if box:\n"),
    ),
    defect(
        "mailbox_unbounded",
        "Any number may wait at one wallet.",
        ("engine/actor.py", " or len(box or ()) >= self._depth_max", ""),
    ),
    defect(
        "in_flight_unbounded",
        "Any number of records may be in flight.",
        (ENGINE, "len(self._in_flight) >= self._options.in_flight_max", "len(self._in_flight) < 0"),
    ),
    defect(
        "full_disk_keeps_holds",
        "What a full disk refused stays reserved.",
        (
            ENGINE,
            "reversed(released):\n            self._withdraw(operation)",
            "reversed(released):\n            operation.draft.holds = []\n            self._withdraw(operation)",
        ),
    ),
    defect(
        "dry_run_is_written",
        "A dry run ends after its record was appended.",
        (ENGINE, "        if operation.dry_run:\n", "        if operation.dry_run and draft is None:\n"),
    ),
    defect(
        "read_before_the_fold",
        "A reading of the image may lack the last record that was acknowledged.",
        ("engine/folding.py", "while self.folded.seq < seq:", "while self.folded.seq < seq - 1:"),
    ),
    defect(
        "gathers_for_ever",
        "A group waits for as many as there were before, and not only for a while.",
        (ENGINE, "call_later(self._options.gather_s, self._work.set)", "call_later(3600, self._work.set)"),
    ),
    defect(
        "clock_set_back",
        "A clock that is set back dates a record before the one before it.",
        ("engine/journal.py", "if now > self.at:", "if now != self.at:"),
    ),
)

KEYS: Final[tuple[Defect, ...]] = (
    defect(
        "key_outside_the_record",
        "The record does not carry its idempotency key.",
        (ENGINE, "draft.body(operation.key)", "draft.body(None)"),
    ),
    defect(
        "key_found_after_its_life",
        "A key whose life is over is found until memory has forgotten it.",
        ("engine/idempotency.py", "return None if seq is None or seq < self._living_seq else seq", "return seq"),
    ),
    defect(
        "key_lost_at_recovery",
        "Replay forgets the keys of the records after the image.",
        (RECOVERY, "record.at >= keys_since", "record.at < keys_since"),
    ),
    defect(
        "key_taken_for_another_request",
        "A key used with another request gives the first one's answer.",
        (ENGINE, "    if members:\n", "    if members and not request:\n"),
    ),
    defect(
        "key_in_flight_runs_twice",
        "A key whose first run is under way does not wait for its end.",
        (ENGINE, "self._keyed.get(digest)) is not None:", "self._keyed.get(digest)) is not None and not request:"),
    ),
)

HISTORY: Final[tuple[Defect, ...]] = (
    defect(
        "chain_without_the_body",
        "The chain's hash does not cover the body.",
        (RECORDS, "kind.encode(), body)).digest()", 'kind.encode(), b"")).digest()'),
    ),
    defect(
        "chain_without_the_previous",
        "The chain's hash does not cover the row before.",
        (RECORDS, '%b|%b" % (previous, seq', '%b|%b" % (GENESIS, seq'),
    ),
    defect(
        "hole_unnoticed",
        "Recovery does not look whether a record is missing.",
        (RECOVERY, "if row.seq != ledger.seq + 1:", "if row.seq < ledger.seq:"),
    ),
    defect(
        "truncation_unnoticed",
        "A journal that ends before its image is taken.",
        (RECOVERY, "if folded.seq > head.seq:", "if folded.seq > head.seq + 10**9:"),
    ),
    defect(
        "balances_unchecked_at_replay",
        "A record's balances are not compared with those that it makes.",
        (WALLET, "if posted != leg.balance_after:", "if posted is None:"),
    ),
)

DEFECTS: Final = (*MONEY, *TURNS, *KEYS, *HISTORY)
