"""Accounts, as an administrator sees to them."""

import time
from collections.abc import Iterator
from http import HTTPStatus
from uuid import UUID, uuid4

import httpx
from cms_service_client import AuthenticatedClient
from cms_service_client.api.users import create_user, get_user, list_users, update_user
from cms_service_client.models import User, UserCreate, UserSort, UserUpdate
from cms_service_client.types import UNSET
from sdk_answers import Refused, accepted

ATTEMPTS = 3
PAUSE_SECONDS = 1
UNDECIDED = {"service_unavailable", "overloaded", "request_in_progress"}
"""Refusals that leave open what has happened, as does no answer at all."""


def every_user(client: AuthenticatedClient, *, part: int = 100) -> Iterator[User]:
    """All users, oldest first. The next part is read when it is needed."""
    cursor: str | None = None
    while True:
        answer = list_users.sync(client=client, sort=UserSort.CREATED_AT, limit=part, cursor=cursor or UNSET)
        page = accepted(answer)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def leave(client: AuthenticatedClient, user: User) -> User:
    """The user has no external id any more. A member that is not named stays as it is; None empties."""
    changes = UserUpdate(external_id=None)
    return accepted(update_user.sync(user.id, client=client, body=changes, if_match=f'"{user.version}"'))


def append_to_name(client: AuthenticatedClient, user_id: UUID, suffix: str) -> User:
    """Somebody who changes the same user meanwhile is not overwritten: their change is read, and ours made to it."""
    while True:
        read = get_user.sync_detailed(user_id, client=client)
        changes = UserUpdate(display_name=accepted(read.parsed).display_name + suffix)
        answer = update_user.sync_detailed(user_id, client=client, body=changes, if_match=read.headers["ETag"])
        if answer.status_code is not HTTPStatus.PRECONDITION_FAILED:
            return accepted(answer.parsed)


def create_once(client: AuthenticatedClient, new: UserCreate) -> User:
    """However often the line breaks, or the service is away, there is one user."""
    key = str(uuid4())
    for _ in range(ATTEMPTS - 1):
        try:
            return accepted(create_user.sync(client=client, body=new, idempotency_key=key))
        except httpx.TransportError:
            pass
        except Refused as refusal:
            if refusal.code not in UNDECIDED:
                raise
        time.sleep(PAUSE_SECONDS)
    return accepted(create_user.sync(client=client, body=new, idempotency_key=key))
