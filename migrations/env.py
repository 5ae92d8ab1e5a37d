"""What alembic runs for every command: for `cms-service migrate` on its connection, for `alembic` on one of its own."""

import asyncio
import logging
from typing import Any

from alembic import context
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationInfo
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.base import ischema_names

from cms_service.core.config import load_settings, read_environment
from cms_service.core.database import direct_url, migration_connection, running_database
from cms_service.models import Base, Snapshot, TransactionId

# So that alembic compares columns of these types too.
ischema_names |= {"pg_snapshot": Snapshot, "xid8": TransactionId}


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """The months of the audit trail are made as time goes by, not by models."""
    return not (kind == "table" and name is not None and name.startswith("audit_events_"))


def name_revision(_context: Any, _revision: Any, directives: list[MigrationScript]) -> None:
    """A revision is called what its message says, so that `down_revision` can be read."""
    for directive in directives:
        directive.rev_id = "_".join((directive.message or "").lower().split()) or directive.rev_id


def log_step(ctx: Any, step: MigrationInfo, heads: Any, run_args: Any) -> None:  # noqa: ARG001 - passed by name
    before, after = (" ".join(ids) or "base" for ids in (step.source_revision_ids, step.destination_revision_ids))
    logging.getLogger("cms_service.migrations").info("migrated %s -> %s", before, after)


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
        include_name=include_name,
        on_version_apply=log_step,
        process_revision_directives=name_revision,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_on(url: str) -> None:
    async with migration_connection(url) as connection:
        await connection.run_sync(run)


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with running_database(load_settings(read_environment())) as settings:
        asyncio.run(run_on(direct_url(settings)))
