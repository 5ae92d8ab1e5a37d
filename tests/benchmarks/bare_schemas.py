"""The Structs of the bare application: what it takes and answers has the shape of what the service does."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

Name = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")]
Id = Annotated[str, Meta(max_length=1000, pattern=r"^[^\x00]*$")]


class RoleRef(Struct):
    id: UUID
    name: str
    title: str


class UserRead(Struct):
    id: UUID
    email: str
    display_name: str
    external_id: str | None
    is_active: bool
    email_verified_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int
    roles: list[RoleRef]


class AccessSubject(Struct):
    type: Name
    id: Id
    properties: dict[str, Any] | None = None


class AccessAction(Struct):
    name: Name
    properties: dict[str, Any] | None = None


class AccessResource(Struct):
    type: Name
    id: Id
    properties: dict[str, Any] | None = None


class EvaluationRequest(Struct):
    subject: AccessSubject
    action: AccessAction
    resource: AccessResource
    context: dict[str, Any] | None = None


class EvaluationError(Struct, frozen=True):
    status: int
    message: str


class DecisionContext(Struct, frozen=True):
    error: EvaluationError


class Decision(Struct, frozen=True, omit_defaults=True):
    decision: bool
    context: DecisionContext | UnsetType = UNSET


class SessionToRotate(Struct):
    id: UUID


class RotatedSession(Struct):
    id: UUID
    counter: int


class Greeting(Struct):
    message: str
