"""The way to PostgreSQL."""

from cms_service.core.database.connecting import driver_url, shown_address
from cms_service.core.database.direct_line import ACCESS_CHANNEL, DirectLine
from cms_service.core.database.embedded import EmbeddedPostgres, end_with_parent
from cms_service.core.database.engine import create_engine, for_reading, read_only
from cms_service.core.database.errors import UNIQUENESS, is_answer, translate_error
from cms_service.core.database.fast_lane import FastLane, Question, Statement
from cms_service.core.database.inspection import ServerFacts, Unreachable, inspect_server
from cms_service.core.database.keyset import Ordering, Position, Slice, Window, escape_like, fetch_slice
from cms_service.core.database.migrations import current_revision, downgrade, migration_connection, upgrade
from cms_service.core.database.partitioned_index import create_partitioned_index
from cms_service.core.database.pool import ConnectionPool, pool_of
from cms_service.core.database.primary import SERVER, OtherServerReached, Primary, StandbyReached, WrongServer
from cms_service.core.database.readiness import DatabaseProbe
from cms_service.core.database.revisions import head_revision, is_current, is_newer, pending_revisions
from cms_service.core.database.running import direct_url, running_database
from cms_service.core.database.tracing import trace_statements
from cms_service.core.database.work import Propagation, Recheck, UnitOfWork, WorkFactory, unit_of_work

__all__ = [
    "ACCESS_CHANNEL",
    "SERVER",
    "UNIQUENESS",
    "ConnectionPool",
    "DatabaseProbe",
    "DirectLine",
    "EmbeddedPostgres",
    "FastLane",
    "Ordering",
    "OtherServerReached",
    "Position",
    "Primary",
    "Propagation",
    "Question",
    "Recheck",
    "ServerFacts",
    "Slice",
    "StandbyReached",
    "Statement",
    "UnitOfWork",
    "Unreachable",
    "Window",
    "WorkFactory",
    "WrongServer",
    "create_engine",
    "create_partitioned_index",
    "current_revision",
    "direct_url",
    "downgrade",
    "driver_url",
    "end_with_parent",
    "escape_like",
    "fetch_slice",
    "for_reading",
    "head_revision",
    "inspect_server",
    "is_answer",
    "is_current",
    "is_newer",
    "migration_connection",
    "pending_revisions",
    "pool_of",
    "read_only",
    "running_database",
    "shown_address",
    "trace_statements",
    "translate_error",
    "unit_of_work",
    "upgrade",
]
