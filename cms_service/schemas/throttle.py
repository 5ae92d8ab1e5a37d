"""What was tried on an account."""

from typing import Annotated

from msgspec import Meta, Struct

from cms_service.schemas._fields import Instant


class ThrottleRead(Struct):
    """The attempts to sign in to an account that no success has followed yet."""

    failures: Annotated[
        int, Meta(ge=0, le=2**31 - 1, description="Since the last success, wherever they came from.", examples=[7])
    ]
    blocked_until: Annotated[
        Instant | None,
        Meta(
            description="Attempts without a device token are held up until then; null: they are not.",
            examples=["2026-05-05T12:00:30Z"],
        ),
    ]
    is_closed_to_strangers: Annotated[
        bool,
        Meta(
            description="After 90 failures no more guesses of strangers are compared with the password. Whoever has "
            "signed in before, with a device token, still gets in.",
            examples=[False],
        ),
    ]
