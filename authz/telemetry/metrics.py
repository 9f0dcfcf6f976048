"""Every metric the service exports, in one place, with its name, labels and meaning.

The hot path cannot afford a lock and a bucket search in Python for each observation, so counters and
histograms here are plain integers in dictionaries and lists, turned into Prometheus families only when somebody
scrapes. That is safe because one event loop both counts and collects; another thread must not count.

Names follow Prometheus: prefix `authz_`, base units, `_total` for counters; the gRPC ones carry the names that
dashboards of the field expect (`grpc_server_…`). Labels are bounded: never a principal, bucket or key.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

LATENCY_BOUNDS: Final = (
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5,
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5,
)  # fmt: skip
"""Upper bounds of every latency histogram, in seconds; decisions live in the first row."""

Labels = tuple[str, ...]


class Counter:
    """A family of counters; a child is a tuple of label values."""

    __slots__ = ("_help", "_labels", "_name", "values")

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        self._name, self._help, self._labels = name, help_text, tuple(labels)
        self.values: dict[Labels, float] = {} if labels else {(): 0.0}

    def inc(self, labels: Labels = ()) -> None:
        """Count one more for the child with these label values."""
        values = self.values
        values[labels] = values.get(labels, 0.0) + 1.0

    def collect(self) -> Metric:
        """Return the family as it stands."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for labels, value in self.values.items():
            family.add_metric(labels, value)
        return family


class HistogramChild:
    """One histogram: counts by bucket (the last is everything above) and the sum of what was observed."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.sum += seconds


class Histogram:
    """A family of latency histograms in seconds; bind children once with `child`."""

    __slots__ = ("_children", "_help", "_labels", "_name")

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        self._name, self._help, self._labels = name, help_text, tuple(labels)
        self._children: dict[Labels, HistogramChild] = {}

    def child(self, *labels: str) -> HistogramChild:
        """Return the histogram with these label values, made on first use."""
        return self._children.setdefault(labels, HistogramChild())

    def collect(self) -> Metric:
        """Return the family as it stands, buckets cumulative as the format wants them."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for labels, child in self._children.items():
            total, buckets = 0, []
            for bound, count in zip((*LATENCY_BOUNDS, float("inf")), child.counts, strict=True):
                total += count
                buckets.append(("+Inf" if bound == float("inf") else repr(bound), total))
            family.add_metric(labels, buckets, child.sum)
        return family


class Gauge:
    """A family of gauges, each read when somebody scrapes."""

    __slots__ = ("_help", "_labels", "_name", "_reads")

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        self._name, self._help, self._labels = name, help_text, tuple(labels)
        self._reads: dict[Labels, Callable[[], float]] = {}

    def read_from(self, read: Callable[[], float], *labels: str) -> None:
        """Let the child with these label values report what `read` returns at scrape time."""
        self._reads[labels] = read

    def collect(self) -> Metric:
        """Return the family as it stands."""
        family = GaugeMetricFamily(self._name, self._help, labels=self._labels)
        for labels, read in self._reads.items():
            family.add_metric(labels, read())
        return family


class Metrics(Collector):
    """All metrics of one running service, and the registry that exposes them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._add_costs()
        self._add_answers()
        self._add_providers()
        self._add_state()
        self._add_records()

    def _add_costs(self) -> None:
        """Define what each request cost."""
        self.check_seconds = Histogram(
            "authz_check_seconds",
            "Time to answer one check, from its bytes to the answer's, by surface.",
            ["surface"],
        )
        self.authenticate_seconds = Histogram(
            "authz_authenticate_seconds",
            "Time to verify one proof of identity, warm or cold, by surface.",
            ["surface"],
        )
        self.authorize_seconds = Histogram(
            "authz_authorize_seconds",
            "Time to map and decide one request over policies in memory, by surface.",
            ["surface"],
        )
        self.rpc_handled = Counter(
            "grpc_server_handled_total",
            "RPCs completed on the server, whatever their status.",
            ["grpc_type", "grpc_service", "grpc_method", "grpc_code"],
        )
        self.rpc_seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time from the start of a handler to its answer or status.",
            ["grpc_type", "grpc_service", "grpc_method"],
        )

    def _add_answers(self) -> None:
        """Define what was answered."""
        self.decisions = Counter(
            "authz_decisions_total",
            "Decisions made, by surface, verdict and the step that gave it.",
            ["surface", "verdict", "reason"],
        )
        self.unevaluable_conditions = Counter(
            "authz_unevaluable_conditions_total",
            "Conditions that could not be evaluated: a value not of their type, or a variable without one.",
        )
        self.authentication_failures = Counter(
            "authz_authentication_failures_total",
            "Proofs of identity refused, by surface and AWS error code.",
            ["surface", "code"],
        )
        self.rejected_requests = Counter(
            "authz_rejected_requests_total",
            "Requests refused before a decision because they are malformed, ambiguous or unsupported.",
            ["surface", "code"],
        )
        self.sessions_issued = Counter(
            "authz_sessions_issued_total", "Sessions issued, by action.", ["action"]
        )
        self.sessions_refused = Counter(
            "authz_sessions_refused_total",
            "Sessions that STS was asked for and did not issue, by action and AWS error code.",
            ["action", "code"],
        )
        self.internal_errors = Counter(
            "authz_internal_errors_total",
            "Faults of this service itself; each is logged.",
            ["surface"],
        )

    def _add_providers(self) -> None:
        """Define what identity providers were asked, and said."""
        self.provider_seconds = Histogram(
            "authz_provider_request_duration_seconds",
            "What identity providers were asked, by provider and outcome: a status class, a login's end, or why"
            " there was no answer.",
            ["provider", "outcome"],
        )
        self.logins = Counter(
            "authz_provider_logins_total",
            "Proofs that providers were to take, by kind and outcome (accepted, unavailable, AWS error code).",
            ["kind", "outcome"],
        )
        self.provider_users_checked = Counter(
            "authz_provider_users_checked_total",
            "Users that providers were asked about on schedule, by provider and outcome (present, absent,"
            " unusable, unanswered).",
            ["provider", "outcome"],
        )
        self.provider_check_failures = Counter(
            "authz_provider_check_failures_total",
            "Rounds of questions about a provider's users that were not answered to the end.",
            ["provider"],
        )
        self.provider_checked = Gauge(
            "authz_provider_checked_time_seconds",
            "When this replica last asked a provider about all its users, since the epoch; of replicas the"
            " newest counts.",
            ["provider"],
        )

    def _add_state(self) -> None:
        """Define what is in memory, and how fresh it is."""
        self.cache_requests = Counter(
            "authz_cache_requests_total",
            "Look-ups in a cache of the data plane, by cache and result (hit, miss, negative).",
            ["cache", "result"],
        )
        self.cache_entries = Gauge(
            "authz_cache_entries", "Entries held by a cache of the data plane.", ["cache"]
        )
        self.policies = Gauge("authz_policies", "Managed policies held compiled in memory.")
        self.resource_policies = Gauge(
            "authz_resource_policies", "Policies of resources held in memory."
        )
        self.quarantined_policies = Gauge(
            "authz_quarantined_policies",
            "Stored policies that do not compile; whoever they are attached to is denied, and whoever asks for"
            " their resource. Those of resources count once they are asked about.",
        )
        self.revision = Gauge("authz_revision", "Revision of the store that decisions are made on.")
        self.snapshot_age = Gauge(
            "authz_snapshot_age_seconds",
            "Time since the state in memory was last confirmed to be the store's newest.",
        )
        self.changes_applied = Counter(
            "authz_changes_applied_total", "Rows of the change log applied to memory."
        )
        self.resyncs = Counter(
            "authz_resyncs_total", "Full reloads because the change log no longer reached back."
        )
        self.watch_restarts = Counter(
            "authz_watch_restarts_total",
            "Times the connection that hears of changes was opened again.",
        )
        self.session_trail_written = Counter(
            "authz_session_trail_written_total", "Sessions written to the trail of those issued."
        )
        self.session_trail_dropped = Counter(
            "authz_session_trail_dropped_total",
            "Sessions missing from the trail because its queue was full or the database away.",
        )
        self.database_errors = Counter(
            "authz_database_errors_total",
            "Database calls that failed for good, by mode: ask (one statement), read, write.",
            ["mode"],
        )

    def _add_records(self) -> None:
        """Define what was recorded, and what runs."""
        self.decision_log_written = Counter(
            "authz_decision_log_written_total", "Records written to the decision log."
        )
        self.decision_log_dropped = Counter(
            "authz_decision_log_dropped_total",
            "Records lost because the decision log's queue was full or its file could not be written.",
        )
        self.build_info = Gauge(
            "authz_build_info",
            "Constant 1, labelled with the running version.",
            ["version", "python"],
        )
        self.start_time = Gauge(
            "process_start_time_seconds", "Start time of the process since the epoch."
        )

    def families(self) -> list[Counter | Histogram | Gauge]:
        """Return every family, in the order of their definition."""
        return [m for m in vars(self).values() if isinstance(m, Counter | Histogram | Gauge)]

    def collect(self) -> Iterable[Metric]:
        """Yield what Prometheus scrapes."""
        for family in self.families():
            yield family.collect()
