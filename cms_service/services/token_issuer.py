"""Making tokens out of sessions."""

from uuid import UUID

import msgspec

from cms_service.core.config import Settings
from cms_service.core.dependencies import Clock, Entropy
from cms_service.core.security import AccessTokenCodec, DeviceTokenCodec, RefreshTokenCodec
from cms_service.repositories import LiveSession
from cms_service.schemas import AccessTokenResponse, TokenResponse
from cms_service.services.key_ring import KeyRing


class TokenIssuer(msgspec.Struct, frozen=True):
    """What it takes to make tokens; one for the whole process."""

    settings: Settings
    key_ring: KeyRing
    access_tokens: AccessTokenCodec
    refresh_tokens: RefreshTokenCodec
    device_tokens: DeviceTokenCodec
    clock: Clock
    entropy: Entropy

    def new_token_id(self) -> UUID:
        """Of a token that can be revoked by it."""
        return UUID(bytes=self.entropy.token_bytes(16), version=4)

    def is_recent(self, authenticated_at: int) -> bool:
        """Whether whoever was authenticated then, in seconds since the epoch, may do what is sensitive."""
        return self.clock.now().timestamp() - authenticated_at <= self.settings.reauthentication_seconds

    async def issue_pair(self, session: LiveSession) -> TokenResponse:
        """An access token, and the live refresh token of the session: the same one whenever it is asked for."""
        access = await self.issue_access_token(session)
        remaining_seconds = int((session.expires_at - session.now).total_seconds())
        return TokenResponse(
            access_token=access.access_token,
            token_type=access.token_type,
            expires_in=access.expires_in,
            refresh_token=self.refresh_tokens.encode(session.id, session.secret, session.counter),
            refresh_expires_in=max(0, min(self.settings.refresh_idle_seconds, remaining_seconds)),
        )

    async def issue_access_token(self, session: LiveSession) -> AccessTokenResponse:
        """An access token of its own."""
        access_token = self.access_tokens.sign(
            await self.key_ring.signer(),
            user_id=session.user_id,
            session_id=session.id,
            authenticated_at=session.authenticated_at,
            token_id=self.entropy.token_bytes(16).hex(),
            now=self.clock.now(),
        )
        return AccessTokenResponse(
            access_token=access_token,
            token_type="Bearer",  # noqa: S106 - a scheme, not a secret
            expires_in=self.access_tokens.lifetime_seconds,
        )
