"""Types of members that several resources share. Patterns escape with `x`, which every SDK generator reads."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from cms_service.core.security import (
    LEAST_MIN_CHARACTERS,
    MAX_CHARACTERS,
    address_violations,
    email_violations,
    identifier_violations,
    shown_text_violations,
    sought_email_violations,
)

ROLE_NAME_PATTERN = r"^[a-z][a-z0-9_-]*$"
SCOPE_PATTERN = r"^[a-z][a-z0-9_-]*:[^\x00-\x20\x7f-\x9f]+$"

REQUEST_ID = "0190c8a6-9d31-7254-a04c-e0b8a7f6c593"
"""The example that stands wherever a request is named."""

CHECK = "check"
"""Key of `Meta.extra`: a rule that a JSON schema cannot express, which services enforce. It stands here so that its
breaches are reported together with all others."""
RULE = "rule"
"""Key of `Meta.extra`: a rule on text that its pattern says in part. It is enforced where input is read, and what it
finds takes the place of a breach of the pattern."""
IS_NEW_PASSWORD = "is_new_password"  # noqa: S105 - no password
"""Key of `Meta.extra`: the policy for passwords applies, which is the operator's and enforced by services."""
IS_UNREAD = "is_unread"
"""Key of `Meta.extra`: an object of any members, which need no checking because services look only for those that they
know, if for any."""

TEXT_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""No control characters: PostgreSQL refuses NUL, and logs and pages are better off without the rest."""

Shown = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0])?$",
        extra={RULE: shown_text_violations},
    ),
]
"""Text that is shown to people. The pattern knows the blanks and controls of Latin-1, the rule those of Unicode."""
OptionallyShown = Annotated[
    str,
    Meta(
        pattern=r"^([^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0])?)?$",
        extra={RULE: shown_text_violations},
    ),
]
"""Shown to people, or empty."""
SHOWN = "Visible text, without blanks at its ends, line breaks and characters that are hidden or change its direction."
"""The rule, in the words of descriptions."""

Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=TEXT_PATTERN,
        description="E-mail address. Compared and stored without regard to case.",
        examples=["ada@example.org"],
        extra_json_schema={"format": "idn-email"},
        extra={CHECK: email_violations},
    ),
]
SoughtEmail = Annotated[Email, Meta(extra={CHECK: sought_email_violations})]
"""The address of an account that is there already: it may be older than the rules for new ones."""
DisplayName = Annotated[
    Shown, Meta(min_length=1, max_length=100, description=f"Shown to people. {SHOWN}", examples=["Ada Lovelace"])
]
ExternalId = Annotated[
    Shown,
    Meta(
        extra={RULE: identifier_violations},
        min_length=1,
        max_length=200,
        description=f"Id of the same person in another system; unique. {SHOWN} No joiners, either.",
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
    Shown, Meta(min_length=1, max_length=100, description=f"Shown to people. {SHOWN}", examples=["Editor"])
]
Description = Annotated[
    OptionallyShown,
    Meta(
        max_length=500,
        description=f"What it is for. Empty, or {SHOWN.lower()}",
        examples=["Publishes what others wrote."],
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
    Shown,
    Meta(
        min_length=1,
        max_length=500,
        description=f"Why. {SHOWN}",
        examples=["Needed until the blog has moved."],
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
CreatedAt = Annotated[Instant, Meta(description="When it was made.")]
UpdatedAt = Annotated[Instant, Meta(description="When it was last changed.", examples=["2026-05-03T09:30:00Z"])]
GrantedAt = Annotated[Instant, Meta(description="When it was granted.", examples=["2026-05-02T10:15:00Z"])]
NotBefore = Annotated[
    Instant, Meta(description="When it begins to count. Null: at once.", examples=["2026-05-04T06:00:00Z"])
]
ExpiresAt = Annotated[
    Instant, Meta(description="When it ceases to count. Null: never.", examples=["2026-11-01T00:00:00Z"])
]
Version = Annotated[
    int,
    Meta(
        ge=1,
        le=2**31 - 1,
        description="Counts the changes; quoted, it serves as entity tag in If-Match.",
        examples=[3],
    ),
]
IsActive = Annotated[bool, Meta(description="Whether it may sign in or use its keys.", examples=[True])]
IsSystem = Annotated[
    bool, Meta(description="Part of the service: it is neither renamed nor deleted.", examples=[False])
]
UserId = Annotated[UUID, Meta(description="Id of the user.", examples=["0190c8a0-4b1e-7c3f-9d2a-6e5f4a3b2c1d"])]
RoleId = Annotated[UUID, Meta(description="Id of the role.", examples=["0190c8a1-0d52-7a64-8f11-2c7be3f0a9d4"])]
PermissionId = Annotated[
    UUID, Meta(description="Id of the permission.", examples=["0190c8a1-3f7c-7b08-a2c5-91d4e6f8b013"])
]
ServiceAccountId = Annotated[
    UUID, Meta(description="Id of the service account.", examples=["0190c8a2-5e90-7d1a-b3f7-04a8c6e2d915"])
]
ApiKeyId = Annotated[UUID, Meta(description="Id of the key.", examples=["0190c8a2-71b4-7e2c-9c08-5f3d1a7b6e42"])]
SessionId = Annotated[UUID, Meta(description="Id of the session.", examples=["0190c8a3-2c6d-7f3e-8a19-b7e5d4c3f260"])]
AssignmentId = Annotated[
    UUID, Meta(description="Id of the assignment.", examples=["0190c8a4-0f18-7042-b52a-c8f6e5d4a371"])
]
GrantedBy = Annotated[
    UUID,
    Meta(
        description="The account that granted it. Null: the service.", examples=["0190c8a0-1a2b-7c4d-8e5f-6a7b8c9d0e1f"]
    ),
]
RoleIds = Annotated[list[RoleId], Meta(max_length=500)]
PermissionIds = Annotated[list[PermissionId], Meta(max_length=500)]
Address = Annotated[str, Meta(description="Where the requests came from.", examples=["192.0.2.1"])]
SoughtAddress = Annotated[str, Meta(extra={CHECK: address_violations})]
"""An IP address in any spelling."""
AccessTokenText = Annotated[
    str,
    Meta(
        description="The access token. Send it as `Authorization: Bearer …`.",
        examples=["eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTkwYzhhMCJ9.c2lnbmF0dXJl"],
    ),
]
TokenType = Annotated[Literal["Bearer"], Meta(description="How the access token is sent (RFC 6750).")]
