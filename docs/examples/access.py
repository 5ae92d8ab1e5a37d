"""Lets in who holds a good access token, and asks the accounts service what they may do."""

from typing import Any

import httpx
import jwt

TIMEOUT_SECONDS = 2.0
CACHE_SECONDS = 300


class Unauthenticated(Exception):
    """There is no access token that counts: answer 401."""


class AccessService:
    """One for the whole process: it keeps the keys and its connections."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._keys = jwt.PyJWKClient(f"{url}/.well-known/jwks.json", lifespan=CACHE_SECONDS, timeout=TIMEOUT_SECONDS)
        self._http = httpx.AsyncClient(headers={"Authorization": f"Bearer {api_key}"}, timeout=TIMEOUT_SECONDS)

    async def aclose(self) -> None:
        await self._http.aclose()

    def verify(self, authorization: str | None) -> dict[str, Any]:
        """The subject of the token, as AuthZEN names it. Waits for the network when the keys are read again.

        Raises Unauthenticated for all that is not a good token, also while the keys cannot be read.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("a bearer token is needed")
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            verified = jwt.decode_complete(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._url,
                audience=self._url,
                leeway=30,
                options={"require": ["exp", "iat", "sub", "client_id"], "strict_aud": True},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(str(error)) from error
        if verified["header"].get("typ") != "at+jwt":
            raise Unauthenticated("not an access token")
        claims = verified["payload"]
        return {"type": "user" if "sid" in claims else "service", "id": claims["sub"]}

    async def may(self, subject: dict[str, Any], action: str, resource: dict[str, Any]) -> bool:
        """Whether the subject may do it to the resource. Never while there is no answer."""
        question = {"subject": subject, "action": {"name": action}, "resource": resource}
        try:
            response = await self._http.post(f"{self._url}/api/v1/access/evaluation", json=question)
            response.raise_for_status()
            return response.json()["decision"] is True
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False
