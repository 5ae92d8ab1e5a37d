"""HTTP and nothing else."""

from cms_service.api.authentication import Authentication
from cms_service.api.authzen_configuration import AuthzenConfigurationController
from cms_service.api.cors import cors_config
from cms_service.api.envelope import Envelope
from cms_service.api.health import HealthController
from cms_service.api.home_page import HomeController, HomePage
from cms_service.api.json_response import JsonResponse
from cms_service.api.litestar_seam import DirectDependencies, DirectGuards
from cms_service.api.metrics import MetricsController, MetricsPage
from cms_service.api.openapi import ApiDocument
from cms_service.api.problem_pages import problem_index, problem_page
from cms_service.api.problems import EXCEPTION_HANDLERS
from cms_service.api.readmission import Readmission
from cms_service.api.refusals import RefusalAudit
from cms_service.api.request_metrics import RefusalMetrics
from cms_service.api.strict_input import StrictInput
from cms_service.api.well_known import WellKnownController

__all__ = [
    "EXCEPTION_HANDLERS",
    "ApiDocument",
    "Authentication",
    "AuthzenConfigurationController",
    "DirectDependencies",
    "DirectGuards",
    "Envelope",
    "HealthController",
    "HomeController",
    "HomePage",
    "JsonResponse",
    "MetricsController",
    "MetricsPage",
    "Readmission",
    "RefusalAudit",
    "RefusalMetrics",
    "StrictInput",
    "WellKnownController",
    "cors_config",
    "problem_index",
    "problem_page",
]
