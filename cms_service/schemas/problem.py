"""What every refusal looks like: RFC 9457 problem details."""

from typing import Annotated

from msgspec import Meta, Struct

from cms_service.schemas._fields import REQUEST_ID

Status = Annotated[int, Meta(ge=400, le=599, description="The HTTP status, repeated.", examples=[404])]
ProblemType = Annotated[
    str,
    Meta(
        description="Path of the page about this kind of problem: it ends with `/problems/` and the code.",
        examples=["/problems/not_found"],
    ),
]
Title = Annotated[
    str, Meta(description="The same sentence for every occurrence of this kind.", examples=["There is no such thing."])
]
Detail = Annotated[str, Meta(description="What happened this time, for people.", examples=["There is no such thing."])]
Instance = Annotated[
    str,
    Meta(description="The path that was asked for.", examples=["/api/v1/users/0190c8a0-4b1e-7c3f-9d2a-6e5f4a3b2c1d"]),
]
Code = Annotated[str, Meta(description="Stable name of the kind of problem, for programs.", examples=["not_found"])]
RequestId = Annotated[
    str, Meta(description="The same as the `X-Request-ID` header; quote it to the operators.", examples=[REQUEST_ID])
]


class FieldError(Struct, frozen=True):
    """One way in which the input breaks its contract."""

    pointer: Annotated[
        str,
        Meta(
            description="RFC 6901 pointer into the body, or `query/NAME`, `header/NAME`; empty for the whole body.",
            examples=["/email"],
        ),
    ]
    code: Annotated[str, Meta(description="Stable reason, for programs.", examples=["too_short"])]
    detail: Annotated[str, Meta(description="The reason, for people.", examples=["At least 3 characters are needed."])]


class Problem(Struct, frozen=True):
    """Why a request was refused (RFC 9457)."""

    type: ProblemType
    title: Title
    status: Status
    detail: Detail
    instance: Instance
    code: Code
    request_id: RequestId


class ValidationProblem(Problem, frozen=True):
    """Why a request was refused, with every fault of its input (RFC 9457)."""

    errors: Annotated[list[FieldError], Meta(description="Every fault; empty when nothing could be read.")]
