"""Service accounts and their keys as the API shows them, member by member."""

from cms_service.models import ApiKey, ServiceAccount
from cms_service.schemas import ApiKeyRead, ServiceAccountRead
from cms_service.services._reading import refer_to_role


def read_service_account(account: ServiceAccount) -> ServiceAccountRead:
    return ServiceAccountRead(
        id=account.id,
        name=account.name,
        description=account.description,
        is_active=account.is_active,
        created_at=account.created_at,
        updated_at=account.updated_at,
        version=account.version,
        roles=[refer_to_role(role) for role in sorted(account.roles, key=lambda role: role.name)],
    )


def read_api_key(key: ApiKey) -> ApiKeyRead:
    return ApiKeyRead(
        id=key.id,
        name=key.name,
        permissions=key.permissions,
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )
