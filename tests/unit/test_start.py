"""A process does at its start what its first request needs, and no more."""

from pathlib import Path

import pytest

from tests.benchmarks.without import DEVELOPMENT
from tests.programs import imported_by, output_of

NOT_NEEDED = ("alembic", "email_validator", "mako", "markdown_it")

RUN_COMMAND = """
import gc, sys
from cms_service.__main__ import main
sys.argv = ["cms-service", "--version"]
try:
    main()
except SystemExit:
    print(gc.isenabled(), gc.get_freeze_count())
"""
LOAD_APPLICATION = """
import gc
from cms_service.cli.draining import Draining
from cms_service.cli.observing import observing
from cms_service.cli.serving import load_application
from tests.unit.settings import edge_settings
with observing() as seen:
    load_application(edge_settings(), Draining(0), seen)
    print(gc.isenabled(), gc.get_freeze_count())
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules that a worker has imported once its application is made."""
    return imported_by(LOAD_APPLICATION, tmp_path_factory.mktemp("loaded"), *DEVELOPMENT)


def test_garbage_is_collected_again_when_the_commands_are_imported(tmp_path: Path) -> None:
    *_, is_enabled, frozen = output_of(RUN_COMMAND, tmp_path).split()

    assert is_enabled == "True"
    assert int(frozen) > 100_000


def test_garbage_is_collected_again_when_a_worker_has_made_its_application(tmp_path: Path) -> None:
    is_enabled, frozen = output_of(LOAD_APPLICATION, tmp_path).split()

    assert is_enabled == "True"
    assert int(frozen) > 100_000


@pytest.mark.parametrize("package", NOT_NEEDED)
def test_package_is_not_imported_when_the_first_request_does_not_need_it(package: str, loaded: set[str]) -> None:
    assert "cms_service.app" in loaded
    assert package not in loaded
