"""From a credential to its principal."""

from typing import Protocol

from cms_service.core.exceptions import PermissionDenied, TokenExpired, TokenInvalid
from cms_service.core.security import (
    API_KEY_PREFIX,
    Principal,
    ServiceClaims,
    SubjectType,
    UserClaims,
    digest_of_api_key,
    narrowed,
)
from cms_service.repositories import LiveApiKey
from cms_service.services.access_reader import AccessReader
from cms_service.services.access_tokens import AccessTokenReader
from cms_service.services.key_usage import KeyUsage
from cms_service.services.recognition import Caller, RecognisedCallers


class Authenticator(Protocol):
    """Whatever can tell who a credential belongs to."""

    async def authenticate(self, credential: str) -> Principal:
        """The caller behind an access token or an API key, as it is at this moment.

        Raises:
            TokenExpired: its time is over.
            TokenInvalid: it is not ours, or its session, key or account no longer counts.
        """

    async def authenticate_on_behalf(self, caller: Principal, user_token: str) -> Principal:
        """The user of the access token, for whom the caller acts.

        Raises:
            PermissionDenied: the caller is no service account.
            TokenExpired: the time of the user's access token is over.
            TokenInvalid: it is none of a user, or its session or account no longer counts.
        """


class CredentialAuthenticator:
    """Look up on every request whether the credential counts and what its owner may do. See `Authenticator`."""

    def __init__(
        self,
        access_tokens: AccessTokenReader,
        reader: AccessReader,
        key_usage: KeyUsage,
        recognised: RecognisedCallers,
    ) -> None:
        self._access_tokens = access_tokens
        self._reader = reader
        self._key_usage = key_usage
        self._recognised = recognised

    async def authenticate(self, credential: str) -> Principal:
        """See `Authenticator`."""
        principal = self._recognised.find(credential)
        if principal is not None:
            return principal
        generation = self._recognised.generation
        caller = await self._look_up(credential)
        self._recognised.keep(credential, caller, generation)
        return caller.principal

    async def authenticate_on_behalf(self, caller: Principal, user_token: str) -> Principal:
        """See `Authenticator`."""
        if caller.subject_type is not SubjectType.service:
            raise PermissionDenied("Only service accounts act on behalf of users.")
        try:
            claims = await self._access_tokens.read(user_token)
            if isinstance(claims, ServiceClaims):
                raise TokenInvalid
            user = (await self._by_session(claims)).principal
        except TokenInvalid:
            raise TokenInvalid("X-On-Behalf-Of holds no access token of a user that counts.") from None
        except TokenExpired:
            raise TokenExpired("The access token in X-On-Behalf-Of has expired.") from None
        return Principal(
            subject_type=user.subject_type,
            subject_id=user.subject_id,
            permissions=user.permissions,
            scoped_permissions=user.scoped_permissions,
            session_id=user.session_id,
            authenticated_at=user.authenticated_at,
            credential_id=caller.credential_id,
            acting_service_id=caller.subject_id,
        )

    async def _look_up(self, credential: str) -> Caller:
        if credential.startswith(API_KEY_PREFIX):
            return await self._by_api_key(credential)
        claims = await self._access_tokens.read(credential)
        if isinstance(claims, ServiceClaims):
            return await self._by_service_token(claims)
        return await self._by_session(claims)

    async def _by_api_key(self, key: str) -> Caller:
        try:
            digest = digest_of_api_key(key)
        except ValueError:
            raise TokenInvalid("This is no API key.") from None
        found = await self._reader.find_key(digest)
        if found is None:
            raise TokenInvalid("The API key is unknown or no longer counts.")
        self._key_usage.note(found.id)
        return await self._of_key(found, None)

    async def _by_service_token(self, claims: ServiceClaims) -> Caller:
        found = await self._reader.find_key_of_token(claims.api_key_id, claims.jti)
        if found is None or found.service_account_id != claims.service_account_id:
            raise TokenInvalid("The token was revoked, or its API key no longer counts.")
        return await self._of_key(found, claims)

    async def _of_key(self, key: LiveApiKey, claims: ServiceClaims | None) -> Caller:
        rights = await self._reader.find_rights(SubjectType.service, key.service_account_id)
        if rights is None:
            raise TokenInvalid("The service account of this credential is not active.")
        principal = Principal(
            subject_type=SubjectType.service,
            subject_id=key.service_account_id,
            permissions=narrowed(rights.everywhere, key.narrowed_to),
            scoped_permissions=rights.within,
            credential_id=key.id,
            narrowed_to=key.narrowed_to,
        )
        return Caller(principal, min(key.expires_at.timestamp(), rights.until), claims)

    async def _by_session(self, claims: UserClaims) -> Caller:
        session = await self._reader.find_session(claims.session_id)
        if session is None or session.user_id != claims.user_id:
            raise TokenInvalid("The session of this token has ended.")
        rights = await self._reader.find_rights(SubjectType.user, claims.user_id)
        if rights is None:
            raise TokenInvalid("The account of this token is not active.")
        principal = Principal(
            subject_type=SubjectType.user,
            subject_id=claims.user_id,
            permissions=rights.everywhere,
            scoped_permissions=rights.within,
            session_id=claims.session_id,
            authenticated_at=claims.authenticated_at,
        )
        return Caller(principal, min(session.expires_at, rights.until), claims)
