"""Metrics in Prometheus form. The hot path keeps plain counts (`tally.py`, the engine's stats); a collector of the server's own registry reads them at a scrape."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..engine.engine import Engine
from .routes import Routes
from .tally import FLUSH_BOUNDS_S, GROUP_BOUNDS, Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics(Collector):
    """Everything that is measured. No label holds an id, so their number is bounded by the routes and the codes."""

    def __init__(self, engine: Engine, routes: Routes, version: str) -> None:
        self._engine = engine
        self._routes = routes
        self._version = version
        self.flush_seconds = Histogram(FLUSH_BOUNDS_S)
        self.group_records = Histogram(GROUP_BOUNDS)
        self.in_flight = 0
        self.streams = 0
        self.unrouted: dict[str, int] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        engine.stats.flush_observer = self.flush_seconds.observe
        engine.stats.group_observer = self.group_records.observe

    def rendered(self) -> bytes:
        """The text of a scrape."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Every metric as it stands."""
        yield from self._requests()
        yield from self._journal()
        yield from self._ledger()

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("walletd_operations", "Requests answered.", labels=("operation", "outcome"))
        durations = HistogramMetricFamily(
            "walletd_operation_duration_seconds", "Time from request to answer.", labels=("operation",)
        )
        for endpoint in self._routes.endpoints:
            for outcome, count in endpoint.tally.outcomes.items():
                requests.add_metric((endpoint.operation, outcome), count)
            times = endpoint.tally.durations
            if endpoint.tally.outcomes:
                durations.add_metric((endpoint.operation,), times.cumulative(), times.total)
        for outcome, count in self.unrouted.items():
            requests.add_metric(("none", outcome), count)
        yield requests
        yield durations
        yield GaugeMetricFamily("walletd_http_in_flight", "Requests being answered.", self.in_flight)
        yield GaugeMetricFamily("walletd_event_streams", "Event streams open.", self.streams)

    def _journal(self) -> Iterator[Metric]:
        stats, sequence = self._engine.stats, self._engine.ledger.seq
        flushes = HistogramMetricFamily("walletd_journal_flush_seconds", "Time of a journal flush, fsync included.")
        flushes.add_metric((), self.flush_seconds.cumulative(), self.flush_seconds.total)
        yield flushes
        groups = HistogramMetricFamily("walletd_journal_group_records", "Records of a journal flush.")
        groups.add_metric((), self.group_records.cumulative(), self.group_records.total)
        yield groups
        yield CounterMetricFamily("walletd_journal_flushed_records", "Records flushed.", stats.flushed_records)
        yield GaugeMetricFamily("walletd_journal_sequence", "Number of the last durable record.", sequence)
        lag = max(0, sequence - self._engine.folded_seq)
        yield GaugeMetricFamily("walletd_fold_lag_records", "Durable records not yet in the image.", lag)

    def _ledger(self) -> Iterator[Metric]:
        engine, ledger = self._engine, self._engine.ledger
        yield GaugeMetricFamily("walletd_in_flight", "Operations appended and not yet durable.", engine.in_flight)
        yield GaugeMetricFamily("walletd_waiting", "Operations that wait for undecided money.", engine.waiting)
        yield GaugeMetricFamily("walletd_mailbox_depth_peak", "The deepest mailbox so far.", engine.mailbox_depth_peak)
        yield CounterMetricFamily(
            "walletd_invariant_violations",
            "Invariants found broken; above zero, stop and verify.",
            engine.stats.invariant_violations,
        )
        yield GaugeMetricFamily("walletd_users", "Users.", ledger.user_count)
        yield GaugeMetricFamily("walletd_wallets", "Wallets, Treasuries included.", ledger.wallet_count)
        state = GaugeMetricFamily("walletd_state", "1 for the state that the engine is in.", labels=("state",))
        state.add_metric((str(engine.state),), 1)
        yield state
        build = GaugeMetricFamily("walletd_build_info", "The running version.", labels=("version",))
        build.add_metric((self._version,), 1)
        yield build
