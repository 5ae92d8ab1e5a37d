"""What the code says about itself: its API and its settings."""

import json
import secrets
from pathlib import Path

import rich_click as click

from cms_service.app import create_app
from cms_service.cli.console import EXIT_FAILURE, fail
from cms_service.core.config import (
    load_settings,
    read_environment,
    render_env_example,
    render_settings,
    render_settings_as_json,
    render_settings_reference,
)


@click.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file, instead of standard output.")
@click.option("--check", is_flag=True, help="Write nothing; fail when the file (openapi.json) is not up to date.")
def openapi(*, output: Path | None, check: bool) -> None:
    """Write the OpenAPI document.

    \b
    Examples:
      cms-service openapi --output openapi.json
      cms-service openapi --check
    """  # noqa: D301 - \b tells click to keep the lines
    document = _openapi_document()
    if check:
        path = output or Path("openapi.json")
        if not path.is_file() or path.read_text(encoding="utf-8") != document:
            fail(f"{path} is not what the code says; run `cms-service openapi --output {path}`.", EXIT_FAILURE)
    elif output is not None:
        output.write_text(document, encoding="utf-8")
    else:
        click.echo(document, nl=False)


@click.command("settings")
@click.option("--env-example", "form", flag_value="env", help="Print the text of .env.example.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the page of the documentation.")
@click.option("--json", "form", flag_value="json", help="Print the settings in force as one JSON object.")
def show_settings(form: str | None) -> None:
    """Print the settings in force, secrets hidden; or describe all that there are."""
    match form:
        case "env":
            click.echo(render_env_example(), nl=False)
        case "markdown":
            click.echo(render_settings_reference(), nl=False)
        case "json":
            click.echo(render_settings_as_json(load_settings(read_environment())), nl=False)
        case _:
            click.echo(render_settings(load_settings(read_environment())), nl=False)


def _openapi_document() -> str:
    """The same on every machine: nothing of the environment is in it."""
    environ = {
        "CMS_ENV": "development",
        "CMS_SECRET_KEY": secrets.token_hex(32),
        "CMS_DATABASE_URL": "postgresql://localhost/unused",
    }
    document = create_app(load_settings(environ)).litestar.openapi_schema.to_schema()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
