"""A service account that acts for a user."""

from cms_service_client import AuthenticatedClient
from cms_service_client.api.users import update_me
from cms_service_client.models import OwnUserUpdate, User
from sdk_answers import accepted


def rename(machine: AuthenticatedClient, user_token: str, name: str) -> User:
    """Change the user's own account with the rights of the user. The next call of the client is its own again."""
    changes = OwnUserUpdate(display_name=name)
    return accepted(update_me.sync(client=machine, body=changes, if_match="*", x_on_behalf_of=user_token))
