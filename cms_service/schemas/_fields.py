"""Types of members that several resources share. Patterns escape with `x`, which every SDK generator reads."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from cms_service.core.security import LEAST_MIN_CHARACTERS, MAX_CHARACTERS, email_violations

ROLE_NAME_PATTERN = r"^[a-z][a-z0-9_-]*$"
SCOPE_PATTERN = r"^[a-z][a-z0-9_-]*:[^\x00-\x20\x7f-\x9f]+$"

CHECK = "check"
"""Key of `Meta.extra`: a rule that a JSON schema cannot express, which services enforce. It stands here so that its
breaches are reported together with all others."""
IS_NEW_PASSWORD = "is_new_password"  # noqa: S105 - no password
"""Key of `Meta.extra`: the policy for passwords applies, which is the operator's and enforced by services."""
IS_UNREAD = "is_unread"
"""Key of `Meta.extra`: an object of any members, which need no checking because services look only for those that they
know, if for any."""

TEXT_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""No control characters: PostgreSQL refuses NUL, and logs and pages are better off without the rest."""

Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=TEXT_PATTERN,
        description="E-mail address. Compared and stored without regard to case.",
        examples=["ada@example.org"],
        extra_json_schema={"format": "email"},
        extra={CHECK: email_violations},
    ),
]
DisplayName = Annotated[
    str,
    Meta(min_length=1, max_length=100, pattern=TEXT_PATTERN, description="Shown to people.", examples=["Ada Lovelace"]),
]
ExternalId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=TEXT_PATTERN,
        description="Id of the same person in another system; unique.",
        examples=["hr-1815"],
    ),
]
NewPassword = Annotated[
    str,
    Meta(
        max_length=1024,
        pattern=TEXT_PATTERN,
        description="At least 15 characters, unless the operator asks for more or fewer, and at most 128, of any kind. "
        "Spaces count and are kept. Refused when it is common, follows a pattern or is made of the user's own words.",
        examples=["seven green owls on a wire"],
        extra_json_schema={"format": "password", "minLength": LEAST_MIN_CHARACTERS, "maxLength": MAX_CHARACTERS},
        extra={IS_NEW_PASSWORD: True},
    ),
]
PresentPassword = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1024,
        pattern=TEXT_PATTERN,
        description="The password in use.",
        examples=["seven green owls on a wire"],
        extra_json_schema={"format": "password"},
    ),
]
RoleName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=ROLE_NAME_PATTERN,
        description="Machine name, unique.",
        examples=["editor"],
    ),
]
Title = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=TEXT_PATTERN, description="Shown to people.", examples=["Editor"])
]
Description = Annotated[
    str,
    Meta(
        max_length=500, pattern=TEXT_PATTERN, description="What it is for.", examples=["Publishes what others wrote."]
    ),
]
PermissionName = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=100,
        pattern=r"^([a-z][a-z0-9_-]*:([a-z][a-z0-9_-]*|\*)|\*:\*)$",
        description="`resource:action`. `articles:*` implies every action on articles, `*:*` everything.",
        examples=["articles:publish"],
    ),
]
Scope = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=SCOPE_PATTERN,
        description="The one thing that it is limited to, as `type:id`. Null is everywhere.",
        examples=["site:blog"],
    ),
]
Reason = Annotated[
    str,
    Meta(
        min_length=1, max_length=500, pattern=TEXT_PATTERN, description="Why.", examples=["Stands in for Grace in May."]
    ),
]
RefreshTokenText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        pattern=TEXT_PATTERN,
        description="The refresh token, as it was given out.",
        examples=["cms_r_6cFnnMOs9L0YF8FT0HrRyeiNxaYzsyEJ6ryzRSOmZbwmXubLwoahAfFBvjySpEMnWe96rU3k7Ge1"],
    ),
]
DeviceToken = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        pattern=TEXT_PATTERN,
        description="Names a device that this user has signed in from. Keep it, and send it with the next login: while "
        "somebody guesses the password, it keeps this device from being held up. It lets nobody in.",
        examples=["cms_d_0Vt5mVLuUsd0yhPrRtRX9SjEdmOrVwvvmlO4kClhdLDmcgQbm4KlNzzzaSMIMsMFFMLHqLvqzUsX1"],
    ),
]
Instant = Annotated[datetime, Meta(tz=True, examples=["2026-05-01T08:00:00Z"])]
Version = Annotated[
    int, Meta(ge=1, le=2**31 - 1, description="Counts the changes; quoted, it serves as entity tag in If-Match.")
]
Ids = Annotated[list[UUID], Meta(max_length=500)]
