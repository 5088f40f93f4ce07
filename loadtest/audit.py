"""The audit after a run: whether the money is all there, and whether what was acknowledged can be read.

It asks the service over its API and compares with what the run knows: every wallet's balance must be what it held before, plus and
minus every acknowledged transfer, and nothing else. Each discrepancy is a finding in words; no finding means that it all fits.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from .answers import Answer
from .client import Client, content_of
from .dialects import DIALECTS, TREASURY, Dialect, DigitalWallet, signed_minor
from .population import Population
from .recording import Kept, Recorded
from .requests import with_key
from .workloads import BATCH_SIZE, Kind, Move, Script, deltas

FINDINGS_MAX: Final = 20
HISTORIES: Final = 50
ENTRIES_MAX: Final = 20_000
REPLAYS: Final = 50
PAGE: Final = 100


class Expected(msgspec.Struct):
    """What the wallets must hold: changes since the population was made, over all runs so far. `is_exact` is False once the outcome of a write is unknown."""

    changes: dict[int, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    is_exact: bool = True

    def count(self, scripts: list[Script], recorded: list[Recorded]) -> None:
        """Count what a run has moved."""
        for script, one in zip(scripts, recorded, strict=True):
            for wallet, change in deltas(script, one.acknowledged):
                self.changes[wallet] += change
            for place, times in one.acknowledged_items.items():
                for (source, destination, amount), count in zip(script.moves[place], times, strict=True):
                    self.changes[source] -= amount * count
                    self.changes[destination] += amount * count
            self.is_exact = self.is_exact and one.unknown == 0

    def move(self, moves: Iterable[Move]) -> None:
        """Count what was moved outside of runs."""
        for source, destination, amount in moves:
            self.changes[source] -= amount
            self.changes[destination] += amount


class Report(msgspec.Struct):
    """What was looked at, in numbers, and what did not fit, in words."""

    checked: dict[str, int] = msgspec.field(default_factory=dict)
    findings: list[str] = msgspec.field(default_factory=list)
    found: int = 0
    notes: list[str] = msgspec.field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing was found."""
        return self.found == 0

    def count(self, what: str, number: int = 1) -> None:
        """Add to what was looked at."""
        self.checked[what] = self.checked.get(what, 0) + number

    def finding(self, text: str) -> None:
        """Add what does not fit."""
        self.found += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(text)


class Audit:
    """One audit of one population after a run. `wallets_max` bounds the walks over all wallets; above it, wallets are sampled.
    `reads_max` bounds the acknowledged transfers that are read again, `replays_max` the keys that are sent again.
    """

    def __init__(
        self, client: Client, population: Population, expected: Expected, *, wallets_max: int, reads_max: int, seed: int,
        replays_max: int = REPLAYS,
    ) -> None:  # fmt: skip
        self._client = client
        self._population = population
        self._dialect: Dialect = DIALECTS[population.dialect]()
        self._expected = expected
        self._wallets_max = wallets_max
        self._reads_max = reads_max
        self._replays_max = replays_max
        self._rng = random.Random(seed)
        self.report = Report()

    async def check(self, scripts: list[Script], recorded: list[Recorded]) -> Report:
        """Everything. Raises Unanswered if the service cannot be read."""
        if not self._expected.is_exact:
            self.report.notes.append("the outcome of some writes is unknown, so single balances were not compared")
        await self._balances()
        if self._population.dialect == "v1":
            await self._conserved()
        await self._histories()
        for script, one in zip(scripts, recorded, strict=True):
            await self._readable(script, one.kept)
            await self._replayed(script, one.kept)
        return self.report

    # ----------------------------------------------------------------------------------------------------- balances

    async def _balances(self) -> None:
        """Each wallet of the population holds what it must."""
        wallets = range(len(self._population.ids))
        chosen = list(wallets)
        if len(wallets) > self._wallets_max:
            touched = [wallet for wallet in self._expected.changes if wallet != TREASURY]
            chosen = self._rng.sample(touched, min(len(touched), self._wallets_max))
            self.report.notes.append(f"balances: {len(chosen)} of {len(wallets)} wallets were compared")
        total = 0

        def take(index: int, answer: Answer) -> None:
            nonlocal total
            wallet = chosen[index]
            balance = self._dialect.balance_in(content_of(answer, 200, "a balance"))
            total += balance
            must = self._population.funding_minor + self._expected.changes.get(wallet, 0)
            if self._expected.is_exact and balance != must:
                self.report.finding(f"wallet {self._population.ids[wallet]} holds {balance}, and must hold {must}")

        address = self._client.address
        await self._client.each(
            (self._dialect.balance(address, self._population.ids[wallet]) for wallet in chosen), take
        )
        self.report.count("balances", len(chosen))
        if len(chosen) == len(wallets):
            must = self._population.funding_minor * len(wallets) - self._expected.changes.get(TREASURY, 0)
            if self._expected.is_exact and total != must:
                self.report.finding(f"all wallets hold {total} together, and must hold {must}")

    async def _conserved(self) -> None:
        """All wallets of the asset, whoever's they are, with its Treasury, sum to zero."""
        population = self._population
        assert population.treasury is not None
        total = seen = 0
        cursor: str | None = None
        treasury_seen = False
        while True:
            mark = f"&cursor={cursor}" if cursor else ""
            page = await self._client.read(f"/v1/wallets?asset={population.asset}&limit={PAGE}{mark}")
            for wallet in page["data"]:
                total += int(wallet["posted"])
                seen += 1
                treasury_seen = treasury_seen or wallet["id"] == population.treasury
                if int(wallet["held"]) < 0 or (int(wallet["posted"]) < 0 and wallet["id"] != population.treasury):
                    self.report.finding(
                        f"wallet {wallet['id']} is below zero: posted {wallet['posted']}, held {wallet['held']}"
                    )
            cursor = page["next"]
            if cursor is None:
                break
            if seen > self._wallets_max:
                self.report.notes.append(
                    f"conservation: not summed, the asset has more than {self._wallets_max} wallets"
                )
                return
        if not treasury_seen:
            total += int((await self._client.read(f"/v1/wallets/{population.treasury}"))["posted"])
        self.report.count("wallets summed", seen)
        if total != 0:
            self.report.finding(
                f"all wallets of {population.asset} with its Treasury sum to {total}, and must sum to zero"
            )

    # ---------------------------------------------------------------------------------------------------- histories

    async def _histories(self) -> None:
        """Sampled wallets: the entries sum to the balance, and each balance follows from the one before."""
        touched = sorted(wallet for wallet, change in self._expected.changes.items() if change)
        if self._population.dialect != "v1":
            touched = [
                wallet for wallet in touched if wallet != TREASURY
            ]  # of which the digital wallet API tells nothing
        chosen = self._rng.sample(touched, min(HISTORIES, len(touched)))
        for actor in chosen:
            wallet = self._population.id_of(actor)
            await (self._history(wallet) if self._population.dialect == "v1" else self._transactions(wallet))
        self.report.count("histories", len(chosen))

    async def _history(self, wallet: str) -> None:
        balance = int((await self._client.read(f"/v1/wallets/{wallet}"))["posted"])
        after = balance
        cursor: str | None = None
        seen = 0
        while True:
            mark = f"&cursor={cursor}" if cursor else ""
            page = await self._client.read(f"/v1/wallets/{wallet}/entries?limit={PAGE}{mark}")
            for entry in page["data"]:
                seen += 1
                if int(entry["balance_after"]) != after:
                    self.report.finding(
                        f"entry {entry['id']} of wallet {wallet} leaves {entry['balance_after']}, and must leave {after}"
                    )
                    return
                after -= int(entry["amount"])
            cursor = page["next"]
            if cursor is None or seen >= ENTRIES_MAX:
                break
        self.report.count("entries", seen)
        if cursor is None and after != 0:
            self.report.finding(f"the entries of wallet {wallet} sum to {balance - after}, and it holds {balance}")

    async def _transactions(self, user: str) -> None:
        """As `_history`, over the digital wallet API, whose transactions have no balances beside them."""
        address = self._client.address
        (answer,) = await self._client.all([self._dialect.balance(address, user)])
        balance = self._dialect.balance_in(content_of(answer, 200, "a balance"))
        total, seen, number = 0, 0, 1
        while True:
            page = await self._client.read(f"/transactions/{user}?limit={PAGE}&page={number}")
            total += sum(map(signed_minor, page["transactions"]))
            seen += len(page["transactions"])
            number += 1
            if seen >= min(page["total"], ENTRIES_MAX) or not page["transactions"]:
                break
        self.report.count("entries", seen)
        if seen < page["total"] <= ENTRIES_MAX:
            self.report.finding(f"user {user} has {page['total']} transactions, and the pages show {seen}")
        elif seen >= page["total"] and total != balance:
            self.report.finding(f"the transactions of user {user} sum to {total}, and its wallet holds {balance}")

    # ------------------------------------------------------------------------------------------------- acknowledged

    async def _readable(self, script: Script, kept: list[Kept]) -> None:
        """Each movement that was kept can be read, and is the one that was asked for."""
        wanted: list[tuple[str, tuple[str | None, str, int], bool]] = []
        for one in kept:
            for move, content in zip(script.moves[one.place], self._movements(script, one), strict=True):
                if content is not None:
                    wanted.append(self._wanted(move, content))
        wanted = self._rng.sample(wanted, min(len(wanted), self._reads_max))
        address = self._client.address

        def take(index: int, answer: Answer) -> None:
            movement, must, is_credit = wanted[index]
            if answer.status != 200:
                self.report.finding(f"transfer {movement} was acknowledged, and reading it is answered {answer.status}")
            elif (found := self._dialect.moved(msgspec.json.decode(answer.body), is_credit=is_credit)) != must:
                self.report.finding(f"transfer {movement} reads {found}, and {must} was acknowledged")

        reads = (self._dialect.movement(address, movement, is_credit=credit) for movement, _, credit in wanted)
        await self._client.each(reads, take)
        self.report.count("transfers read", len(wanted))

    def _movements(self, script: Script, kept: Kept) -> Iterable[dict[str, Any] | None]:
        """The movements in a kept answer, None for a batch's item that was refused."""
        content = msgspec.json.decode(kept.body)
        if script.kinds[kept.place] is not Kind.BATCH:
            return [content]
        assert len(content["results"]) == BATCH_SIZE
        return [item.get("transfer") for item in content["results"]]

    def _wanted(
        self, move: tuple[int, int, int], content: dict[str, Any]
    ) -> tuple[str, tuple[str | None, str, int], bool]:
        source, destination, amount = move
        is_credit = source == TREASURY
        member = (
            "transaction_id" if is_credit and self._dialect.name == DigitalWallet.name else self._dialect.movement_id
        )
        giver = None if is_credit else self._population.id_of(source)
        return str(content[member]), (giver, self._population.id_of(destination), amount), is_credit

    async def _replayed(self, script: Script, kept: list[Kept]) -> None:
        """Sending a sample of the keys again moves nothing, and gives the first answer."""
        keyed = [one for one in kept if one.key is not None]
        chosen = self._rng.sample(keyed, min(self._replays_max, len(keyed)))
        repeated = [with_key(script.requests[one.place], one.key or "") for one in chosen]
        for one, answer in zip(chosen, await self._client.all(repeated), strict=True):
            if answer.header("Idempotency-Replayed") != "true" or answer.body != one.body:
                self.report.finding(f"key {one.key} sent again is answered {answer.status} {answer.body[:200]!r}")
        if chosen:
            self.report.count("keys sent again", len(chosen))
