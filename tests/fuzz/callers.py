"""Who Schemathesis calls as, and what it makes of refusals: hooks that it loads into its own process."""

import os
import re
from typing import Any, ClassVar

import httpx
import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.auths import AuthContext
from schemathesis.checks import CheckContext

SERVICE, EMAILS, PASSWORD = "FUZZ_SERVICE", "FUZZ_EMAILS", "FUZZ_PASSWORD"
MAY_DO_ALL = "FUZZ_MAY_DO_ALL"
ON_BEHALF_OF = {"$ref": "#/components/parameters/OnBehalfOf"}
BEYOND_SCHEMAS = re.compile(
    r"(.*(_ids?|/permissions)(/\d+)? not_found)"
    r"|(query/cursor|/page/token) bad_cursor"
    r"|/(new_)?password .*"
    r"|/email .*"
    r"|query/ip not_an_ip_address"
    r"|.*/(expires_at|not_before) (out_of_range|empty_window)"
    r"|/assignments/\d+ duplicate|/role_id mismatch"
    r"|/(subject|action|resource) missing"
    # What is free is still text and numbers that can be stored.
    r"|/.*/(properties|context)/.* (control_character|out_of_range)|/context/.* (control_character|out_of_range)"
    # Which of Unicode's characters are blank, not visible or steer the direction of text.
    r"|.*/(display_name|external_id|title|description|name|reason)"
    r" (nothing_visible|surrounding_blanks|control_character)"
    # Where it takes the version of a resource for its entity tag.
    r"|header/If-Match pattern",
    re.DOTALL,
)
"""Pointer and code of what makes a request wrong that keeps the schema: ids of nothing, cursors of nobody, passwords
that are too weak, windows that are over or empty, what is said twice or in two ways, and questions whose parts are
missing in the batch and in its items alike."""


FEWEST_SUCCEEDING = 0.7
"""Of all operations, for who may do everything. The others need two ids that belong together, or the like."""


class SignedIn:
    """Signs in again whenever its session has been ended, and as another account when that one is lost."""

    token: ClassVar[str | None] = None
    emails: ClassVar[list[str]] = os.environ.get(EMAILS, "").split()

    def get(self, case: Case[Any], context: AuthContext) -> str | None:  # noqa: ARG002 - the names are given
        while self.token is None and self.emails:
            body = {"email": self.emails[0], "password": os.environ[PASSWORD]}
            response = httpx.post(f"{os.environ[SERVICE]}/api/v1/auth/login", json=body)
            if response.is_success:
                SignedIn.token = response.json()["access_token"]
            else:
                del self.emails[0]
                if not self.emails:
                    raise RuntimeError("all accounts of the caller are lost")
        return self.token

    def set(self, case: Case[Any], data: str | None, context: AuthContext) -> None:  # noqa: ARG002
        if data is not None:
            case.headers["Authorization"] = f"Bearer {data}"


# Asked for every request: it keeps the token by itself.
schemathesis.auth(refresh_interval=None)(SignedIn)


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Remove from the document the parts that would have almost every request refused."""
    _drop_header_of_service_accounts(raw_schema)
    _drop_ids_from_examples(raw_schema)


def _drop_header_of_service_accounts(raw_schema: dict[str, Any]) -> None:
    """Remove the header from all operations: no caller is a service account, so the service would refuse it."""
    # A reference that is left over leads nowhere, which Schemathesis reports.
    del raw_schema["components"]["parameters"]["OnBehalfOf"]
    for item in raw_schema["paths"].values():
        for operation in item.values():
            parameters = operation.get("parameters", [])
            operation["parameters"] = [parameter for parameter in parameters if parameter != ON_BEHALF_OF]


def _drop_ids_from_examples(raw_schema: dict[str, Any]) -> None:
    """Remove optional ids from the examples of requests: they are of nothing here, and no role would be created."""
    schemas = raw_schema["components"]["schemas"]
    for item in raw_schema["paths"].values():
        for operation in item.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                required = schemas[content["schema"]["$ref"].rpartition("/")[2]].get("required", [])
                for name in [name for name in content["example"] if name.endswith("_ids") and name not in required]:
                    del content["example"][name]


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    if response.status_code == httpx.codes.UNAUTHORIZED:
        SignedIn.token = None


@schemathesis.check
def what_keeps_the_schema_is_not_refused_for_its_form(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """More exact than the status: a 400 has to name something that no schema says."""
    if (
        response.status_code != httpx.codes.BAD_REQUEST
        or case.meta is None
        or not case.meta.generation.mode.is_positive
    ):
        return
    problem = response.json()
    for fault in problem.get("errors", []):
        said = f"{fault['pointer']} {fault['code']}"
        if not BEYOND_SCHEMAS.fullmatch(said):
            raise AssertionError(f"A request that keeps the schema was refused: {said}")
    if problem.get("code") == "malformed_json":
        raise AssertionError("A request that keeps the schema was not understood.")


@schemathesis.check
class MostOperationsSucceed:
    """For who may do everything. Else nothing would be found, since all is refused, and nobody would notice."""

    def __init__(self) -> None:
        self._called: set[str] = set()
        self._succeeded: set[str] = set()

    def after_response(self, ctx: CheckContext, response: Response, case: Case[Any]) -> None:  # noqa: ARG002
        if case.method.upper() != case.operation.method.upper():
            return  # OPTIONS and others are tried on every path.
        self._called.add(case.operation.label)
        if response.status_code < httpx.codes.BAD_REQUEST:
            self._succeeded.add(case.operation.label)

    def after_run(self, ctx: CheckContext) -> None:  # noqa: ARG002
        succeeded, called = len(self._succeeded), len(self._called)
        print(f"{succeeded} of {called} operations have succeeded at least once")
        if os.environ.get(MAY_DO_ALL) and succeeded < FEWEST_SUCCEEDING * called:
            raise AssertionError(f"never succeeded: {', '.join(sorted(self._called - self._succeeded))}")
