"""A process does at its start what its first request needs, and no more."""

from pathlib import Path

from tests.programs import output_of

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


def test_garbage_is_collected_again_when_the_commands_are_imported(tmp_path: Path) -> None:
    *_, is_enabled, frozen = output_of(RUN_COMMAND, tmp_path).split()

    assert is_enabled == "True"
    assert int(frozen) > 100_000


def test_garbage_is_collected_again_when_a_worker_has_made_its_application(tmp_path: Path) -> None:
    is_enabled, frozen = output_of(LOAD_APPLICATION, tmp_path).split()

    assert is_enabled == "True"
    assert int(frozen) > 100_000
