"""What others may do: the OpenID AuthZEN Authorization API 1.0, and the reasons for its decisions."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.params import JSONBody

from cms_service.api.dependencies import READS, provided
from cms_service.api.problems import documented, refuse
from cms_service.core.exceptions import (
    PermissionDenied,
    UnsupportedContentEncoding,
    UnsupportedMediaType,
    ValidationFailed,
    Violation,
)
from cms_service.core.security import authenticated, requires
from cms_service.schemas import (
    ActionSearchAnswer,
    ActionSearchRequest,
    Decision,
    EvaluationRequest,
    EvaluationsAnswer,
    EvaluationsRequest,
    Explanation,
    Problem,
    ResourceSearchAnswer,
    ResourceSearchRequest,
    SubjectSearchAnswer,
    SubjectSearchRequest,
    ValidationProblem,
)
from cms_service.services import AccessSearchService, EvaluationService, ExplanationService


def refuse_media_type(
    request: Request[Any, Any, Any], error: UnsupportedMediaType
) -> Response[Problem | ValidationProblem]:
    """AuthZEN knows no 415: a body of another kind is a bad request."""
    return refuse(request, ValidationFailed(Violation("header/Content-Type", error.code, error.detail)))


class AccessController(Controller):
    path = "/access"
    tags = ("access",)
    dependencies = provided("evaluations", "explanations", "access_search")
    opt = {READS: True}
    exception_handlers = {UnsupportedMediaType: refuse_media_type}

    @post(
        "/evaluation",
        operation_id="evaluateAccess",
        summary="Ask whether a subject may",
        status_code=200,
        guards=[authenticated],
        responses=documented(PermissionDenied, UnsupportedContentEncoding),
    )
    async def evaluate_access(self, evaluations: EvaluationService, data: JSONBody[EvaluationRequest]) -> Decision:
        """Whether the subject may do this to the resource now. A denial is an answer like any other: 200.

        Once addresses can be verified, a user who is named by e-mail address counts only if it is verified. Prefer ids.

        Needs the permission `access:check`, unless you ask about yourself by your id.
        """
        return await evaluations.evaluate(data)

    @post(
        "/evaluations",
        operation_id="evaluateAccesses",
        summary="Ask many such questions",
        status_code=200,
        guards=[authenticated],
        responses=documented(PermissionDenied, UnsupportedContentEncoding),
    )
    async def evaluate_accesses(
        self, evaluations: EvaluationService, data: JSONBody[EvaluationsRequest]
    ) -> EvaluationsAnswer:
        """The decisions in the order of the questions.

        Members outside `evaluations` stand in, whole, for those that are missing inside. A question that cannot be
        answered is denied, and its `context.error` says why.

        Once addresses can be verified, a user who is named by e-mail address counts only if it is verified. Prefer ids.

        Needs the permission `access:check`, unless you ask about yourself by your id.
        """
        return await evaluations.evaluate_all(data)

    @post(
        "/search/subject",
        operation_id="searchSubjects",
        summary="Search the subjects that can access a resource",
        status_code=200,
        guards=[requires("access:check")],
        responses=documented(UnsupportedContentEncoding),
    )
    async def search_subjects(
        self, access_search: AccessSearchService, data: JSONBody[SubjectSearchRequest]
    ) -> SubjectSearchAnswer:
        """Users or service accounts, by their ids, that may do this to the resource now.

        `page.total` is told where all results are in the first part, or `page.properties.include_total` is true.
        """
        return await access_search.find_subjects(data)

    @post(
        "/search/resource",
        operation_id="searchResources",
        summary="Search the resources a subject can access",
        status_code=200,
        guards=[authenticated],
        responses=documented(PermissionDenied, UnsupportedContentEncoding),
    )
    async def search_resources(
        self, access_search: AccessSearchService, data: JSONBody[ResourceSearchRequest]
    ) -> ResourceSearchAnswer:
        """Resources of the type for which the subject has assignments of their own.

        `context.all` says whether it may do it to all others as well.

        Once addresses can be verified, a user who is named by e-mail address counts only if it is verified. Prefer ids.

        Needs the permission `access:check`, unless you ask about yourself by your id.
        """
        return await access_search.find_resources(data)

    @post(
        "/search/action",
        operation_id="searchActions",
        summary="Search the actions a subject can take",
        status_code=200,
        guards=[authenticated],
        responses=documented(PermissionDenied, UnsupportedContentEncoding),
    )
    async def search_actions(
        self, access_search: AccessSearchService, data: JSONBody[ActionSearchRequest]
    ) -> ActionSearchAnswer:
        """Every action for which there is a permission on this type of resource, and which the subject may do now.

        Once addresses can be verified, a user who is named by e-mail address counts only if it is verified. Prefer ids.

        Needs the permission `access:check`, unless you ask about yourself by your id.
        """
        return await access_search.find_actions(data)

    @post(
        "/explain",
        operation_id="explainAccess",
        summary="Ask why a subject may or may not",
        status_code=200,
        guards=[authenticated],
        responses=documented(PermissionDenied, UnsupportedContentEncoding),
    )
    async def explain_access(self, explanations: ExplanationService, data: JSONBody[EvaluationRequest]) -> Explanation:
        """The decision with every way by which the subject has the permission, or with what stands in its way.

        Once addresses can be verified, a user who is named by e-mail address counts only if it is verified. Prefer ids.

        Needs the permission `access:check`, unless you ask about yourself by your id.
        """
        return await explanations.explain(data)
