"""Which database is used: the one that the settings name, or one that is started."""

import errno
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import (
    Unreachable,
    create_engine,
    direct_url,
    inspect_server,
    running_database,
    shown_address,
)
from cms_service.services import check_servers

NAMED = "postgresql+asyncpg://cms@db.internal/cms"


def test_nothing_is_started_when_the_settings_name_a_database(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    settings = load_settings({"CMS_ENV": "development", "CMS_DATABASE_URL": NAMED, "CMS_DATA_DIR": str(directory)})

    with running_database(settings) as running:
        assert running == settings

    assert list(directory.glob("postgres*")) == []


def test_no_database_is_used_before_it_is_known_which() -> None:
    settings = load_settings({"CMS_ENV": "development"})

    with pytest.raises(ValueError, match="URL is not settled yet"):
        create_engine(settings)
    with pytest.raises(ValueError, match="not running yet; use running_database"):
        direct_url(settings)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+asyncpg://cms:secret@h/d", "h:5432/d as cms"),
        ("postgresql+asyncpg://cms:secret@h:1/d?ssl=require", "h:1/d as cms"),
        ("postgresql+asyncpg://h,i:1/d", "h:5432,i:1/d as the default user"),
        ("postgresql+asyncpg://c%40s:se%3Acret@/d?host=[::1],[::2]:1", "[::1]:5432,[::2]:1/d as c@s"),
        ("postgresql+asyncpg://cms@/d?host=/run/postgresql&port=5433", "/run/postgresql:5433/d as cms"),
        ("postgresql+asyncpg:///d", "localhost:5432/d as the default user"),
    ],
)
def test_address_is_shown_without_its_secret(url: str, shown: str) -> None:
    assert shown_address(url) == shown


def test_work_that_needs_a_session_of_its_own_goes_past_the_pooler() -> None:
    direct = "postgresql+asyncpg://cms@direct.internal/cms"
    environ = {"CMS_ENV": "development", "CMS_DATABASE_URL": NAMED}

    assert direct_url(load_settings(environ | {"CMS_DATABASE_DIRECT_URL": direct})) == direct
    assert direct_url(load_settings(environ)) == NAMED


async def test_unreadable_file_of_this_machine_is_not_taken_for_a_fault_of_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The driver looks for keys and certificates in the home of the user."""

    async def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/root/.postgresql/postgresql.key")

    monkeypatch.setattr(asyncpg, "connect", refuse)

    found = await inspect_server(NAMED, 1, lambda: datetime.now(UTC))

    assert isinstance(found, Unreachable)
    assert found.is_local
    assert found.reason == (
        "this user may not read /root/.postgresql/postgresql.key, where the driver looks for keys and certificates"
    )
    settings = load_settings({"CMS_ENV": "development", "CMS_DATABASE_URL": NAMED})
    advice = [finding.advice or "" for finding in check_servers(settings, found, found)]
    assert all("HOME" in text for text in advice)
