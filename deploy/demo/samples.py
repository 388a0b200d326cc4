"""Reads the samples of a /metrics page."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(url: str) -> Samples:
    """All samples of a /metrics page."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def total(samples: Samples, name: str, labels: dict[str, str]) -> float:
    """The sum of a metric's series with these labels."""
    return sum(
        value
        for (metric, having), value in samples.items()
        if metric == name and labels.items() <= dict(having).items()
    )
