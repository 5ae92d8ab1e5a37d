"""Verifies access tokens, and asks the accounts service what their subjects may do."""

import time
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

TIMEOUT_SECONDS = 2.0
CACHE_SECONDS = 300
LEEWAY_SECONDS = 30
"""For clocks that differ."""


class Unauthenticated(Exception):
    """The request needs another access token: answer 401 with `challenge` as the header `WWW-Authenticate`."""

    def __init__(self, reason: str, challenge: str = "Bearer") -> None:
        super().__init__(reason)
        self.challenge = challenge


@dataclass(frozen=True)
class Caller:
    """The sender of a request, as a verified token names it."""

    subject: dict[str, Any]
    """In the words of AuthZEN: a type and an id."""
    auth_time: int | None
    """When the user last entered the password, in seconds since 1970. Service accounts have none."""

    def require_recent_sign_in(self, max_age_seconds: int) -> None:
        """Raise Unauthenticated unless the user entered the password within that time (RFC 9470)."""
        if self.auth_time is None or time.time() - self.auth_time > max_age_seconds + LEEWAY_SECONDS:
            challenge = f'Bearer error="insufficient_user_authentication", max_age="{max_age_seconds}"'
            raise Unauthenticated("a more recent sign-in is needed", challenge)


class AccessService:
    """One for the whole process: it keeps the keys and its connections."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._keys = jwt.PyJWKClient(f"{url}/.well-known/jwks.json", lifespan=CACHE_SECONDS, timeout=TIMEOUT_SECONDS)
        self._http = httpx.AsyncClient(headers={"Authorization": f"Bearer {api_key}"}, timeout=TIMEOUT_SECONDS)

    async def aclose(self) -> None:
        await self._http.aclose()

    def verify(self, authorization: str | None) -> Caller:
        """Return the caller that the header names. Waits for the network when the keys are read again.

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
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "client_id"], "strict_aud": True},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(str(error)) from error
        if verified["header"].get("typ") != "at+jwt":
            raise Unauthenticated("not an access token")
        claims = verified["payload"]
        subject = {"type": "user" if "sid" in claims else "service", "id": claims["sub"]}
        return Caller(subject, claims.get("auth_time"))

    async def may(self, caller: Caller, action: str, resource: dict[str, Any]) -> bool:
        """Whether the caller may do it to the resource. False while there is no answer."""
        question = {"subject": caller.subject, "action": {"name": action}, "resource": resource}
        try:
            response = await self._http.post(f"{self._url}/api/v1/access/evaluation", json=question)
            response.raise_for_status()
            return response.json()["decision"] is True
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False
