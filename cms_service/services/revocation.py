"""Ending tokens (RFC 7009)."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import OAuthRefused, RefreshTokenInvalid, TokenExpired, TokenInvalid
from cms_service.core.security import (
    API_KEY_PREFIX,
    LEEWAY_SECONDS,
    REFRESH_TOKEN_PREFIX,
    Actor,
    ServiceClaims,
    SubjectType,
    UserClaims,
    digest_of_api_key,
)
from cms_service.repositories import ApiKeyRepository, CredentialRepository, RefreshTokenRepository
from cms_service.schemas import LogoutRequest, RevocationRequest
from cms_service.services.access_tokens import AccessTokenReader
from cms_service.services.api_keys import ApiKeyRevocation
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.oauth_clients import ClientService, PresentedClient, presented_client
from cms_service.services.token_issuer import TokenIssuer
from cms_service.services.tokens import TokenService


class RevocationService:
    """Whoever has a token may end it, as with the logout. A client that says who it is ends only its own."""

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        work: UnitOfWork,
        actor: Actor,
        issuer: TokenIssuer,
        reader: AccessTokenReader,
        credentials: CredentialRepository,
        clients: ClientService,
    ) -> None:
        self._work = work
        self._actor = actor
        self._reader = reader
        self._credentials = credentials
        self._clients = clients
        self._tokens = TokenService(work, actor, issuer)
        self._keys = ApiKeyRepository(session=work.session, wrap_exceptions=False)
        self._sessions = RefreshTokenRepository(session=work.session, wrap_exceptions=False)

    async def revoke(self, data: RevocationRequest, basic: PresentedClient | None) -> None:
        """The token counts no more, whether it did before or not.

        Raises:
            OAuthRefused: the client did not prove itself, or the token is not its own.
        """
        client = presented_client(basic, data.client_id, data.client_secret)
        client_id = (await self._clients.authenticate(client)).service_account_id if client else None
        with suppress(RefreshTokenInvalid, TokenExpired, TokenInvalid):
            await self._end(data.token, client_id)

    async def _end(self, token: str, client_id: UUID | None) -> None:
        if token.startswith(API_KEY_PREFIX):
            await self._end_key(token, client_id)
        elif token.startswith(REFRESH_TOKEN_PREFIX):
            _refuse_others(client_id, None)
            await self._tokens.end(LogoutRequest(token))
        else:
            claims = await self._reader.read(token)
            if isinstance(claims, ServiceClaims):
                await self._end_service_token(claims, client_id)
            else:
                await self._end_session(claims, client_id)

    async def _end_key(self, text: str, client_id: UUID | None) -> None:
        try:
            key = await self._credentials.find_key(digest_of_api_key(text))
        except ValueError:
            return
        if key is not None:
            _refuse_others(client_id, key.service_account_id)
            actor = self._machine(key.service_account_id, key.id)
            await ApiKeyRevocation(self._work, actor).revoke_one(key.service_account_id, key.id)

    async def _end_service_token(self, claims: ServiceClaims, client_id: UUID | None) -> None:
        _refuse_others(client_id, claims.service_account_id)
        counts_until = datetime.fromtimestamp(claims.expires_at, UTC) + timedelta(seconds=LEEWAY_SECONDS)
        if await self._keys.revoke_token(claims.jti, counts_until):
            actor = self._machine(claims.service_account_id, claims.api_key_id)
            AuditTrail(self._work, actor).record("token.revoked", "token", claims.jti)

    async def _end_session(self, claims: UserClaims, client_id: UUID | None) -> None:
        _refuse_others(client_id, None)
        if await self._sessions.revoke_one(claims.session_id, claims.user_id, "logout"):
            trail = AuditTrail(self._work, self._actor)
            trail.record("session.ended", "session", claims.session_id, actor_id=claims.user_id)

    def _machine(self, account_id: UUID, key_id: UUID) -> Actor:
        """Whoever has the credential of a machine is the machine."""
        return msgspec.structs.replace(
            self._actor, subject_id=account_id, subject_type=SubjectType.service, credential_id=key_id
        )


def _refuse_others(client_id: UUID | None, owner_id: UUID | None) -> None:
    """`owner_id`: the service account of the token; None where it is a user's."""
    if client_id not in {None, owner_id}:
        raise OAuthRefused("unauthorized_client", "The token was not issued to this client.")
