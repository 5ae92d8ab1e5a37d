"""`?dry_run=true`: a write shows what it would change, and writes nothing."""

from typing import Annotated, Any

from litestar import Request, Response
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from cms_service.schemas import AccessPreview
from cms_service.services import Previewed

DryRun = Annotated[
    bool,
    QueryParameter(
        description="Only show who would gain and who would lose which permission. Everything is checked as ever, and "
        "nothing is written."
    ),
]
PREVIEWED = {202: ResponseSpec(AccessPreview, description="With `dry_run`: what would change.")}
"""For `responses=` of a handler."""


def answer_preview(_: Request[Any, Any, Any], previewed: Previewed) -> Response[AccessPreview]:
    """The answer to a write that was only tried out."""
    return Response(previewed.preview, status_code=202)
