"""Asks for the password when a service wants a recent sign-in, and repeats the request."""

from collections.abc import Callable, Generator

import httpx


class StepUp(httpx.Auth):
    """Sends the access token with every request of an httpx client, synchronous or asynchronous."""

    requires_response_body = True

    def __init__(self, accounts_url: str, access_token: str, ask_password: Callable[[], str]) -> None:
        self._url = f"{accounts_url}/api/v1/auth/reauthenticate"
        self.access_token = access_token
        self._ask_password = ask_password

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.access_token}"
        answer = yield request
        if "insufficient_user_authentication" not in answer.headers.get("WWW-Authenticate", ""):
            return
        # With a wrong password, the client gets this answer instead of one to its own request.
        answer = yield httpx.Request(
            "POST",
            self._url,
            headers={"Authorization": f"Bearer {self.access_token}"},
            json={"password": self._ask_password()},
        )
        if answer.is_success:
            self.access_token = answer.json()["access_token"]
            request.headers["Authorization"] = f"Bearer {self.access_token}"
            yield request
