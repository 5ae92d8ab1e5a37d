"""Service accounts, as the operator makes them."""

import asyncio

import rich_click as click

from cms_service.cli.console import prepare, print_json
from cms_service.core.database import running_database
from cms_service.operating import create_service_account


@click.group("service-accounts")
def service_accounts() -> None:
    """Make the identities of machines.

    All else about them is done over the API; see docs/guides/service-accounts.md.
    """


@service_accounts.command("create")
@click.argument("name")
@click.option("--role", "roles", multiple=True, help="Assign the role of this name, everywhere. Repeatable.")
@click.option("--description", default="", help="What it is for.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object instead.")
def create(*, name: str, roles: tuple[str, ...], description: str, is_json: bool) -> None:
    """Create a service account with a first API key, which is shown this once.

    \b
    Examples:
      cms-service service-accounts create publishing --role publisher
      cms-service service-accounts create gateway --role token-reader --role member
    """  # noqa: D301 - \b tells click to keep the lines
    with running_database(prepare()) as running:
        machine = asyncio.run(create_service_account(running, name, description, roles))
    if is_json:
        print_json({"client_id": machine.service_account_id, "api_key": machine.key, "expires_at": machine.expires_at})
        return
    click.echo(f"Client id  {machine.service_account_id}")
    click.echo(f"API key    {machine.key}  (shown this once, good until {machine.expires_at:%Y-%m-%d})")
