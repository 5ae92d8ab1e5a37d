"""An end is an end: thousands of requests, while sessions end in every way there is, and not one gets in afterwards."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import httpx
import msgspec
import pytest

from tests.api.cluster import open_connections
from tests.api.credentials import refresh, session_id_of
from tests.api.problems import code_of
from tests.eventually import eventually
from tests.fixtures import Caller, Register, Service, sign_in

pytestmark = pytest.mark.slow

LEAST_REQUESTS = 5_000
CLIENTS = 24
SESSIONS_OF_EACH = 4
ENDERS = 3
USES_BEFORE_EACH_END = 150
"""Of sessions that live. One of the enders comes to seven ends at the least, so that there are 1,050 such uses."""

Connections: TypeAlias = list[httpx.AsyncClient]


@pytest.fixture
async def connections(replicas: list[Service]) -> AsyncIterator[Connections]:
    """Together they reach every worker of both replicas."""
    async with open_connections(replicas, (CLIENTS + ENDERS + 1) // len(replicas)) as clients:
        yield clients


class Session:
    """What one device has, and what is known about its end."""

    def __init__(self, caller: Caller) -> None:
        self.id = session_id_of(caller.access_token)
        self.user_id = caller.id
        self.password = caller.password
        self.access_tokens = [caller.access_token]
        self.refresh_tokens = [caller.refresh_token]
        self.turn = asyncio.Lock()
        """A device refreshes, and proves its password, once at a time."""
        self.may_have_ended = False
        self.has_ended = False

    def headers(self) -> dict[str, str]:
        """Any of its access tokens is as good as the others."""
        return {"Authorization": f"Bearer {random.choice(self.access_tokens)}"}  # noqa: S311 - no secret


async def read_account(session: Session, http: httpx.AsyncClient) -> httpx.Response:
    return await http.get("/api/v1/users/me", headers=session.headers())


async def list_sessions(session: Session, http: httpx.AsyncClient) -> httpx.Response:
    return await http.get("/api/v1/users/me/sessions", headers=session.headers())


async def rename(session: Session, http: httpx.AsyncClient) -> httpx.Response:
    headers = session.headers() | {"If-Match": "*"}
    return await http.patch("/api/v1/users/me", json={"display_name": "Ada Example"}, headers=headers)


async def stay_signed_in(session: Session, http: httpx.AsyncClient) -> httpx.Response:
    response = await refresh(http, session.refresh_tokens[-1])
    if response.is_success:
        session.refresh_tokens.append(response.json()["refresh_token"])
        session.access_tokens.append(response.json()["access_token"])
    return response


async def reauthenticate(session: Session, http: httpx.AsyncClient) -> httpx.Response:
    body = {"password": session.password}
    response = await http.post("/api/v1/auth/reauthenticate", json=body, headers=session.headers())
    if response.is_success:
        session.access_tokens.append(response.json()["access_token"])
    return response


Use: TypeAlias = Callable[[Session, httpx.AsyncClient], Awaitable[httpx.Response]]
USES: dict[Use, int] = {read_account: 50, list_sessions: 10, rename: 5, stay_signed_in: 30, reauthenticate: 2}
"""How often each; a password takes as long as dozens of the others."""
IN_TURN: set[Use] = {stay_signed_in, reauthenticate}


class Ledger:
    """Every request, judged by what was certain when it was sent and when it was answered."""

    def __init__(self) -> None:
        self.before_the_end = 0
        self.during_the_end = 0
        self.after_the_end = 0
        self.wrong_accepts: list[str] = []
        self.wrong_refusals: list[str] = []
        self.failures: list[str] = []

    @property
    def requests(self) -> int:
        return self.before_the_end + self.during_the_end + self.after_the_end

    async def record(self, use: Use, session: Session, http: httpx.AsyncClient) -> None:
        had_ended = session.has_ended
        response = await use(session, http)
        said = f"{use.__name__} in session {session.id}: {response.status_code} {response.text}"
        if response.status_code >= 500:
            self.failures.append(said)
        if had_ended:
            self.after_the_end += 1
            if response.status_code != 401:
                self.wrong_accepts.append(said)
        elif session.may_have_ended:
            self.during_the_end += 1
        else:
            self.before_the_end += 1
            if not response.is_success:
                self.wrong_refusals.append(said)


async def log_out(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    assert (await http.post("/api/v1/auth/logout", headers=session.headers())).status_code == 204


async def log_out_by_refresh_token(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    body = {"refresh_token": session.refresh_tokens[-1]}
    assert (await http.post("/api/v1/auth/logout", json=body)).status_code == 204


async def revoke_own(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    response = await http.delete(f"/api/v1/users/me/sessions/{session.id}", headers=keeper.headers())
    assert response.status_code == 204


async def revoke_by_administrator(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    assert (await admin.delete(f"/api/v1/users/{session.user_id}/sessions/{session.id}")).status_code == 204


async def replay(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    async with session.turn:
        for _ in range(2):
            assert (await stay_signed_in(session, http)).is_success
        assert code_of(await refresh(http, session.refresh_tokens[-3]), 401) == "refresh_token_reused"


async def revoke_all_own(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    assert (await http.delete("/api/v1/users/me/sessions", headers=session.headers())).status_code == 204


async def revoke_all_by_administrator(
    session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient
) -> None:
    assert (await admin.delete(f"/api/v1/users/{session.user_id}/sessions")).status_code == 204


async def deactivate(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    assert (await admin.post(f"/api/v1/users/{session.user_id}/deactivate")).status_code == 200


async def deactivate_by_editing(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    response = await admin.patch(f"/api/v1/users/{session.user_id}", {"is_active": False}, if_match="*")
    assert response.status_code == 200


async def delete(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    assert (await admin.delete(f"/api/v1/users/{session.user_id}", if_match="*")).status_code == 204


async def change_password(session: Session, keeper: Session, admin: Caller, http: httpx.AsyncClient) -> None:
    body = {"current_password": keeper.password, "new_password": "eight blue owls on a wire"}
    async with keeper.turn:
        response = await http.post("/api/v1/users/me/password", json=body, headers=keeper.headers())
        assert response.status_code == 204
        keeper.password = body["new_password"]


End: TypeAlias = Callable[[Session, Session, Caller, httpx.AsyncClient], Awaitable[None]]
ENDS_ONE: list[End] = [log_out, log_out_by_refresh_token, revoke_own, revoke_by_administrator, replay]
ENDS_ALL_BUT_ONE: list[End] = [change_password]
ENDS_ALL: list[End] = [revoke_all_own, revoke_all_by_administrator, deactivate, deactivate_by_editing, delete]


class Ending(msgspec.Struct, frozen=True):
    """Sessions of one user that end together."""

    end: End
    sessions: list[Session]
    keeper: Session
    """The user's last one. It lives on, unless it is among them."""


async def open_sessions(register: Register, admin: Caller) -> tuple[list[Session], list[Ending]]:
    """A user for each way to end sessions."""
    everybody: list[Session] = []
    endings: list[Ending] = []
    for end in (*ENDS_ONE, *ENDS_ALL_BUT_ONE, *ENDS_ALL):
        caller = await register()
        others = [await sign_in(caller.http, caller.email, caller.password) for _ in range(SESSIONS_OF_EACH - 1)]
        sessions = [Session(one) for one in (caller, *others)]
        everybody += sessions
        *first, keeper = sessions
        if end in ENDS_ONE:
            endings += [Ending(end, [session], keeper) for session in first]
        else:
            endings.append(Ending(end, sessions if end in ENDS_ALL else first, keeper))
    random.shuffle(endings)
    return everybody, endings


class Traffic:
    """Devices that are used all the time, while their sessions end."""

    def __init__(self, sessions: list[Session], endings: list[Ending], admin: Caller) -> None:
        self.ledger = Ledger()
        self._sessions = sessions
        self._endings = endings
        self._admin = admin
        self._enders = ENDERS
        self._due: list[deque[tuple[Use, Session]]] = [deque() for _ in range(CLIENTS)]
        """What each client tries first."""

    async def run(self, connections: Connections) -> None:
        """Nobody shares a connection: httpx would keep some of them waiting for ever."""
        async with asyncio.TaskGroup() as group:
            for due, http in zip(self._due, connections[:CLIENTS], strict=True):
                group.create_task(self._use_sessions(due, http))
            for http in connections[CLIENTS : CLIENTS + ENDERS]:
                group.create_task(self._end_sessions(http))

    async def _use_sessions(self, due: deque[tuple[Use, Session]], http: httpx.AsyncClient) -> None:
        while due or self._enders or self.ledger.requests < LEAST_REQUESTS:
            use, session = due.popleft() if due else self._draw()
            if session.has_ended or use not in IN_TURN:
                await self.ledger.record(use, session, http)
            elif not session.turn.locked():
                async with session.turn:
                    await self.ledger.record(use, session, http)

    def _draw(self) -> tuple[Use, Session]:
        (use,) = random.choices([*USES], [*USES.values()])  # noqa: S311 - no secret
        return use, random.choice(self._sessions)  # noqa: S311 - no secret

    async def _end_sessions(self, http: httpx.AsyncClient) -> None:
        while self._endings:
            ending = self._endings.pop()
            await self._wait_for_uses(USES_BEFORE_EACH_END)
            for session in ending.sessions:
                session.may_have_ended = True
            await ending.end(ending.sessions[0], ending.keeper, self._admin, http)
            for session in ending.sessions:
                session.has_ended = True
                for due in self._due:
                    due += [(read_account, session), (stay_signed_in, session)]
        self._enders -= 1

    async def _wait_for_uses(self, number: int) -> None:
        enough = self.ledger.before_the_end + number

        async def were_made() -> bool:
            return self.ledger.before_the_end >= enough

        await eventually(were_made)


async def test_no_credential_is_accepted_once_its_session_has_ended(
    register: Register, admin: Caller, connections: Connections
) -> None:
    sessions, endings = await open_sessions(register, admin)
    traffic = Traffic(sessions, endings, admin)

    await traffic.run(connections)

    ledger = traffic.ledger
    assert (ledger.wrong_accepts, ledger.wrong_refusals, ledger.failures) == ([], [], [])
    assert ledger.requests >= LEAST_REQUESTS
    assert min(ledger.before_the_end, ledger.after_the_end) >= LEAST_REQUESTS // 5
