"""How much an answer tells, and how long a key may last: at each bound, and just beyond."""

from datetime import UTC, datetime, timedelta

import pytest

from cms_service.models import Role
from cms_service.services._lineage import shortened
from cms_service.services.access_policy import _names
from cms_service.services.api_keys import _misplaced
from cms_service.services.inheritance import _shortened

NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)
YEAR = timedelta(days=365)
INSTANT = timedelta(microseconds=1)


def test_way_of_twenty_roles_is_told_and_a_longer_one_without_its_middle() -> None:
    roles = [Role(name=str(number)) for number in range(22)]

    assert shortened(roles[:20]) == roles[:20]
    assert shortened(roles[:21]) == [*roles[:10], *roles[11:21]]
    assert shortened(roles) == [*roles[:10], *roles[12:]]


def test_ten_permissions_are_named_and_more_are_counted() -> None:
    names = [f"articles:{letter}" for letter in "abcdefghijkl"]

    assert _names(names[:10]) == ", ".join(names[:10])
    assert _names(names[:11]) == f"{', '.join(names[:10])} and 1 more"
    assert _names(names[::-1]) == f"{', '.join(names[:10])} and 2 more"


def test_circle_of_twelve_roles_is_named_and_a_longer_one_without_its_middle() -> None:
    names = [str(number) for number in range(13)]

    assert _shortened(names[:12]) == " → ".join(names[:12])
    assert _shortened(names) == " → ".join([*names[:10], "…", "12"])


@pytest.mark.parametrize(
    ("lasts", "is_refused"),
    [
        (timedelta(0), True),
        (INSTANT, False),
        (YEAR, False),
        (YEAR + INSTANT, True),
    ],
)
def test_key_ends_after_now_and_within_a_year(lasts: timedelta, is_refused: bool) -> None:
    assert bool(_misplaced(NOW + lasts, NOW)) == is_refused
