from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_service.core.security import Grant, exceeding, implies, implying, narrowed

NAMES = st.sampled_from(["articles:publish", "articles:read", "articles:*", "media:read", "media:*", "*:*"])
SCOPES = st.sampled_from([None, "site:blog", "site:shop"])
ENDS = st.sampled_from([None, datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)])
GRANTS = st.builds(Grant, NAMES, SCOPES, ENDS)


def covers(held: Grant, asked: Grant) -> bool:
    """What the rules say of two grants, word by word."""
    (resource, action), (asked_resource, asked_action) = held.permission.split(":"), asked.permission.split(":")
    return (
        resource in {asked_resource, "*"}
        and action in {asked_action, "*"}
        and (held.scope is None or held.scope == asked.scope)
        and (held.until is None or (asked.until is not None and asked.until <= held.until))
    )


@pytest.mark.parametrize(
    ("held", "permission", "expected"),
    [
        ({"articles:publish"}, "articles:publish", True),
        ({"articles:*"}, "articles:publish", True),
        ({"articles:*"}, "articles:*", True),
        ({"*:*"}, "articles:publish", True),
        ({"*:*"}, "articles:*", True),
        (set(), "articles:publish", False),
        ({"articles:read"}, "articles:publish", False),
        ({"articles:publish"}, "articles:*", False),
        ({"media:*"}, "articles:publish", False),
        ({"articles:*"}, "*:*", False),
        ({"article:*"}, "articles:publish", False),
        ({"articles:pub"}, "articles:publish", False),
        ({"articles:PUBLISH"}, "articles:publish", False),
        ({"*"}, "articles:publish", False),
        ({"*:publish"}, "articles:publish", False),
        ({""}, "", True),
    ],
)
def test_permission_is_implied_by_itself_and_by_wildcards_only(held: set[str], permission: str, expected: bool) -> None:
    assert implies(held, permission) is expected


@given(granted=st.lists(GRANTS), held=st.lists(GRANTS))
def test_exceeding_is_what_no_held_grant_covers(granted: list[Grant], held: list[Grant]) -> None:
    uncovered = {grant for grant in granted if not any(covers(other, grant) for other in held)}

    found = exceeding(granted, held)

    assert set(found) == uncovered
    assert found == sorted(found, key=lambda grant: (grant.permission, grant.scope or "", str(grant.until or "never")))
    assert len(found) == len(uncovered)


@given(grants=st.lists(GRANTS))
def test_nothing_exceeds_when_the_same_is_held(grants: list[Grant]) -> None:
    assert exceeding(grants, grants) == []


@given(held=st.frozensets(NAMES), to=st.frozensets(NAMES), asked=NAMES)
def test_narrowed_credential_allows_what_both_do(held: frozenset[str], to: frozenset[str], asked: str) -> None:
    assert implies(narrowed(held, to), asked) == (implies(held, asked) and implies(to, asked))
    assert narrowed(held, None) == held


@given(held=st.sets(NAMES), asked=NAMES)
def test_permission_is_held_by_whoever_holds_one_that_implies_it(held: set[str], asked: str) -> None:
    assert implies(held, asked) == bool(held & set(implying(asked)))
