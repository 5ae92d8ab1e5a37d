"""Who may grant what, asked of the policy itself."""

import pytest

from cms_service.core.config import Settings
from cms_service.core.database import create_engine, unit_of_work
from cms_service.core.exceptions import EscalationRefused
from cms_service.core.security import SYSTEM, Actor, Grant
from cms_service.services.access_policy import AccessPolicy

GRANT = Grant("users:read", None, None)


async def test_nobody_holds_nothing_and_grants_nothing(settings: Settings) -> None:
    engine = create_engine(settings)

    async with unit_of_work(engine) as work:
        nobody = AccessPolicy(work, Actor())
        assert await nobody.held() == set()
        with pytest.raises(EscalationRefused):
            await nobody.refuse_escalation([GRANT])
        await nobody.refuse_escalation([])
        await AccessPolicy(work, SYSTEM).refuse_escalation([GRANT])

    await engine.dispose()
