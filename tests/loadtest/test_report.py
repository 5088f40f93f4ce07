"""The report: one HTML file that holds everything it shows, and asks nothing of any network."""

import re
from html.parser import HTMLParser

from walletd.loadtest import plots, report
from walletd.loadtest.audit import Report
from walletd.loadtest.histogram import Histogram
from walletd.loadtest.runs import Measured, Plan, latency_of
from walletd.loadtest.workloads import Kind

VOID = {"meta", "line", "rect", "polyline"}


def measured() -> Measured:
    histogram = Histogram()
    for value in range(1, 5000):
        histogram.record(value)
    return Measured(
        plan=Plan(workload="random"), rate=1234.5, offered_per_s=1300.0, achieved=4999, dropped=3, unanswered=1, refused={422: 2},
        failures={}, unknown=1, cut=0, replayed=0, latency={"transfer": latency_of(histogram)}, stall_ms=12.0, stall_at_s=1.5,
        own_pause_ms=1.0, by_second=[1200, 1300, 0], worst_ms_by_second=[4.0, 5.0, 0.0], stall_ms_by_second=[0.0, 12.0, 0.0],
        answer_bytes_mean=500.0, client_cores=[0.4], server=None, machine_idle_cores=None, verdict="nothing is <known>",
        histograms={Kind.TRANSFER: histogram}, recorded=[],
    )  # fmt: skip


class Balanced(HTMLParser):
    """Checks that every tag is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def page() -> str:
    audit = Report({"balances": 3}, ["wallet <w1> holds 1"], 1, [])
    return report.page(
        {"at": "2025-01-01T00:00:00Z", "machine": {"cores": 2}}, [(measured(), audit), (measured(), None)]
    )


def test_the_report_refers_to_nothing_outside_itself() -> None:
    text = page()
    assert "://" not in text
    assert not re.search(r"(?:src|href|url\(|@import|<script|<link|<img)", text)
    assert text.count("<svg") == 8


def test_the_report_is_well_formed_and_escapes_what_it_is_given() -> None:
    text = page()
    checker = Balanced()
    checker.feed(text)
    assert checker.open == []
    assert "&lt;w1&gt;" in text
    assert "<w1>" not in text


def test_axes_end_at_round_numbers_around_the_values() -> None:
    axis = plots.linear_axis("x", 870)
    assert (axis.low, axis.high, len(axis.ticks)) == (0, 1000, 6)
    logarithmic = plots.log_axis("y", 0.3, 42)
    assert (logarithmic.low, logarithmic.high) == (0.1, 100)
    assert logarithmic.share(0.1) == 0.0
    assert logarithmic.share(1000) == 1.0


def test_figures_for_the_results_file_have_no_raw_records() -> None:
    figures = measured().figures()
    assert "histograms" not in figures
    assert "recorded" not in figures
    assert figures["latency"]["transfer"]["p50"] > 0
