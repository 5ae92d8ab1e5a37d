"""Parts of lists."""

from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")
CURSOR = "AZDIoEsefD-dKm5fSjssHQ"


class Page(Struct, Generic[T]):
    """A part of a list."""

    items: Annotated[list[T], Meta(description="What is in this part.")]
    next_cursor: (
        Annotated[
            str, Meta(description="Pass it as `cursor` for the next part; null: this is the last.", examples=[CURSOR])
        ]
        | None
    )
    total: (
        Annotated[
            int, Meta(ge=0, le=2**53 - 1, description="Size of the whole list, if it was asked for.", examples=[42])
        ]
        | None
    )


class ListQuery(Struct, frozen=True, kw_only=True):
    """Which part of a list is wanted, as it came from the client."""

    limit: int
    cursor: str | None
    include_total: bool = False
