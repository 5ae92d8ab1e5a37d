"""An index on a partitioned table, built while the table is written to."""

from sqlalchemy import text

_PARTITIONS = text(
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table) ORDER BY inhrelid"
)
_IS_INVALID = text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)")


def create_partitioned_index(name: str, table: str, columns: list[str]) -> None:
    """Each partition has the index, and so has every one that is made from now on.

    PostgreSQL builds no index of a partitioned table concurrently, only those of its partitions. That takes more than
    one transaction: what the migration did before is committed. It can be called again after an interruption, and keeps
    what was finished.
    """
    from alembic import op  # noqa: PLC0415 - takes 100 ms, and only migrations come here

    keys = ", ".join(columns)
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        op.execute(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY {table} ({keys})")
        for partition in connection.scalars(_PARTITIONS, {"table": table}).all():
            # As PostgreSQL calls those of new partitions.
            index = f"{partition}_{'_'.join(columns)}_idx"
            if connection.scalar(_IS_INVALID, {"index": index}):
                op.execute(f"DROP INDEX CONCURRENTLY {index}")
            # It waits for older transactions, without a lock that others would wait for.
            op.execute("SET lock_timeout = 0")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {partition} ({keys})")
            op.execute("RESET lock_timeout")
            op.execute(f"ALTER INDEX {name} ATTACH PARTITION {index}")
