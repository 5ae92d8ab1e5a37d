"""The statistics that decide whether sign-ins can be told apart."""

import random

import pytest

from tests.enumeration.__main__ import auc, margin_of


@pytest.mark.parametrize(
    ("sample", "baseline", "expected"),
    [
        ([1.0, 2.0], [3.0, 4.0], 0.0),
        ([3.0, 4.0], [1.0, 2.0], 1.0),
        ([1.0, 4.0], [2.0, 3.0], 0.5),
        ([1.0, 1.0], [1.0], 0.5),
        ([1.0, 3.0], [1.0, 2.0], 0.625),
    ],
)
def test_auc_is_the_share_of_pairs_that_the_sample_wins(
    sample: list[float], baseline: list[float], expected: float
) -> None:
    assert auc(sample, baseline) == expected


def test_margin_narrows_with_the_rounds() -> None:
    assert margin_of(2_000) <= 0.05
    assert margin_of(200) == pytest.approx(0.158, abs=0.001)


def test_equal_kinds_stay_within_the_margin_and_others_do_not() -> None:
    generator = random.Random(1)  # noqa: S311 - no secret
    equal, other = [[generator.gauss(25, 2) for _ in range(200)] for _ in range(2)]
    slower = [time + 2 for time in other]

    assert abs(auc(equal, other) - 0.5) <= margin_of(200)
    assert abs(auc(equal, slower) - 0.5) > margin_of(200)
