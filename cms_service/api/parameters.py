"""Query parameters that several lists share."""

from datetime import datetime
from typing import Annotated

from litestar.params import QueryParameter

from cms_service.schemas import SCOPE_PATTERN, TEXT_PATTERN

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many items at the most.")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="`next_cursor` of the part before; absent for the first.",
    ),
]
IncludeTotal = Annotated[bool, QueryParameter(description="Whether to count the whole list, too.")]
Search = Annotated[
    str | None,
    QueryParameter(
        min_length=2, max_length=100, pattern=TEXT_PATTERN, description="Text to look for, in any letter case."
    ),
]
Exactly = Annotated[
    str | None, QueryParameter(min_length=1, max_length=254, pattern=TEXT_PATTERN, description="Exactly this.")
]
InScope = Annotated[
    str | None,
    QueryParameter(
        name="scope",
        max_length=200,
        pattern=SCOPE_PATTERN,
        description="The scope of the assignment; absent for the one without a scope.",
    ),
]
After = Annotated[datetime | None, QueryParameter(description="Only what is younger than this instant.")]
Before = Annotated[datetime | None, QueryParameter(description="Only what is older than this instant.")]

DEFAULT_LIMIT = 20
