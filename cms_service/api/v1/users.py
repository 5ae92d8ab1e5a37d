"""Accounts, for those who look after them."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from cms_service.api.conditional import ETAG, LOCATION, IfMatch, tagged
from cms_service.api.creating import KEY_REFUSALS, REPLAYED, Creating
from cms_service.api.dependencies import provided
from cms_service.api.openapi_examples import SHOWN
from cms_service.api.parameters import DEFAULT_LIMIT, After, Before, Cursor, Exactly, IncludeTotal, Limit, Search
from cms_service.api.problems import documented
from cms_service.core.exceptions import (
    EmailTaken,
    EscalationRefused,
    ExternalIdTaken,
    LastAdministrator,
    PasswordTooWeak,
    ReauthenticationRequired,
)
from cms_service.core.security import requires
from cms_service.schemas import ROLE_NAME_PATTERN, Page, UserCreate, UserQuery, UserRead, UserSort, UserUpdate
from cms_service.services import Precondition, UserDirectory, UserService


class UserController(Controller):
    path = "/users"
    tags = ("users",)
    dependencies = provided("users", "creating", "directory")

    @get(
        operation_id="listUsers",
        summary="List users",
        guards=[requires("users:read")],
    )
    async def list_users(
        self,
        users: UserService,
        q: Search = None,
        email: Exactly = None,
        external_id: Exactly = None,
        is_active: Annotated[bool | None, QueryParameter(description="Only accounts that may sign in, or not.")] = None,
        is_deleted: Annotated[bool, QueryParameter(description="Deleted accounts instead of live ones.")] = False,
        role: Annotated[
            str | None,
            QueryParameter(
                min_length=1,
                max_length=64,
                pattern=ROLE_NAME_PATTERN,
                description="Only accounts that have the role of this name now.",
            ),
        ] = None,
        created_after: After = None,
        created_before: Before = None,
        sort: Annotated[UserSort, QueryParameter(description="Order of the list.")] = UserSort.created_at,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[UserRead]:
        """Accounts that pass every filter given. `q` looks in addresses and display names."""
        return await users.list_users(
            UserQuery(
                q=q,
                email=email,
                external_id=external_id,
                is_active=is_active,
                is_deleted=is_deleted,
                role=role,
                created_after=created_after,
                created_before=created_before,
                sort=sort,
                limit=limit,
                cursor=cursor,
                include_total=include_total,
            )
        )

    @post(
        operation_id="createUser",
        summary="Create a user",
        guards=[requires("users:create")],
        responses=documented(PasswordTooWeak, EmailTaken, ExternalIdTaken, *KEY_REFUSALS),
        response_headers=[ETAG, LOCATION, REPLAYED],
    )
    async def create_user(
        self, creating: Creating, users: UserService, data: JSONBody[UserCreate]
    ) -> Response[UserRead]:
        """Creates an account without roles."""
        return await creating.once(lambda: users.create_user(data), location="/api/v1/users/{id}")

    @get(
        "/{user_id:uuid}",
        operation_id="getUser",
        summary="Get a user",
        guards=[requires("users:read")],
        response_headers=[ETAG],
    )
    async def get_user(self, directory: UserDirectory, user_id: FromPath[UUID]) -> Response[UserRead]:
        """One account."""
        return tagged(await directory.get_user(user_id))

    @patch(
        "/{user_id:uuid}",
        operation_id="updateUser",
        summary="Change a user",
        guards=[requires("users:update")],
        responses=documented(
            EscalationRefused,
            EmailTaken,
            ExternalIdTaken,
            LastAdministrator,
            ReauthenticationRequired,
        ),
        response_headers=[ETAG],
    )
    async def update_user(
        self, users: UserService, user_id: FromPath[UUID], data: JSONBody[UserUpdate], if_match: IfMatch
    ) -> Response[UserRead]:
        """Changes an account that can do no more than you. Deactivating it ends its sessions at once.

        Another e-mail address needs that you have entered your password recently.
        """
        return tagged(await users.update_user(user_id, data, Precondition(if_match)))

    @delete(
        "/{user_id:uuid}",
        operation_id="deleteUser",
        summary="Delete a user",
        guards=[requires("users:delete")],
        responses=documented(EscalationRefused, LastAdministrator),
    )
    async def delete_user(self, users: UserService, user_id: FromPath[UUID], if_match: IfMatch) -> None:
        """Deletes an account that can do no more than you: its sessions end at once and its address is free.

        It can be restored.
        """
        await users.delete_user(user_id, Precondition(if_match))

    @post(
        "/{user_id:uuid}/restore",
        operation_id="restoreUser",
        summary="Restore a deleted user",
        status_code=200,
        guards=[requires("users:restore")],
        responses=documented(EscalationRefused, EmailTaken, ExternalIdTaken),
        response_headers=[ETAG],
    )
    async def restore_user(self, users: UserService, user_id: FromPath[UUID]) -> Response[UserRead]:
        """Brings a deleted account back with its roles and its password. One that is not deleted stays as it is."""
        return tagged(await users.restore_user(user_id))

    @post(
        "/{user_id:uuid}/activate",
        operation_id="activateUser",
        summary="Activate a user",
        status_code=200,
        guards=[requires("users:update")],
        responses=documented(EscalationRefused),
        response_headers=[ETAG],
    )
    async def activate_user(self, users: UserService, user_id: FromPath[UUID]) -> Response[UserRead]:
        """Lets an account sign in."""
        return tagged(await users.activate_user(user_id))

    @post(
        "/{user_id:uuid}/deactivate",
        operation_id="deactivateUser",
        summary="Deactivate a user",
        status_code=200,
        guards=[requires("users:update")],
        opt={SHOWN: {200: {"is_active": False}}},
        responses=documented(EscalationRefused, LastAdministrator),
        response_headers=[ETAG],
    )
    async def deactivate_user(self, users: UserService, user_id: FromPath[UUID]) -> Response[UserRead]:
        """Keeps an account from signing in and ends its sessions at once."""
        return tagged(await users.deactivate_user(user_id))
