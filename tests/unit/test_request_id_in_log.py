"""Whatever is logged while a request is being answered names it, whoever logs it."""

import asyncio
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from litestar import Litestar, get
from sqlalchemy.util import await_only, greenlet_spawn

from cms_service.api import EXCEPTION_HANDLERS, Envelope
from cms_service.core.config import configure_logging
from tests.unit.asgi import exchange
from tests.unit.settings import edge_settings

library = logging.getLogger("some.library")


@get("/talkative")
async def talk() -> None:
    log = structlog.get_logger("cms_service.services")
    log.info("of_a_service")
    library.warning("of a library")
    warnings.warn("deprecated", stacklevel=1)
    await asyncio.create_task(_later(log))
    await asyncio.to_thread(log.info, "of_a_thread")
    await greenlet_spawn(lambda: (log.info("of_sqlalchemy"), await_only(asyncio.sleep(0))))
    raise RuntimeError


async def _later(log: structlog.BoundLogger) -> None:
    log.info("of_a_task")


@contextmanager
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Reads the lines that are written to standard error meanwhile, by both kinds of loggers."""
    stream = io.TextIOWrapper(io.BytesIO(), write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    structlog.reset_defaults()
    # Somebody in this process may have captured them before, which pytest undoes behind the back of `logging`.
    logging.captureWarnings(capture=False)
    configure_logging(edge_settings())
    try:
        yield lambda: [json.loads(line) for line in stream.buffer.getvalue().splitlines()]
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
        logging.captureWarnings(capture=False)


@pytest.mark.filterwarnings("default:deprecated")
async def test_every_line_of_a_request_has_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"request-{number}" for number in range(3)]
    with logged(monkeypatch) as read:
        app = Envelope(
            Litestar([talk], exception_handlers=EXCEPTION_HANDLERS, openapi_config=None, logging_config=None),
            edge_settings(),
        )
        answers = await asyncio.gather(
            *(exchange(app, "GET", "/talkative", headers={"x-request-id": request_id}) for request_id in ids)
        )
        lines = read()
    assert [answer.status for answer in answers] == [500] * 3
    for request_id in ids:
        events = {line["event"] for line in lines if line.get("request_id") == request_id}
        assert {"of_a_service", "of a library", "of_a_task", "of_a_thread", "of_sqlalchemy"} <= events
        assert {"unexpected_error", "request"} <= events
    assert [line for line in lines if line.get("request_id") not in ids] == []
    assert any("deprecated" in line["event"] for line in lines)
