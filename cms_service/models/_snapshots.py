"""Types by which PostgreSQL orders transactions."""

from typing import Any

from sqlalchemy.types import UserDefinedType


class TransactionId(UserDefinedType[int]):
    """`xid8`: the number of a transaction, which is never used again."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class Snapshot(UserDefinedType[str]):
    """`pg_snapshot`: which transactions are visible at a moment."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "pg_snapshot"
