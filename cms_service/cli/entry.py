"""The command `cms-service` and how its failures are told."""

import rich_click as click

from cms_service.cli.administration import create_admin, lift_account_throttle, migrate, reset_account_password
from cms_service.cli.console import DATABASE_ERRORS, EXIT_CONFIGURATION, EXIT_FAILURE, fail, reason_of
from cms_service.cli.doctor import doctor
from cms_service.cli.documents import openapi, show_settings
from cms_service.cli.keys import keys
from cms_service.cli.machines import service_accounts
from cms_service.cli.serving import serve
from cms_service.core.database import translate_error
from cms_service.core.exceptions import ConfigurationError, Conflict, MigrationRefused, ServiceError


def main() -> None:
    """Run the command that the arguments name; a failure is one line on standard error."""
    try:
        commands(prog_name="cms-service")
    except ConfigurationError as error:
        fail(str(error), EXIT_CONFIGURATION)
    except ServiceError as error:
        fail(error.detail, EXIT_FAILURE)
    except MigrationRefused as error:
        fail(str(error), EXIT_FAILURE)
    except DATABASE_ERRORS as error:
        meaning = translate_error(error)
        if isinstance(meaning, Conflict):
            fail(meaning.detail, EXIT_FAILURE)
        fail(f"the database refuses: {reason_of(error)}", EXIT_FAILURE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cms-service")
def commands() -> None:
    """Accounts and access control for a content platform.

    Settings come from the environment (CMS_…), in development from .env too; `cms-service settings` shows them.

    Exit codes: 0 done, 1 failed, 2 a setting or an argument is wrong.
    """


COMMANDS = (
    serve,
    migrate,
    create_admin,
    reset_account_password,
    lift_account_throttle,
    keys,
    service_accounts,
    doctor,
    openapi,
    show_settings,
)
for command in COMMANDS:
    commands.add_command(command)
