"""Refusals whose record cannot be written, because no database answers."""

import json
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import structlog
from litestar import Litestar, get
from litestar.params import FromPath
from msgspec.structs import replace

from cms_service.api import EXCEPTION_HANDLERS, Envelope, RefusalAudit
from cms_service.core.config import configure_logging
from cms_service.core.database import create_engine, unit_of_work
from cms_service.core.exceptions import EmailTaken, PermissionDenied, ServiceError
from cms_service.services import RefusalRecorder
from tests.unit.asgi import exchange
from tests.unit.settings import NOWHERE, edge_settings

REFUSALS: dict[str, ServiceError] = {"audited": PermissionDenied(), "other": EmailTaken()}


@get("/refusals/{name:str}")
async def refuse(name: FromPath[str]) -> None:
    raise REFUSALS[name]


@pytest.fixture
async def app() -> AsyncIterator[Envelope]:
    settings = replace(edge_settings(), database_url=NOWHERE)
    engine = create_engine(settings)
    litestar = Litestar(
        [refuse],
        after_exception=[RefusalAudit(RefusalRecorder(partial(unit_of_work, engine)))],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    structlog.reset_defaults()
    configure_logging(settings)
    yield Envelope(litestar, settings)
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()
    await engine.dispose()


@pytest.mark.parametrize(
    ("name", "status", "code", "events"),
    [
        ("audited", 403, "permission_denied", ["refusal_not_recorded", "request"]),
        ("other", 409, "email_taken", ["request"]),
    ],
)
async def test_caller_is_refused_and_the_log_says_so_when_a_refusal_cannot_be_recorded(
    app: Envelope, capsys: pytest.CaptureFixture[str], name: str, status: int, code: str, events: list[str]
) -> None:
    answer = await exchange(app, "GET", f"/refusals/{name}")

    assert (answer.status, answer.json()["code"]) == (status, code)
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == events
    assert all(line["code"] == code and line["exception"] for line in lines[:-1])
