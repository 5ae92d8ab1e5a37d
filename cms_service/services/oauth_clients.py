"""OAuth 2 clients: service accounts that prove themselves with a key, and get access tokens for it."""

import msgspec

from cms_service.core.exceptions import InvalidClient, InvalidRequest, OAuthRefused
from cms_service.core.security import SERVICE_TOKEN_LIFETIME, digest_of_api_key
from cms_service.repositories import CredentialRepository, LiveApiKey
from cms_service.schemas import ServiceTokenResponse, TokenRequest
from cms_service.services.key_usage import KeyUsage
from cms_service.services.token_issuer import TokenIssuer

CLIENT_CREDENTIALS = "client_credentials"


class PresentedClient(msgspec.Struct, frozen=True):
    """What a client says of itself."""

    client_id: str
    client_secret: str


def presented_client(
    basic: PresentedClient | None, client_id: str | None, client_secret: str | None
) -> PresentedClient | None:
    """The client, which says who it is in the header or in the body, never in both (RFC 6749 §2.3).

    Raises:
        InvalidRequest: it does so in both.
        InvalidClient: it names itself, but has no secret, or the other way round.
    """
    if basic is not None:
        if client_secret is not None or client_id not in {None, basic.client_id}:
            raise InvalidRequest("The client authenticates in the header and in the body.")
        return basic
    if client_id is None and client_secret is None:
        return None
    if client_id is None or client_secret is None:
        raise InvalidClient("client_id and client_secret come together.")
    return PresentedClient(client_id, client_secret)


class ClientService:
    """One for the whole process: it needs neither a unit of work nor an actor."""

    def __init__(self, credentials: CredentialRepository, key_usage: KeyUsage, issuer: TokenIssuer) -> None:
        self._credentials = credentials
        self._key_usage = key_usage
        self._issuer = issuer

    async def authenticate(self, client: PresentedClient) -> LiveApiKey:
        """The key that the client shows. Raises InvalidClient where it does not count, or is somebody else's."""
        try:
            digest = digest_of_api_key(client.client_secret)
        except ValueError:
            raise InvalidClient from None
        key = await self._credentials.find_key(digest)
        if key is None or client.client_id != str(key.service_account_id):
            raise InvalidClient
        self._key_usage.note(key.id)
        return key

    async def issue_token(self, data: TokenRequest, basic: PresentedClient | None) -> ServiceTokenResponse:
        """An access token of the client, which can do what its key can.

        Raises:
            OAuthRefused: the client did not prove itself, or asks for what there is not.
        """
        client = presented_client(basic, data.client_id, data.client_secret)
        if client is None:
            raise InvalidClient("The client does not authenticate.")
        key = await self.authenticate(client)
        if data.grant_type != CLIENT_CREDENTIALS:
            raise OAuthRefused("unsupported_grant_type", f"The only grant is {CLIENT_CREDENTIALS}.")
        if data.scope is not None:
            raise OAuthRefused("invalid_scope", "No scopes are defined: a key is narrowed instead.")
        return await self._issue(key)

    async def _issue(self, key: LiveApiKey) -> ServiceTokenResponse:
        lifetime = min(SERVICE_TOKEN_LIFETIME, key.expires_at - key.now)
        now = self._issuer.clock.now()
        access_token = self._issuer.access_tokens.sign_for_service(
            await self._issuer.key_ring.signer(),
            service_account_id=key.service_account_id,
            api_key_id=key.id,
            token_id=self._issuer.new_token_id(),
            now=now,
            expires_at=now + lifetime,
        )
        return ServiceTokenResponse(
            access_token=access_token,
            token_type="Bearer",  # noqa: S106 - a scheme, not a secret
            expires_in=int(lifetime.total_seconds()),
        )
