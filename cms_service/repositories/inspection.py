"""What can be asked of the database about its own state."""

import re

from sqlalchemy import text

from cms_service.core.database import UnitOfWork

REFUSED = """
SELECT relation.relname || ' (' || string_agg(needed.privilege, ', ' ORDER BY needed.place) || ')'
FROM pg_class relation,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS needed (privilege, place)
WHERE relation.relnamespace = current_schema()::regnamespace
  AND relation.relkind IN ('r', 'p') AND NOT relation.relispartition AND relation.relname <> 'alembic_version'
  -- What is in the audit trail stays as it is.
  AND NOT (relation.relname = 'audit_events' AND needed.privilege IN ('UPDATE', 'DELETE'))
  AND NOT has_table_privilege(relation.oid, needed.privilege)
GROUP BY relation.relname ORDER BY relation.relname
"""
PARTITIONS = """
SELECT relation.relname FROM pg_inherits
JOIN pg_class relation ON relation.oid = pg_inherits.inhrelid
WHERE pg_inherits.inhparent = 'audit_events'::regclass
"""


class InspectionRepository:
    """Reads the catalogs and changes nothing."""

    def __init__(self, work: UnitOfWork) -> None:
        self._session = work.session

    async def list_refused_tables(self) -> list[str]:
        """The tables that this role may not use as the service does, with the privileges that it lacks."""
        return list((await self._session.scalars(text(REFUSED))).all())

    async def list_audit_months(self) -> set[tuple[int, int]]:
        """The years and months that have a partition of the audit trail."""
        names = (await self._session.scalars(text(PARTITIONS))).all()
        matches = (re.fullmatch(r"audit_events_(\d{4})_(\d{2})", name) for name in names)
        return {(int(match[1]), int(match[2])) for match in matches if match}

    async def may_read_stray_audit_events(self) -> bool:
        """Whether somebody granted that, which the service itself does not need."""
        return bool(await self._session.scalar(text("SELECT has_table_privilege('audit_events_default', 'SELECT')")))

    async def has_stray_audit_events(self) -> bool:
        """Whether events lie where no month is theirs."""
        return bool(await self._session.scalar(text("SELECT EXISTS (SELECT FROM audit_events_default)")))
