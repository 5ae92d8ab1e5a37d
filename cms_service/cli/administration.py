"""Preparing a database, and its first people."""

import asyncio
import sys

import rich_click as click

from cms_service.cli.console import EXIT_CONFIGURATION, fail, prepare
from cms_service.core.database import current_revision, direct_url, downgrade, running_database, upgrade
from cms_service.operating import create_administrator, lift_throttle, reset_password


@click.command()
@click.option("--to", "revision", default="head", show_default=True, help="The revision to go up to.")
@click.option("--down-to", help="Go down to this revision instead (base: everything). Data is lost.")
@click.option("--yes", is_flag=True, help="Do not ask before going down.")
def migrate(*, revision: str, down_to: str | None, yes: bool) -> None:
    """Bring the database to a revision; processes that do so at once take turns.

    \b
    Examples:
      cms-service migrate
      cms-service migrate --down-to audit_trail
    """  # noqa: D301 - \b tells click to keep the lines
    settings = prepare()
    with running_database(settings) as running:
        url = direct_url(running)
        if down_to is None:
            upgrade(url, revision)
        else:
            if not yes:
                click.confirm(f"Going down to {down_to} loses data. Continue?", abort=True)
            downgrade(url, down_to)
        click.echo(f"The database is at {current_revision(url) or 'base'}.")


@click.command()
@click.option("--email", help="Instead of CMS_ADMIN_EMAIL.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_admin(*, email: str | None, password_stdin: bool) -> None:
    """Create an administrator, who holds every permission.

    The password comes from standard input, else from CMS_ADMIN_PASSWORD, else it is asked for.

    \b
    Examples:
      cms-service create-admin --email ann@example.org
      pass show cms | cms-service create-admin --password-stdin
    """  # noqa: D301 - \b tells click to keep the lines
    settings = prepare()
    address = email or settings.admin_email
    password = _read_password(settings.admin_password, is_on_stdin=password_stdin)
    with running_database(settings) as running:
        asyncio.run(create_administrator(running, address, password))
    click.echo(f"{address} is an administrator.")


@click.command("reset-password")
@click.argument("address")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def reset_account_password(*, address: str, password_stdin: bool) -> None:
    """Give an account a new password, end its sessions and forget its failed sign-ins.

    The password comes from standard input, else it is asked for.

    \b
    Examples:
      cms-service reset-password ann@example.org
      pass show ann | cms-service reset-password ann@example.org --password-stdin
    """  # noqa: D301 - \b tells click to keep the lines
    settings = prepare()
    password = _read_password(is_on_stdin=password_stdin)
    with running_database(settings) as running:
        done = asyncio.run(reset_password(running, address, password))
    click.echo(f"{address} has a new password. Sessions ended: {done.ended_sessions}.")
    if not done.is_active:
        click.echo("The account is deactivated: it can sign in once an administrator activates it.")


@click.command("lift-throttle")
@click.argument("email")
def lift_account_throttle(email: str) -> None:
    """Forget the failed sign-ins to an account, so that anybody can try again at once.

    Administrators do the same with DELETE /api/v1/users/{id}/throttle; this is for when none of them gets in.

    \b
    Examples:
      cms-service lift-throttle admin@example.org
    """  # noqa: D301 - \b tells click to keep the lines
    with running_database(prepare()) as running:
        asyncio.run(lift_throttle(running, email))
    click.echo(f"The failed sign-ins to {email} are forgotten.")


def _read_password(chosen: str | None = None, *, is_on_stdin: bool) -> str:
    """Return the first line of standard input if it is there, else the chosen password, else ask for one."""
    if is_on_stdin:
        if password := sys.stdin.readline().rstrip("\r\n"):
            return password
        fail("there is no password on standard input", EXIT_CONFIGURATION)
    return chosen or str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
