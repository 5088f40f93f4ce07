"""The goals: what walletd is to reach, beside what it reached, as rows of a table that can stand in a page.

A goal is met or not by the median of the rounds; stalls and the start are judged by their single figure, which is the worst one. A row
without a figure was not measured.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

BEGIN: Final = "<!-- targets -->"
END: Final = "<!-- /targets -->"
NO_FIGURE: Final = "–"

HEAD: Final = ("what", "goal", "reached", "", "echo, the ceiling", "FastAPI + PostgreSQL, the peer")

Figures = dict[str, Any]


class Row(NamedTuple):
    """One goal. `is_met` is None where nothing was measured."""

    what: str
    goal: str
    reached: str
    is_met: bool | None
    ceiling: str = NO_FIGURE
    peer: str = NO_FIGURE

    @property
    def cells(self) -> tuple[str, ...]:
        """As in HEAD."""
        state = {None: "not measured", True: "met", False: "**missed**"}[self.is_met] if self.goal != NO_FIGURE else ""
        return (self.what, self.goal, self.reached, state, self.ceiling, self.peer)


class NoPlace(Exception):
    """A file has no place for the table."""


def rows_of(figures: Figures) -> list[Row]:
    """All goals, from what was measured of them."""
    rates = figures.get("rates", {})
    return [
        *_against("single transfers, digital wallet API", rates.get("single", {})),
        _wide(rates.get("wide", {})),
        *_against("single transfers, `/v1`", rates.get("v1", {}), with_peer=False),
        _open_loop(figures.get("open", {})),
        _skew("all on one hot pair ÷ random pairs", rates, "hot"),
        _skew("all from one Treasury ÷ random pairs", rates, "treasury"),
        _batch(rates.get("batch", {})),
        *_stalls(figures.get("stall")),
        *_start(figures.get("start")),
        _history(figures.get("history")),
    ]


def _against(what: str, services: Figures, *, with_peer: bool = True) -> list[Row]:
    own, echo, peer = services.get("walletd"), services.get("echo"), services.get("postgres")
    rows = [
        _ratio(f"{what}, ÷ the echo", "≥ 0.55", own, echo, 0.55, peer),
    ]
    if with_peer:
        rows.append(_ratio(f"{what}, ÷ the peer", "≥ 35", own, peer, 35.0, peer, echo))
    return rows


def _ratio(
    what: str, goal: str, own: Figures | None, other: Figures | None, least: float, peer: Figures | None, echo: Figures | None = None
) -> Row:  # fmt: skip
    if own is None or other is None or not other["rate"]:
        return Row(what, goal, NO_FIGURE, None)
    ratio, between = other["walletd_is"], other["walletd_is_between"]
    reached = f"{ratio:,.2f} ({between[0]:,.2f}–{between[1]:,.2f}); {_rate(own)}{_behind(own)}"
    return Row(
        what, goal, reached, ratio >= least, _rate(echo or other) if echo or least < 1 else NO_FIGURE, _rate(peer)
    )


def _behind(own: Figures) -> str:
    """How far folding was behind when the measured time ended, in the round where it was furthest."""
    lag = own.get("fold_lag_records")
    return "" if lag is None or not own["rate"] else f", folding {lag / own['rate']:.1f} s behind"


def _wide(services: Figures) -> Row:
    """What more connections give: no goal, but it shows what the rate of the first row hangs on."""
    row = _ratio("the same over 256 connections", NO_FIGURE, services.get("walletd"), services.get("echo"), 0.0, None)
    return Row(row.what, NO_FIGURE, row.reached, None, row.ceiling)


def _open_loop(services: Figures) -> Row:
    what, goal = "latency, open loop at 80 % of the highest rate", "p99 ≤ 10 ms"
    done = services.get("walletd")
    if done is None:
        return Row(what, goal, NO_FIGURE, None)
    reached = (
        f"p99 {done['p99']:,.1f} ms ({min(done['p99s']):,.1f}–{max(done['p99s']):,.1f}); p50 {done['p50']:,.1f}, p99.9 {done['p99.9']:,.1f}, "
        f"max {done['max']:,.1f}; {done['rate']:,.0f}/s of {done['offered_per_s']:,.0f}/s offered, {done['dropped']:,} dropped"
    )
    is_met = done["p99"] <= 10.0 and not done["dropped"]
    return Row(what, goal, reached, is_met, _latency(services.get("echo")), _latency(services.get("postgres")))


def _latency(done: Figures | None) -> str:
    if done is None:
        return NO_FIGURE
    return f"p99 {done['p99']:,.1f} ms, max {done['max']:,.1f}; {_rate(done)} of {done['offered_per_s']:,.0f}/s"


def _skew(what: str, rates: Figures, name: str) -> Row:
    ratio = rates.get(name, {}).get("walletd", {}).get("of_random")
    if ratio is None:
        return Row(what, "≥ 0.95", NO_FIGURE, None)
    between = rates[name]["walletd"]["of_random_between"]
    reached = f"{ratio:,.2f} ({between[0]:,.2f}–{between[1]:,.2f}); {_rate(rates[name]['walletd'])}"
    peer = rates[name].get("postgres", {})
    theirs = f"{peer['of_random']:,.2f}; {_rate(peer)}" if peer.get("of_random") is not None else NO_FIGURE
    return Row(what, "≥ 0.95", reached, ratio >= 0.95, peer=theirs)


def _batch(services: Figures) -> Row:
    what, goal, own = "batches of 1000, transfers a second", "≥ 150,000/s", services.get("walletd")
    if own is None:
        return Row(what, goal, NO_FIGURE, None)
    reached = f"{_rate(own)} ({min(own['rates']):,.0f}–{max(own['rates']):,.0f})"
    return Row(what, goal, reached, own["rate"] >= 150_000, _rate(services.get("echo")))


def _stalls(done: Figures | None) -> list[Row]:
    rows = []
    for what, name in (
        ("longest stall, folding and checkpointing", "before"),
        ("longest stall, keys expiring", "expiring"),
    ):
        stall = None if done is None else done[f"stall_{name}_ms"]
        if done is None or stall is None:
            rows.append(Row(what, "≤ 50 ms", NO_FIGURE, None))
            continue
        own = f"the load test's own longest pause {done['own_pause_ms']:,.0f} ms"
        besides = f"{done['rate']:,.0f}/s" if name == "before" else f"{done['keys_expired']:,} keys at once"
        reached = (
            f"{stall:,.0f} ms without an answer; slowest answer {done[f'max_{name}_ms']:,.0f} ms, p99.9 of all {done.get('p99.9', 0.0):,.0f} ms; "
            f"{besides}; {own}"
        )
        rows.append(Row(f"{what}, {done['wallets']:,} wallets", "≤ 50 ms", reached, stall <= 50.0))
    return rows


def _start(done: Figures | None) -> list[Row]:
    texts: list[tuple[str, str, Callable[[Figures], tuple[str, bool] | None]]] = [
        ("start", "≤ 5 s", lambda one: (f"{one['ready_s']:.1f} s", one["ready_s"] <= 5.0)),
        ("replay", "≥ 200,000 records/s", _replay),
        ("memory of an idle wallet", "≤ 500 bytes", _memory),
    ]
    rows = []
    for what, goal, told in texts:
        found = None if done is None else told(done)
        name = what if done is None else f"{what}, {done['wallets']:,} wallets"
        rows.append(Row(name, goal, NO_FIGURE, None) if found is None else Row(name, goal, *found))
    return rows


def _replay(done: Figures) -> tuple[str, bool] | None:
    logged = [rate for what, rate in done["steps_per_s"].items() if what.startswith("replaying")]
    rate = logged[0] if logged else done["replayed_per_s"]
    if rate is None:
        return None
    source = "by the server's log" if logged else "by the difference of two starts"
    return f"{rate:,.0f}/s of a tail of {done['tail']:,}, {source}", rate >= 200_000


def _memory(done: Figures) -> tuple[str, bool] | None:
    each = done["bytes_per_idle_wallet"]
    return None if each is None else (f"{each:,.0f} bytes, its user included", each <= 500)


def _history(done: Figures | None) -> Row:
    what, goal = "a page of 20 of a long history", "≤ 5 ms"
    if done is None:
        return Row(what, goal, NO_FIGURE, None)
    number, cursor = done["by_number"], done["by_cursor"]
    reached = (
        f"p99 {number['p99']:.1f} ms at any depth (p50 {number['p50']:.1f}, max {number['max']:.1f}, {done['pages']:,} pages); "
        f"by cursor p99 {cursor['p99']:.1f} ms (max {cursor['max']:.1f})"
    )
    return Row(f"{what}, {done['entries']:,} entries", goal, reached, number["p99"] <= 5.0 and cursor["p99"] <= 5.0)


def _rate(service: Figures | None) -> str:
    return NO_FIGURE if service is None else f"{service['rate']:,.0f}/s"


def markdown(rows: list[Row], under: list[str]) -> str:
    """The table, and lines below it."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (HEAD, ("---",) * len(HEAD), *(row.cells for row in rows))]
    return "\n".join([*lines, "", *under])


def check_place(path: Path) -> None:
    """Raises NoPlace for a file without the two marks, and OSError."""
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise NoPlace(f"{path} must have one {BEGIN} and after it one {END}")


def put(path: Path, table: str) -> None:
    """Write the table between the marks of a file. Raises NoPlace, OSError."""
    check_place(path)
    text = path.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    path.write_text(f"{before}\n{table}\n{after}", encoding="utf-8")
