"""Questions and answers of the OpenID AuthZEN Authorization API 1.0.

Alone among requests, these ignore members that they do not know, and take null for absent, as the standard asks.
"""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from cms_service.schemas._fields import IS_UNREAD

_SERVICE = "https://accounts.example.org"

MOST_EVALUATIONS = 1000
DEFAULT_RESULTS = 100
MOST_RESULTS = 1000
MOST_SCOPES = 50
"""Of one resource: what it is part of is looked up for every question about it. The services count them."""

STORABLE = r"^[^\x00]*$"
"""All but NUL: AuthZEN leaves open what names look like, and PostgreSQL stores any other character."""
EntityType = Annotated[str, Meta(max_length=200, pattern=STORABLE, description="Its kind.", examples=["articles"])]
EntityId = Annotated[
    str, Meta(max_length=1000, pattern=STORABLE, description="Unique within its type.", examples=["launch-day"])
]
ActionName = Annotated[
    str, Meta(max_length=200, pattern=STORABLE, description="What is to be done.", examples=["publish"])
]
Attributes = Annotated[
    dict[str, Any],
    Meta(
        title="AccessProperties",
        description="Further attributes.",
        examples=[{"department": "news"}],
        extra_json_schema={"additionalProperties": True},
        extra={IS_UNREAD: True},
    ),
]
ResourceAttributes = Annotated[
    dict[str, Any],
    Meta(
        title="ResourceProperties",
        description="Further attributes. `scopes` names what the resource is part of, each as `type:id`.",
        examples=[{"scopes": ["site:blog"]}],
        extra_json_schema={
            "additionalProperties": True,
            "properties": {
                "scopes": {
                    "type": ["array", "null"],
                    "items": {"type": "string", "pattern": STORABLE},
                    "maxItems": MOST_SCOPES,
                    "description": "What the resource is part of.",
                }
            },
        },
        extra={IS_UNREAD: True},
    ),
]
Context = Annotated[
    dict[str, Any],
    Meta(
        title="AccessContext",
        description="The circumstances. They decide nothing here.",
        examples=[{"time": "2026-05-01T08:00:00Z"}],
        extra_json_schema={"additionalProperties": True},
        extra={IS_UNREAD: True},
    ),
]


class AccessSubject(Struct):
    """Who asks for access: a `user` by id, external id or e-mail address, or a `service` by id or name."""

    type: Annotated[EntityType, Meta(examples=["user"])]
    id: Annotated[
        EntityId,
        Meta(
            description="Unique within its type. Once addresses can be verified, an e-mail address counts only if it "
            "is verified.",
            examples=["ada@example.org"],
        ),
    ]
    properties: Attributes | None = None


class AccessAction(Struct):
    """What the subject wants to do. With the type of the resource it makes the permission `type:name`."""

    name: ActionName
    properties: Annotated[Attributes | None, Meta(examples=[{"channel": "web"}])] = None


class AccessResource(Struct):
    """What it is to be done to. Assignments in the scope `type:id`, or in one of `properties.scopes`, count."""

    type: EntityType
    id: EntityId
    properties: ResourceAttributes | None = None


class EvaluationRequest(Struct):
    """Whether the subject may do this to the resource."""

    subject: AccessSubject
    action: AccessAction
    resource: AccessResource
    context: Context | None = None


class EvaluationItem(Struct):
    """One question of many. A member that is absent is that of the whole request."""

    subject: Annotated[AccessSubject | None, Meta(examples=[])] = None
    action: Annotated[AccessAction | None, Meta(examples=[])] = None
    resource: AccessResource | None = None
    context: Annotated[Context | None, Meta(examples=[])] = None


class EvaluationsSemantic(StrEnum):
    """When to stop: never, after the first denial or failure, or after the first permission."""

    execute_all = "execute_all"
    deny_on_first_deny = "deny_on_first_deny"
    permit_on_first_permit = "permit_on_first_permit"


class EvaluationsOptions(Struct):
    """How many questions are answered."""

    evaluations_semantic: EvaluationsSemantic | None = None


class EvaluationsRequest(Struct):
    """Many questions at once, or, without `evaluations`, a single one."""

    subject: AccessSubject | None = None
    action: AccessAction | None = None
    resource: Annotated[AccessResource | None, Meta(examples=[])] = None
    context: Context | None = None
    evaluations: (
        Annotated[list[EvaluationItem], Meta(max_length=MOST_EVALUATIONS, description="The questions.")] | None
    ) = None
    options: EvaluationsOptions | None = None


class EvaluationError(Struct, frozen=True):
    """Why a question was not answered."""

    status: Annotated[int, Meta(ge=400, le=599, description="Status of HTTP that says it best.", examples=[400])]
    message: Annotated[str, Meta(description="The reason, for people.", examples=["The action is missing."])]


class DecisionContext(Struct, frozen=True):
    """What there is to say about a decision."""

    error: EvaluationError


class Decision(Struct, frozen=True, omit_defaults=True):
    """Whether the subject may. Never when the question could not be answered, which `context` says then."""

    decision: Annotated[bool, Meta(description="Whether the subject may.")]
    context: (
        Annotated[DecisionContext, Meta(description="Present where the question could not be answered.", examples=[])]
        | UnsetType
    ) = UNSET


class EvaluationsAnswer(Struct, omit_defaults=True):
    """The decisions, in the order of the questions; or, to a single question, the decision."""

    evaluations: Annotated[list[Decision], Meta(description="One for each question.")] | UnsetType = UNSET
    decision: Annotated[bool, Meta(description="To a single question.", examples=[])] | UnsetType = UNSET


class PageRequest(Struct):
    """Which part of the results is wanted."""

    token: Annotated[str, Meta(max_length=2000, description="`next_token` of the part before.", examples=[])] | None = (
        None
    )
    limit: (
        Annotated[
            int, Meta(ge=0, le=2**31 - 1, description="100 if absent. At most 1,000 are answered.", examples=[100])
        ]
        | None
    ) = None
    properties: Annotated[Attributes | None, Meta(examples=[{"include_total": True}])] = None


class SearchedSubject(Struct):
    """The kind of subjects that are looked for: `user` or `service`. An `id` is ignored."""

    type: Annotated[EntityType, Meta(examples=["user"])]
    properties: Attributes | None = None


class SearchedResource(Struct):
    """The kind of resources that are looked for. An `id` is ignored."""

    type: EntityType
    properties: ResourceAttributes | None = None


class SubjectSearchRequest(Struct):
    """Who may do this to the resource."""

    subject: SearchedSubject
    action: AccessAction
    resource: AccessResource
    context: Context | None = None
    page: PageRequest | None = None


class ResourceSearchRequest(Struct):
    """To what the subject may do this."""

    subject: AccessSubject
    action: AccessAction
    resource: SearchedResource
    context: Context | None = None
    page: PageRequest | None = None


class ActionSearchRequest(Struct):
    """What the subject may do to the resource."""

    subject: AccessSubject
    resource: AccessResource
    context: Context | None = None
    page: PageRequest | None = None


class SearchPage(Struct, omit_defaults=True):
    """Which part of the results this is."""

    next_token: Annotated[
        str, Meta(description="Pass it as `page.token` for the next part. Empty at the end.", examples=[""])
    ]
    count: Annotated[int, Meta(ge=0, le=MOST_RESULTS, description="Results in this part.", examples=[1])]
    total: Annotated[int, Meta(ge=0, le=2**53 - 1, description="All results, if they were counted.", examples=[1])] | (
        UnsetType
    ) = UNSET


class FoundSubject(Struct):
    """A subject that may."""

    type: Annotated[EntityType, Meta(examples=["user"])]
    id: Annotated[EntityId, Meta(examples=["0190c8a0-4b1e-7c3f-9d2a-6e5f4a3b2c1d"])]


class FoundResource(Struct):
    """A resource to which the subject may do it."""

    type: EntityType
    id: EntityId


class FoundAction(Struct):
    """What the subject may do."""

    name: ActionName


class SubjectSearchAnswer(Struct):
    """Subjects that may."""

    page: SearchPage
    results: Annotated[list[FoundSubject], Meta(description="Those of this part.")]


class ResourceSearchContext(Struct):
    """What there is to say about the resources that were found."""

    all: Annotated[
        bool,
        Meta(
            description="The subject may do it to every resource of this type, because nothing limits one of its "
            "assignments, or because they are part of a scope of one. `results` are not all of them then."
        ),
    ]


class ResourceSearchAnswer(Struct):
    """Resources for which the subject has assignments of their own."""

    page: SearchPage
    context: ResourceSearchContext
    results: Annotated[list[FoundResource], Meta(description="Those of this part.")]


class ActionSearchAnswer(Struct):
    """What the subject may do."""

    page: SearchPage
    results: Annotated[list[FoundAction], Meta(description="Those of this part.")]


class AuthzenConfiguration(Struct):
    """Where this policy decision point answers (AuthZEN §9)."""

    policy_decision_point: Annotated[str, Meta(description="This service.", examples=[_SERVICE])]
    access_evaluation_endpoint: Annotated[
        str, Meta(description="For one question.", examples=[f"{_SERVICE}/api/v1/access/evaluation"])
    ]
    access_evaluations_endpoint: Annotated[
        str, Meta(description="For many at once.", examples=[f"{_SERVICE}/api/v1/access/evaluations"])
    ]
    search_subject_endpoint: Annotated[
        str, Meta(description="For who may.", examples=[f"{_SERVICE}/api/v1/access/search/subject"])
    ]
    search_resource_endpoint: Annotated[
        str, Meta(description="For what it may be done to.", examples=[f"{_SERVICE}/api/v1/access/search/resource"])
    ]
    search_action_endpoint: Annotated[
        str, Meta(description="For what may be done.", examples=[f"{_SERVICE}/api/v1/access/search/action"])
    ]
