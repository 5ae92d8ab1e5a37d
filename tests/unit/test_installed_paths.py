"""The package works wherever it is installed."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

from cms_service.core.database import head_revision

ROOT = Path(__file__).parents[2]


def test_migrations_are_found_below_a_folder_with_a_percent_sign(tmp_path: Path) -> None:
    directory = tmp_path / "100%"
    for part in ("cms_service", "migrations"):
        copytree(ROOT / part, directory / part, ignore=ignore_patterns("__pycache__", "static"))
    program = "from cms_service.core import database; print(database.__file__, database.head_revision())"

    ended = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", program],
        cwd=directory,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )

    file, revision = ended.stdout.split()
    assert Path(file).is_relative_to(directory)
    assert revision == head_revision()
