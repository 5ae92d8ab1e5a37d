"""The pages of the reference say what the code says."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from cms_service.api.problems import status_of
from cms_service.cli import commands
from cms_service.core.config import render_settings_reference
from cms_service.core.exceptions import ServiceError

REFERENCE = Path(__file__).parents[2] / "docs/reference"


def refusals(base: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    for refusal in base.__subclasses__():
        yield refusal
        yield from refusals(refusal)


def names(group: click.Group) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from (f"{name} {member}" for member in names(command))
        else:
            yield name


def test_settings_page_is_what_just_settings_writes() -> None:
    assert (REFERENCE / "settings.md").read_text() == render_settings_reference()


def test_problems_page_has_every_code_with_its_status() -> None:
    page = (REFERENCE / "problems.md").read_text()

    documented = re.findall(r"^## (\w+)\n\n\*\*(\d{3})\*\* ·", page, re.MULTILINE)

    assert sorted(documented) == sorted({(refusal.code, str(status_of(refusal))) for refusal in refusals()})


def test_command_line_page_has_every_command() -> None:
    page = (REFERENCE / "cli.md").read_text()

    documented = re.findall(r"^\| `cms-service ([\w -]+)` \|", page, re.MULTILINE)

    assert sorted(documented) == sorted(names(commands))
