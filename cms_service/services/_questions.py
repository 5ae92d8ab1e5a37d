"""What AuthZEN calls subject, action and resource, in the terms of permissions and scopes; and who may ask."""

from cms_service.core.exceptions import PermissionDenied, ValidationFailed, Violation
from cms_service.core.security import Principal
from cms_service.schemas import MOST_SCOPES, AccessAction, AccessResource, AccessSubject, SearchedResource
from cms_service.services.decisions import Question

CHECK_ACCESS = "access:check"


def question_about(subject: AccessSubject, action: AccessAction, resource: AccessResource) -> Question:
    """Raises ValidationFailed where `scopes` of the resource are not what they should be."""
    return Question(subject.type, subject.id, permission_of(action, resource), scopes_of(resource))


def permission_of(action: AccessAction, resource: AccessResource | SearchedResource) -> str:
    return f"{resource.type}:{action.name}"


def scopes_of(resource: AccessResource) -> tuple[str, ...]:
    """Where assignments count: the resource itself, and what it is part of. Raises ValidationFailed."""
    itself = f"{resource.type}:{resource.id}"
    return (itself, *surroundings_of(resource)) if resource.properties else (itself,)


def surroundings_of(resource: AccessResource | SearchedResource) -> list[str]:
    """What the resource says it is part of. Raises ValidationFailed."""
    scopes = (resource.properties or {}).get("scopes")
    if scopes is None:
        return []
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        detail = "The scopes of a resource are an array of strings."
        raise ValidationFailed(Violation("/resource/properties/scopes", "wrong_type", detail))
    if len(scopes) > MOST_SCOPES:
        detail = f"At most {MOST_SCOPES} items are allowed."
        raise ValidationFailed(Violation("/resource/properties/scopes", "too_long", detail))
    return scopes


def require_may_ask(principal: Principal, subject: AccessSubject) -> None:
    """Everybody may ask about themselves, by their id. Raises PermissionDenied."""
    if principal.holds(CHECK_ACCESS):
        return
    if subject.type != principal.subject_type or subject.id != str(principal.subject_id):
        raise PermissionDenied(f"This needs the permission {CHECK_ACCESS}, unless you ask about yourself by your id.")
