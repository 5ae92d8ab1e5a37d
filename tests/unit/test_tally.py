"""A tally tells of durations as the histogram of the library does."""

from itertools import pairwise

from cms_service.core.observability.metrics import SECONDS, Metrics

BETWEEN = [(low + high) / 2 for low, high in pairwise(SECONDS)]
DURATIONS = [0.0, *SECONDS, *BETWEEN, 3.0, 1e9]
"""On each bound, between each two, and outside."""


async def test_tally_counts_what_observing_counts() -> None:
    pages = []
    for is_tallied in (False, True):
        metrics = Metrics()
        histogram = metrics.durations("answers", "How long answers take.")
        observe = metrics.tallied(histogram) if is_tallied else histogram.observe
        for number, seconds in enumerate(DURATIONS):
            for _ in range(number + 1):
                observe(seconds)
            if number == len(SECONDS):
                await metrics.page("")  # Added up more than once.
        pages.append(await metrics.page(""))

    by_observing, by_tally = [
        [line for line in page.content.decode().splitlines() if line.startswith("answers") and "_created" not in line]
        for page in pages
    ]
    assert f"answers_count {sum(range(len(DURATIONS) + 1))}.0" in by_observing
    assert by_tally == by_observing
