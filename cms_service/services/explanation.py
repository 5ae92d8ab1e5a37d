"""Why a subject may do something, or why not."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeAlias
from uuid import UUID

from cms_service.core.database import UnitOfWork
from cms_service.core.security import Principal, SubjectType, implying
from cms_service.models import ServiceAccountRole, UserRole
from cms_service.repositories import AccountState, ExplanationRepository, GrantingRoles
from cms_service.schemas import MOST_REASONS, DenialCode, DenialReason, EvaluationRequest, Explanation, GrantPath
from cms_service.services._granting_paths import granting_paths
from cms_service.services._holdings import HOLDINGS
from cms_service.services._questions import question_about, require_may_ask
from cms_service.services._reading import read_assignment, refer_to_permission, refer_to_role
from cms_service.services.decisions import DecisionPoint

_Assignment: TypeAlias = UserRole | ServiceAccountRole


class ExplanationService:
    """Decides anew, from what the database holds at one moment, and keeps what it went by."""

    def __init__(self, work: UnitOfWork, decisions: DecisionPoint, principal: Principal) -> None:
        self._repository = ExplanationRepository(work)
        self._decisions = decisions
        self._principal = principal

    async def explain(self, data: EvaluationRequest) -> Explanation:
        """The decision with what it rests on. Raises PermissionDenied where the caller may not ask."""
        require_may_ask(self._principal, data.subject)
        question = question_about(data.subject, data.action, data.resource)
        subject = await self._decisions.find_subject(question.subject_type, question.subject_id)
        now = await self._repository.begin()
        is_defined = await self._repository.has_permission(question.permission)
        account: AccountState | None = None
        assignments: Sequence[_Assignment] = ()
        graph = GrantingRoles({}, {}, {})
        if subject is not None:
            holding, permissions = HOLDINGS[subject[0]], implying(question.permission)
            account = await self._repository.find_account(holding, subject[1])
            assignments = await self._repository.find_assignments(holding, subject[1], permissions)
            role_ids = {assignment.role_id for assignment in assignments}
            graph = await self._repository.find_granting_roles(role_ids, permissions)
        obstacles = {each.id: _obstacles(each, question.scopes, now) for each in assignments}
        free = [each for each in assignments if not obstacles[each.id]]
        reasons = list(_general_reasons(account, question.permission, is_defined=is_defined))
        paths = [] if reasons else list(islice(_paths(graph, free), MOST_REASONS + 1))
        if not free:
            reasons += _reasons(graph, assignments, obstacles)
        if not paths and not reasons:
            detail = f"No role of the subject gives {question.permission}."
            reasons = [DenialReason(DenialCode.permission_not_held, detail, None)]
        return Explanation(
            decision=bool(paths),
            subject_id=_known(subject, account),
            permission=question.permission,
            is_permission_defined=is_defined,
            scopes=list(question.scopes),
            decided_at=now,
            paths=paths[:MOST_REASONS],
            reasons=reasons[:MOST_REASONS],
            has_more=max(len(paths), len(reasons)) > MOST_REASONS,
        )


def _known(subject: tuple[SubjectType, UUID] | None, account: AccountState | None) -> UUID | None:
    return None if subject is None or account is None else subject[1]


def _general_reasons(account: AccountState | None, permission: str, *, is_defined: bool) -> Iterator[DenialReason]:
    """What no assignment can make good."""
    if account is None:
        yield DenialReason(DenialCode.unknown_subject, "There is no such user or service account.", None)
    elif account.deleted_at is not None:
        detail = f"The account was deleted at {account.deleted_at.isoformat()}."
        yield DenialReason(DenialCode.deleted_subject, detail, None)
    elif not account.is_active:
        yield DenialReason(DenialCode.inactive_subject, "The account is not active.", None)
    if not is_defined:
        yield DenialReason(DenialCode.unknown_permission, f"There is no permission {permission}.", None)


def _obstacles(assignment: _Assignment, scopes: Sequence[str], now: datetime) -> list[tuple[DenialCode, str]]:
    """Why the assignment does not count here and now."""
    found = []
    if assignment.not_before is not None and assignment.not_before > now:
        detail = f"The assignment counts from {assignment.not_before.isoformat()}."
        found.append((DenialCode.assignment_not_yet_effective, detail))
    if assignment.expires_at is not None and assignment.expires_at <= now:
        detail = f"The assignment expired at {assignment.expires_at.isoformat()}."
        found.append((DenialCode.assignment_expired, detail))
    if assignment.scope is not None and assignment.scope not in scopes:
        found.append((DenialCode.other_scope, f"The assignment is limited to {assignment.scope}."))
    return found


def _paths(graph: GrantingRoles, assignments: Sequence[_Assignment]) -> Iterator[GrantPath]:
    for assignment in assignments:
        for roles, permission in granting_paths(graph, assignment.role_id):
            yield GrantPath(
                read_assignment(assignment, assignment.role),
                [refer_to_role(role) for role in roles],
                refer_to_permission(permission),
            )


def _reasons(
    graph: GrantingRoles, assignments: Sequence[_Assignment], obstacles: dict[UUID, list[tuple[DenialCode, str]]]
) -> list[DenialReason]:
    """What keeps assignments from counting. Those come first that the fewest things are in the way of."""
    reasons: list[DenialReason] = []
    for assignment in sorted(assignments, key=lambda each: len(obstacles[each.id])):
        if len(reasons) > MOST_REASONS:
            break
        for code, detail in obstacles[assignment.id]:
            reasons.append(DenialReason(code, detail, next(_paths(graph, [assignment]))))
    return reasons
