"""Reading the page of metrics."""

from collections.abc import Iterable

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures import Service

TOKEN = "0d8cf3d1a1f64bb19c6e4bd0a9dbb3c1"


class Scrape:
    """What one answer told."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: list[Metric] = list(text_string_to_metric_families(text))

    @property
    def names(self) -> set[str]:
        """Of the samples, with the endings that queries use."""
        return {sample.name for family in self.families for sample in family.samples}

    def labels(self, name: str) -> set[str]:
        """The names of the labels of a sample."""
        return {label for family in self.families for s in family.samples if s.name == name for label in s.labels}

    def values(self, name: str, **labels: str) -> Iterable[float]:
        for family in self.families:
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    yield sample.value

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples that have these labels."""
        return sum(self.values(name, **labels))


async def scrape(service: Service) -> Scrape:
    """On a connection of its own, so that any worker may answer."""
    async with service.client() as http:
        response = await http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == httpx.codes.OK, response.text
    return Scrape(response.text)
