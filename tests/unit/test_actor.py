"""Actions that need an actor of a certain kind refuse every other."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from cms_service.core.exceptions import AuthenticationRequired, PermissionDenied, ServiceError
from cms_service.core.security import SYSTEM, Actor, SubjectType

NOBODY = Actor()
SESSIONLESS = Actor(uuid4())
SIGNED_IN = Actor(uuid4(), uuid4())
DEPUTY = Actor(uuid4(), uuid4(), acting_service_id=uuid4())
"""A service account that acts on behalf of a user."""
MACHINE = Actor(uuid4(), subject_type=SubjectType.service)


@pytest.mark.parametrize(
    ("require", "actor", "refusal"),
    [
        (Actor.require_user_id, NOBODY, AuthenticationRequired),
        (Actor.require_user_id, SYSTEM, AuthenticationRequired),
        (Actor.require_user_id, MACHINE, PermissionDenied),
        (Actor.require_session_id, NOBODY, AuthenticationRequired),
        (Actor.require_session_id, SYSTEM, AuthenticationRequired),
        (Actor.require_session_id, MACHINE, PermissionDenied),
        (Actor.require_session_id, SESSIONLESS, AuthenticationRequired),
    ],
)
def test_actor_is_refused_when_it_is_no_user_or_has_no_session(
    require: Callable[[Actor], UUID], actor: Actor, refusal: type[ServiceError]
) -> None:
    with pytest.raises(ServiceError) as refused:
        require(actor)
    assert type(refused.value) is refusal


@pytest.mark.parametrize("actor", [SESSIONLESS, SIGNED_IN, DEPUTY])
def test_actor_is_known_by_its_user(actor: Actor) -> None:
    assert actor.require_user_id() == actor.subject_id


@pytest.mark.parametrize("actor", [SIGNED_IN, DEPUTY])
def test_actor_is_known_by_its_session(actor: Actor) -> None:
    assert actor.require_session_id() == actor.session_id
