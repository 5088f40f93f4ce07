"""The audit finds what does not fit, against a service that lies in one place at a time, and finds nothing where nothing is wrong."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from walletd.loadtest.audit import Audit, Expected, Report
from walletd.loadtest.client import Client
from walletd.loadtest.dialects import V1, DigitalWallet
from walletd.loadtest.population import Population
from walletd.loadtest.recording import Kept, Recorded, Recorder
from walletd.loadtest.requests import Address
from walletd.loadtest.workloads import WORKLOADS, Script, script_of

from .scripted import Reply, Scripted, json_answer

FUNDING = 1000
POPULATION = Population("v1", "USD", ("w0", "w1", "w2"), "treasury", FUNDING)


class Ledger:
    """What an honest service would hold after a script was done once. Tests change it to plant a lie."""

    def __init__(self, script: Script) -> None:
        self.balances = {"treasury": -3 * FUNDING, "w0": FUNDING, "w1": FUNDING, "w2": FUNDING}
        self.entries: dict[str, list[dict[str, Any]]] = {name: [] for name in self.balances}
        self.transfers: dict[str, dict[str, Any]] = {}
        self.replays: dict[str, bytes] = {}
        for wallet in POPULATION.ids:
            self._enter(wallet, FUNDING, FUNDING)
        for place, ((source, destination, amount),) in enumerate(script.moves):
            names = POPULATION.id_of(source), POPULATION.id_of(destination)
            for name, change in zip(names, (-amount, amount), strict=True):
                self.balances[name] += change
                self._enter(name, change, self.balances[name])
            self.transfers[f"tfr_{place}"] = {"source": names[0], "destination": names[1], "amount": str(amount)}

    def _enter(self, wallet: str, amount: int, after: int) -> None:
        entry = {"id": f"{wallet}-{len(self.entries[wallet])}", "amount": str(amount), "balance_after": str(after)}
        self.entries[wallet].insert(0, entry)

    def wallet(self, name: str) -> dict[str, Any]:
        return {"id": name, "posted": str(self.balances[name]), "held": "0"}

    async def __call__(self, method: str, path: str, body: bytes) -> Reply:
        path, _, query = path.partition("?")
        parts = path.split("/")[2:]
        if parts[0] == "transfers":
            found = self.transfers.get(parts[1])
            return json_answer(404, {}) if found is None else json_answer(200, found)
        if parts == ["wallets"]:
            return self._page([self.wallet(name) for name in self.balances], query, 2)
        if len(parts) == 2:
            return json_answer(200, self.wallet(parts[1]))
        return self._page(self.entries[parts[1]], query, 100)

    def _page(self, rows: list[dict[str, Any]], query: str, size: int) -> bytes:
        start = int(query.partition("cursor=")[2] or 0)
        more = str(start + size) if start + size < len(rows) else None
        return json_answer(200, {"data": rows[start : start + size], "next": more})


def played(count: int = 30) -> tuple[Script, Recorded]:
    """A script, and a record that says that each of its transfers was acknowledged once."""
    script = script_of(
        WORKLOADS["random"], POPULATION, V1(), Address("127.0.0.1", 1), seed=1, read_share=0.0, length=count
    )
    recorded = Recorder(script, 0, 1, 10, dialect_has_items=False).finish(0)
    recorded.acknowledged = dict.fromkeys(range(count), 1)
    recorded.kept = [Kept(place, msgspec.json.encode({"id": f"tfr_{place}"}), None) for place in range(count)]
    return script, recorded


async def audited(lie: Callable[[Ledger], None] | None = None, unknown: int = 0) -> Report:
    script, recorded = played()
    recorded.unknown = unknown
    ledger = Ledger(script)
    if lie is not None:
        lie(ledger)
    expected = Expected()
    expected.count([script], [recorded])
    async with Scripted(ledger) as server:
        audit = Audit(Client(server.address, 4), POPULATION, expected, wallets_max=100, reads_max=100, seed=1)
        return await audit.check([script], [recorded])


async def test_an_honest_ledger_has_no_findings() -> None:
    report = await audited()
    assert report.findings == []
    assert report.checked == {"balances": 3, "wallets summed": 4, "histories": 3, "entries": 63, "transfers read": 30}


def money_from_nothing(ledger: Ledger) -> None:
    ledger.balances["w1"] += 1


def money_to_the_wrong_wallet(ledger: Ledger) -> None:
    ledger.balances["w1"] += 1
    ledger.balances["w2"] -= 1


def a_lost_transfer(ledger: Ledger) -> None:
    del ledger.transfers["tfr_7"]


def a_changed_transfer(ledger: Ledger) -> None:
    ledger.transfers["tfr_7"]["amount"] = "7777"


def a_lost_entry(ledger: Ledger) -> None:
    del ledger.entries["w0"][3]


def a_lost_first_entry(ledger: Ledger) -> None:
    del ledger.entries["w0"][-1]


def a_treasury_that_is_off(ledger: Ledger) -> None:
    ledger.balances["treasury"] += 5


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        (money_from_nothing, "wallet w1 holds"),
        (money_to_the_wrong_wallet, "wallet w2 holds"),
        (a_lost_transfer, "transfer tfr_7 was acknowledged, and reading it is answered 404"),
        (a_changed_transfer, "transfer tfr_7 reads"),
        (a_lost_entry, "of wallet w0 leaves"),
        (a_lost_first_entry, "entries of wallet w0 sum to"),
        (a_treasury_that_is_off, "sum to 5, and must sum to zero"),
    ],
)
async def test_a_lie_is_found(lie: Callable[[Ledger], None], told: str) -> None:
    report = await audited(lie)
    assert not report.is_clean
    assert any(told in finding for finding in report.findings), report.findings


async def test_unknown_outcomes_are_said_and_do_not_hide_that_money_appeared() -> None:
    report = await audited(money_from_nothing, unknown=1)
    assert report.notes
    assert any("sum to 1, and must sum to zero" in finding for finding in report.findings)


@pytest.mark.parametrize("missing", [0, 1])
async def test_over_the_digital_wallet_api_the_transactions_must_sum_to_the_balance(missing: int) -> None:
    population = Population(DigitalWallet.name, "USD", ("1", "2"), None, 0)
    history = [{"transaction_type": "CREDIT", "amount": 2.5}, {"transaction_type": "TRANSFER_OUT", "amount": 1.25}] * 60

    async def service(method: str, path: str, body: bytes) -> Reply:
        if path.endswith("/balance"):
            return json_answer(200, {"balance": 75.0 if "/1/" in path else -75.0})
        start = (int(path.partition("page=")[2]) - 1) * 100
        other = [{"transaction_type": "DEBIT", "amount": 75.0}]
        rows = history[missing:] if "/1?" in path else other
        return json_answer(200, {"transactions": rows[start : start + 100], "total": len(rows)})

    expected = Expected()
    expected.move([(1, 0, 7500)])
    async with Scripted(service) as server:
        audit = Audit(Client(server.address, 2), population, expected, wallets_max=10, reads_max=10, seed=1)
        report = await audit.check([], [])
    assert report.checked["histories"] == 2
    assert [finding.startswith("the transactions of user 1 sum to") for finding in report.findings] == [True] * missing
