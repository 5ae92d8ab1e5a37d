"""The commands of the page about retention keep a month of the audit trail in a file, and delete it here."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from cms_service.core.database.postgres_binaries import find_binaries
from cms_service.models import Base
from tests.docs.shell import run_bash
from tests.docs.snippets import ROOT, blocks_of
from tests.fixtures import DatabaseFactory, ServiceFactory, sign_in

PAGE = "docs/operations/retention.md"
PARTITION = "audit_events_2024_01"
REFERENCES = {"permissions", "role_inheritance", "role_permissions"}
"""Tables whose rows are deleted by the API itself."""


async def test_archived_month_is_in_the_file_and_no_longer_in_the_database(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory, tmp_path: Path
) -> None:
    database = await fresh_database()
    service = await service_factory(database)
    db = await database.connect()
    await db.execute(
        f"CREATE TABLE {PARTITION} PARTITION OF audit_events FOR VALUES FROM ('2024-01-01Z') TO ('2024-02-01Z')"
    )
    old = uuid4()
    await db.execute(
        "INSERT INTO audit_events (at, id, action) VALUES ($1, $2, 'user.created')",
        datetime(2024, 1, 7, tzinfo=UTC),
        old,
    )
    (commands,) = [block.code for block in blocks_of(PAGE) if block.language == "bash"]
    environ = {
        "CMS_DATABASE_DIRECT_URL": database.url.replace("+asyncpg", ""),
        "PATH": f"{find_binaries(None, None)}:{os.defpath}",
    }
    script = commands.replace("docs/examples", f"{ROOT}/docs/examples")

    output, code = await run_bash(f"{script}\npg_restore --file - {PARTITION}.dump", tmp_path, environ)

    assert code == 0, output
    assert str(old) in output
    assert not await db.fetchval("SELECT EXISTS (SELECT FROM audit_events WHERE id = $1)", old)
    assert await db.fetchval("SELECT to_regclass($1)", PARTITION) is None
    async with service.client() as http:
        admin = await sign_in(http, service.admin_email, service.admin_password)
        listed = (await admin.get("/api/v1/audit-events")).json()["items"]
    assert listed[0]["action"] == "session.opened"
    await db.close()


def test_page_tells_of_every_table() -> None:
    told = re.findall(r"`([a-z_]+)`", "\n".join(line for line in (ROOT / PAGE).read_text().splitlines() if "|" in line))

    assert Base.metadata.tables.keys() - set(told) == REFERENCES
