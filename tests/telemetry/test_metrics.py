"""Metrics as Prometheus reads them."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from authz.telemetry.metrics import LATENCY_BOUNDS, Metrics


class Scrape:
    """What one scrape saw."""

    def __init__(self, metrics: Metrics) -> None:
        families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self._samples[name, frozenset(labels.items())]


def test_a_counter_counts_by_its_labels():
    metrics = Metrics()
    for _ in range(3):
        metrics.decisions.inc(("ext_authz", "ALLOWED", "STATEMENT"))
    labels = {"surface": "ext_authz", "verdict": "ALLOWED", "reason": "STATEMENT"}
    assert Scrape(metrics).value("authz_decisions_total", **labels) == 3


def test_a_counter_without_labels_is_there_before_it_counts():
    assert Scrape(Metrics()).value("authz_watch_restarts_total") == 0


@pytest.mark.parametrize(
    ("seconds", "first_bucket"),
    [(0.000_01, "1e-05"), (0.000_011, "2.5e-05"), (0.0009, "0.001"), (2.5, "2.5"), (60, "+Inf")],
)
def test_a_duration_lies_in_the_first_bucket_that_holds_it(seconds: float, first_bucket: str):
    metrics = Metrics()
    metrics.check_seconds.child("ext_authz").observe(seconds)
    scrape = Scrape(metrics)
    bounds = [*map(repr, LATENCY_BOUNDS), "+Inf"]
    for bound in bounds:
        counted = bounds.index(bound) >= bounds.index(first_bucket)
        name = "authz_check_seconds_bucket"
        assert scrape.value(name, surface="ext_authz", le=bound) == counted
    assert scrape.value("authz_check_seconds_sum", surface="ext_authz") == seconds
    assert scrape.value("authz_check_seconds_count", surface="ext_authz") == 1


def test_a_gauge_is_read_when_it_is_scraped():
    metrics, values = Metrics(), [1.0]
    metrics.revision.read_from(lambda: values[0])
    values[0] = 7.0
    assert Scrape(metrics).value("authz_revision") == 7


def test_every_family_is_named_and_explained_and_registered_once():
    families = list(Metrics().collect())
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert all(family.documentation.endswith(".") for family in families)
    assert all(name.startswith(("authz_", "grpc_server_", "process_")) for name in names)
