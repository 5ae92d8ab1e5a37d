"""Telling others whether a token counts, and whose it is (RFC 7662)."""

from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound, RefreshTokenInvalid, TokenExpired, TokenInvalid
from cms_service.core.security import (
    API_KEY_PREFIX,
    FIRST_PARTY_CLIENT_ID,
    REFRESH_TOKEN_PREFIX,
    ServiceClaims,
    digest_of_api_key,
    proof_of,
)
from cms_service.repositories import CredentialRepository, RefreshTokenRepository
from cms_service.schemas import IntrospectionRequest, IntrospectionResponse
from cms_service.services.access_tokens import AccessTokenReader
from cms_service.services.authentication import Authenticator
from cms_service.services.directory import UserDirectory
from cms_service.services.token_issuer import TokenIssuer

BEARER = "Bearer"
INACTIVE = IntrospectionResponse(active=False)
"""Nothing tells why: a token that is not ours, or that ended a moment ago."""


class Introspector:
    """What looks at bearer tokens; one for the whole process."""

    def __init__(
        self,
        authenticator: Authenticator,
        reader: AccessTokenReader,
        credentials: CredentialRepository,
        directory: UserDirectory,
        issuer: TokenIssuer,
    ) -> None:
        self.issuer = issuer
        self._authenticator = authenticator
        self._reader = reader
        self._credentials = credentials
        self._directory = directory

    async def describe_bearer(self, token: str) -> IntrospectionResponse:
        """What an access token or an API key says.

        Raises:
            TokenInvalid, TokenExpired, NotFound: it does not count, or its account is gone by now.
        """
        principal = await self._authenticator.authenticate(token)
        if token.startswith(API_KEY_PREFIX):
            return await self._describe_key(token)
        claims = await self._reader.read(token)
        is_service = isinstance(claims, ServiceClaims)
        username: str | UnsetType = UNSET
        if not is_service:
            username = (await self._directory.get_user(principal.subject_id)).email
        issuer = self.issuer.access_tokens.issuer
        return IntrospectionResponse(
            active=True,
            sub=principal.subject_id,
            client_id=str(principal.subject_id) if is_service else FIRST_PARTY_CLIENT_ID,
            username=username,
            token_type=BEARER,
            exp=claims.expires_at,
            iat=claims.issued_at,
            iss=issuer,
            aud=issuer,
            jti=claims.token_id,
        )

    async def _describe_key(self, text: str) -> IntrospectionResponse:
        key = await self._credentials.find_key(digest_of_api_key(text))
        if key is None:
            raise TokenInvalid
        issuer = self.issuer.access_tokens.issuer
        return IntrospectionResponse(
            active=True,
            sub=key.service_account_id,
            client_id=str(key.service_account_id),
            token_type=BEARER,
            exp=_epoch(key.expires_at),
            iat=_epoch(key.created_at),
            iss=issuer,
            aud=issuer,
            jti=str(key.id),
        )


class IntrospectionService:
    """Answers for every kind of token that this service gives out."""

    def __init__(self, work: UnitOfWork, introspector: Introspector) -> None:
        self._introspector = introspector
        self._sessions = RefreshTokenRepository(session=work.session, wrap_exceptions=False)

    async def introspect(self, data: IntrospectionRequest) -> IntrospectionResponse:
        """What the token says, if it counts at this moment."""
        try:
            if data.token.startswith(REFRESH_TOKEN_PREFIX):
                return await self._describe_refresh_token(data.token)
            return await self._introspector.describe_bearer(data.token)
        except (RefreshTokenInvalid, TokenInvalid, TokenExpired, NotFound):
            return INACTIVE

    async def _describe_refresh_token(self, text: str) -> IntrospectionResponse:
        issuer = self._introspector.issuer
        token = issuer.refresh_tokens.decode(text)
        presented = await self._sessions.find_presented(token.session_id)
        if presented is None or not presented.is_live:
            return INACTIVE
        session = presented.session
        if token.counter != session.counter or token.proof != proof_of(session.secret, token.counter):
            return INACTIVE
        rotated_at = session.now - timedelta(seconds=presented.seconds_since_rotation)
        idle_until = rotated_at + timedelta(seconds=issuer.settings.refresh_idle_seconds)
        return IntrospectionResponse(
            active=True,
            sub=session.user_id,
            client_id=FIRST_PARTY_CLIENT_ID,
            exp=_epoch(min(idle_until, session.expires_at)),
            iat=_epoch(rotated_at),
            iss=issuer.access_tokens.issuer,
        )


def _epoch(instant: datetime) -> int:
    return int(instant.timestamp())
