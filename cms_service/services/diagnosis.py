"""All checks of a deployment, in the order in which one builds on the other."""

from collections.abc import AsyncIterator

from cms_service.core.config import Settings
from cms_service.core.database import (
    ServerFacts,
    Unreachable,
    WorkFactory,
    inspect_server,
    pending_revisions,
    translate_error,
)
from cms_service.core.dependencies import Clock
from cms_service.core.security import Sealer
from cms_service.schemas import Diagnosis, Finding, Verdict
from cms_service.services._findings import fail
from cms_service.services.server_checks import check_servers
from cms_service.services.settings_checks import check_settings
from cms_service.services.stored_checks import StoredChecks


class Doctor:
    """Looks and changes nothing."""

    def __init__(self, settings: Settings, work: WorkFactory, sealer: Sealer, clock: Clock) -> None:
        self._settings = settings
        self._work = work
        self._sealer = sealer
        self._clock = clock

    async def examine(self) -> Diagnosis:
        """Everything that can be known; what depends on something that fails is left out."""
        return _conclude([*check_settings(self._settings), *[finding async for finding in self._check_database()]])

    async def _check_database(self) -> AsyncIterator[Finding]:
        runtime = await self._inspect(self._settings.database_url)
        direct = await self._inspect(self._settings.database_direct_url)
        for finding in check_servers(self._settings, runtime, direct):
            yield finding
        if isinstance(runtime, Unreachable) or not runtime.is_granted or pending_revisions(runtime.revision):
            return
        if runtime.is_pooled and self._settings.database_url == self._settings.database_direct_url:
            return  # Nothing works like this, and the findings say so.
        try:
            async with self._work() as work:
                async for finding in StoredChecks(work, self._settings, self._sealer).run():
                    yield finding
        except Exception as error:
            if translate_error(error) is None:
                raise
            yield fail(
                "database_work",
                "the database does not do what it is asked, or not in time",
                "Look into the log of PostgreSQL, and at what keeps it busy.",
            )

    async def _inspect(self, url: str | None) -> ServerFacts | Unreachable:
        return await inspect_server(url or "", self._settings.database_connect_timeout_seconds, self._clock.now)


def _conclude(findings: list[Finding]) -> Diagnosis:
    """The worst finding is the verdict."""
    verdicts = {finding.verdict for finding in findings}
    worst = next((verdict for verdict in (Verdict.FAIL, Verdict.WARN) if verdict in verdicts), Verdict.OK)
    return Diagnosis(worst, findings)
