"""Where policy enforcement points find what they ask (AuthZEN §9)."""

from litestar import Controller, Response, get
from litestar.di import Provide

from cms_service.api.dependencies import AnyRequest
from cms_service.core.security import PUBLIC
from cms_service.schemas import AuthzenConfiguration
from cms_service.services import TokenIssuer

MAX_AGE_SECONDS = 3600


def provide_authzen_configuration(request: AnyRequest) -> AuthzenConfiguration:
    issuer: TokenIssuer = request.app.state.issuer
    return authzen_configuration_of(issuer.settings.public_url)


class AuthzenConfigurationController(Controller):
    path = "/.well-known"
    tags = ("discovery",)
    dependencies = {"authzen_configuration": Provide(provide_authzen_configuration, sync_to_thread=False)}
    opt = {PUBLIC: True}

    @get(
        "/authzen-configuration",
        operation_id="getAuthzenConfiguration",
        summary="Where AuthZEN clients ask for decisions",
    )
    async def get_authzen_configuration(
        self, authzen_configuration: AuthzenConfiguration
    ) -> Response[AuthzenConfiguration]:
        """The endpoints of this policy decision point."""
        return Response(authzen_configuration, headers={"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}"})


def authzen_configuration_of(public_url: str) -> AuthzenConfiguration:
    """The document of the service that is reached there, whatever Host a request names."""
    access = f"{public_url}/api/v1/access"
    return AuthzenConfiguration(
        policy_decision_point=public_url,
        access_evaluation_endpoint=f"{access}/evaluation",
        access_evaluations_endpoint=f"{access}/evaluations",
        search_subject_endpoint=f"{access}/search/subject",
        search_resource_endpoint=f"{access}/search/resource",
        search_action_endpoint=f"{access}/search/action",
    )
