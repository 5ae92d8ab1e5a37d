"""Refusals that the audit trail remembers."""

import structlog
from litestar.connection import Request
from litestar.types import Scope

from cms_service.api.dependencies import AnyRequest, actor_of
from cms_service.core.exceptions import ServiceError
from cms_service.services import RefusalRecorder

_log = structlog.get_logger("cms_service.refusals")


class RefusalAudit:
    """Litestar's `after_exception` hook."""

    def __init__(self, recorder: RefusalRecorder) -> None:
        self._recorder = recorder

    async def __call__(self, error: Exception, scope: Scope) -> None:
        """The refusal is on record. If that fails, the caller is refused all the same, and the log says so."""
        if not isinstance(error, ServiceError) or not error.is_audited:
            return
        try:
            request: AnyRequest = Request(scope)
            operation = f"{request.method} {request.scope['path_template']}"
            await self._recorder.record(actor_of(request), operation, error)
        except Exception:  # noqa: BLE001 - whatever it is, the caller is owed the refusal itself
            _log.exception("refusal_not_recorded", code=error.code)
