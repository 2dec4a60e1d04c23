"""Reading what Prometheus reads."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

HISTOGRAM = "vurksha_request_seconds"


def buckets(text: str) -> Mapping[float, float]:
    """Requests by the seconds within which they were answered, over all plugins and routes."""
    found: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        if family.name == HISTOGRAM:
            for sample in family.samples:
                if sample.name == f"{HISTOGRAM}_bucket":
                    bound = float(sample.labels["le"])
                    found[bound] = found.get(bound, 0.0) + sample.value
    return found
