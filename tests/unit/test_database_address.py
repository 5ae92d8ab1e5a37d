"""Which database is used: the one that the settings name, or one that is started."""

from pathlib import Path

import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import create_engine, direct_url, running_database

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


def test_work_that_needs_a_session_of_its_own_goes_past_the_pooler() -> None:
    direct = "postgresql+asyncpg://cms@direct.internal/cms"
    environ = {"CMS_ENV": "development", "CMS_DATABASE_URL": NAMED}

    assert direct_url(load_settings(environ | {"CMS_DATABASE_DIRECT_URL": direct})) == direct
    assert direct_url(load_settings(environ)) == NAMED
