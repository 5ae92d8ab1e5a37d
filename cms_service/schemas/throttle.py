"""What was tried on an account."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct


class ThrottleRead(Struct):
    """The attempts to sign in to an account that no success has followed yet."""

    failures: Annotated[int, Meta(ge=0, description="Since the last success, wherever they came from.")]
    blocked_until: Annotated[
        datetime | None, Meta(description="Until then, nobody may try who is new to the account; null: at once.")
    ]
    is_closed_to_strangers: Annotated[
        bool,
        Meta(
            description="After 90 failures no more guesses of strangers are compared with the password. Whoever has "
            "signed in before, with a device token, still gets in."
        ),
    ]
