"""The findings of the doctor about a server, on both sides of each bound."""

from typing import Any

import pytest
from msgspec.structs import replace

from cms_service.core.config import load_settings
from cms_service.core.database import ServerFacts, Unreachable, head_revision
from cms_service.core.security import LEEWAY_SECONDS
from cms_service.schemas import Verdict
from cms_service.services import check_servers
from tests.findings import verdicts_of

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
NEEDED = 26
"""Connections of one replica with the settings below."""
SETTINGS = load_settings(
    {
        "CMS_ENV": "development",
        "CMS_DATABASE_URL": "postgresql://cms@db.internal/cms",
        "CMS_WORKERS": "2",
        "CMS_DATABASE_POOL_SIZE": "5",
        "CMS_DATABASE_FAST_LANE_CONNECTIONS": "4",
    }
)
GOOD = ServerFacts(
    address="db.internal",
    identity="1",
    version="18.1",
    major_version=18,
    encoding="UTF8",
    is_writable=True,
    is_granted=True,
    is_pooled=False,
    is_encrypted=True,
    is_local=False,
    is_heard=True,
    connection_limit=100,
    clock_ahead_seconds=0.0,
    clock_uncertainty_seconds=0.0,
    revision=head_revision(),
)


@pytest.mark.parametrize("away", ["database", "direct_database"])
def test_nothing_else_is_said_of_a_server_when_one_of_both_cannot_be_reached(away: str) -> None:
    nobody = Unreachable("db.internal", "connection refused")
    runtime, direct = (nobody, GOOD) if away == "database" else (GOOD, nobody)

    found = verdicts_of(check_servers(SETTINGS, runtime, direct))

    assert found == {"database": OK, "direct_database": OK} | {away: FAIL}


@pytest.mark.parametrize(
    ("check", "verdict", "facts"),
    [
        ("clock", OK, {"clock_ahead_seconds": 2.0}),
        ("clock", WARN, {"clock_ahead_seconds": 2.1}),
        ("clock", WARN, {"clock_ahead_seconds": -2.1}),
        # The time of the round trip may explain the whole difference.
        ("clock", OK, {"clock_ahead_seconds": 2.5, "clock_uncertainty_seconds": 0.5}),
        ("clock", WARN, {"clock_ahead_seconds": 2.5, "clock_uncertainty_seconds": 0.4}),
        ("clock", WARN, {"clock_ahead_seconds": LEEWAY_SECONDS}),
        ("clock", FAIL, {"clock_ahead_seconds": LEEWAY_SECONDS + 0.1}),
        ("clock", FAIL, {"clock_ahead_seconds": -LEEWAY_SECONDS - 0.1}),
        ("database_version", OK, {"major_version": 15}),
        ("database_version", FAIL, {"major_version": 14}),
        ("database_version", FAIL, {"encoding": "SQL_ASCII"}),
        ("connections", OK, {"connection_limit": 2 * NEEDED}),
        ("connections", WARN, {"connection_limit": 2 * NEEDED - 1}),
        ("connections", WARN, {"connection_limit": NEEDED}),
        ("connections", FAIL, {"connection_limit": NEEDED - 1}),
        ("database_encryption", OK, {"is_encrypted": False, "is_local": True}),
        ("database_encryption", WARN, {"is_encrypted": False}),
        ("migrations", WARN, {"revision": "of_a_later_version"}),
        ("migrations", FAIL, {"revision": None}),
    ],
)
def test_server_is_judged(check: str, verdict: Verdict, facts: dict[str, Any]) -> None:
    server = replace(GOOD, **facts)

    found = verdicts_of(check_servers(SETTINGS, server, server))

    assert found.pop(check) is verdict
    assert set(found.values()) == {OK}
