"""Keeps a user signed in: every request of its client carries an access token that is still good."""

import time
from collections.abc import Generator

import httpx
from cms_service_client import AuthenticatedClient, Client
from cms_service_client.api.auth import login
from cms_service_client.models import LoginRequest, LoginResponse, RefreshRequest, TokenResponse
from sdk_answers import accepted

AHEAD_SECONDS = 30
TIMEOUT = httpx.Timeout(10.0)


class SignedOut(Exception):
    """The session has ended: ask to sign in."""


class Session(httpx.Auth):
    """One for each signed-in user. Parallel refreshes need no lock: they all get the same successor."""

    requires_response_body = True

    def __init__(self, url: str, tokens: LoginResponse | TokenResponse) -> None:
        self._url = url
        self._keep(tokens)
        # `auth_flow` sets the header of each request: this token is never sent.
        self.client = AuthenticatedClient(base_url=url, token="", timeout=TIMEOUT, httpx_args={"auth": self})

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if time.time() >= self._stale_at:
            yield from self._refresh()
        request.headers["Authorization"] = f"Bearer {self._tokens.access_token}"
        response = yield request
        # The clocks disagree, or the machine was asleep.
        if response.status_code == httpx.codes.UNAUTHORIZED and response.json().get("code") == "token_expired":
            yield from self._refresh()
            request.headers["Authorization"] = f"Bearer {self._tokens.access_token}"
            yield request

    def _refresh(self) -> Generator[httpx.Request, httpx.Response, None]:
        body = RefreshRequest(refresh_token=self._tokens.refresh_token)
        response = yield httpx.Request("POST", f"{self._url}/api/v1/auth/refresh", json=body.to_dict())
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise SignedOut(response.json()["code"])
        response.raise_for_status()
        self._keep(TokenResponse.from_dict(response.json()))

    def _keep(self, tokens: LoginResponse | TokenResponse) -> None:
        """A program that outlives its process stores the refresh token here, before anything is sent."""
        self._tokens = tokens
        self._stale_at = time.time() + tokens.expires_in - AHEAD_SECONDS


def sign_in(url: str, email: str, password: str) -> Session:
    """Raises Refused where the service lets nobody in."""
    answer = login.sync(client=Client(base_url=url), body=LoginRequest(email=email, password=password))
    return Session(url, accepted(answer))
