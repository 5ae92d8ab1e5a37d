"""Yes or no, one question or many."""

from cms_service.core.exceptions import ValidationFailed, Violation
from cms_service.core.security import Principal
from cms_service.schemas import (
    Decision,
    DecisionContext,
    EvaluationError,
    EvaluationItem,
    EvaluationRequest,
    EvaluationsAnswer,
    EvaluationsRequest,
    EvaluationsSemantic,
)
from cms_service.services._questions import permission_of, question_about, require_may_ask, scopes_of
from cms_service.services.decisions import DecisionPoint, Judge

PERMITTED, DENIED = Decision(decision=True), Decision(decision=False)
_LAST = {EvaluationsSemantic.deny_on_first_deny: False, EvaluationsSemantic.permit_on_first_permit: True}
_NEEDED = ("subject", "action", "resource")


class EvaluationService:
    """Answers one caller. It needs no unit of work: decisions are made in memory."""

    def __init__(self, decisions: DecisionPoint, principal: Principal) -> None:
        self._decisions = decisions
        self._principal = principal

    async def evaluate(self, data: EvaluationRequest) -> Decision:
        """Raises PermissionDenied where the caller may not ask, and ValidationFailed."""
        require_may_ask(self._principal, data.subject)
        question = question_about(data.subject, data.action, data.resource)
        return PERMITTED if await self._decisions.decide(question) else DENIED

    async def evaluate_all(self, data: EvaluationsRequest) -> EvaluationsAnswer:
        """The decisions up to the one that settles it. Without `evaluations` the only one, as `evaluate` has it."""
        if not data.evaluations:
            single = await self.evaluate(_single(data))
            return EvaluationsAnswer(decision=single.decision)
        subjects = (item.subject or data.subject for item in data.evaluations)
        for subject in {id(subject): subject for subject in subjects if subject is not None}.values():
            require_may_ask(self._principal, subject)
        semantic = data.options.evaluations_semantic if data.options else None
        last = None if semantic is None else _LAST.get(semantic)
        answers: list[Decision] = []
        judges: dict[tuple[str, str], Judge] = {}
        for item in data.evaluations:
            answer = await self._evaluate_item(item, data, judges)
            answers.append(answer)
            if answer.decision is last:
                break
        return EvaluationsAnswer(evaluations=answers)

    async def _evaluate_item(
        self, item: EvaluationItem, defaults: EvaluationsRequest, judges: dict[tuple[str, str], Judge]
    ) -> Decision:
        subject, action = item.subject or defaults.subject, item.action or defaults.action
        resource = item.resource or defaults.resource
        if subject is None or action is None or resource is None:
            return _unanswered("A question needs a subject, an action and a resource, its own or the request's.")
        try:
            scopes = scopes_of(resource)
        except ValidationFailed as failure:
            return _unanswered(failure.detail)
        judge = judges.get((subject.type, subject.id))
        if judge is None:
            judge = judges[subject.type, subject.id] = await self._decisions.judge_of(subject.type, subject.id)
        return PERMITTED if await judge.decide(permission_of(action, resource), scopes) else DENIED


def _single(data: EvaluationsRequest) -> EvaluationRequest:
    if data.subject is None or data.action is None or data.resource is None:
        missing = [name for name in _NEEDED if getattr(data, name) is None]
        raise ValidationFailed(*(Violation(f"/{name}", "missing", "This member is required.") for name in missing))
    return EvaluationRequest(data.subject, data.action, data.resource, data.context)


def _unanswered(message: str) -> Decision:
    return Decision(decision=False, context=DecisionContext(EvaluationError(400, message)))
