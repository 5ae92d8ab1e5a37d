"""All decisions, one aggregate in a file."""

from cms_service.services.access_memory import AccessMemory
from cms_service.services.access_reader import AccessReader
from cms_service.services.access_search import AccessSearchService
from cms_service.services.access_tokens import AccessTokenReader
from cms_service.services.administrators import AdministratorService
from cms_service.services.api_keys import ApiKeyService
from cms_service.services.assignments import AssignmentService
from cms_service.services.audit_events import AuditEventService, RefusalRecorder
from cms_service.services.auth import AuthService
from cms_service.services.authentication import Authenticator, CredentialAuthenticator
from cms_service.services.cache_lease import CacheKeeper, Hearing
from cms_service.services.decisions import DecisionPoint, Question
from cms_service.services.diagnosis import Doctor
from cms_service.services.directory import UserDirectory
from cms_service.services.evaluation import EvaluationService
from cms_service.services.explanation import ExplanationService
from cms_service.services.holders import HolderService
from cms_service.services.housekeeping import Housekeeper
from cms_service.services.idempotency import IdempotencyService, KeptAnswer
from cms_service.services.inheritance import InheritanceService
from cms_service.services.introspection import IntrospectionService, Introspector
from cms_service.services.key_ring import KeyRing, PublishedKeys
from cms_service.services.key_usage import KeyUsage
from cms_service.services.machine_enrolment import EnrolledMachine, MachineEnrolment
from cms_service.services.oauth_clients import ClientService, PresentedClient
from cms_service.services.oauth_metadata import PublishedMetadata, publish_metadata
from cms_service.services.observation import TimedPropagation, observe_state
from cms_service.services.password_resets import PasswordReset, PasswordResetService
from cms_service.services.permissions import PermissionService
from cms_service.services.preconditions import Precondition, Versioned, entity_tag
from cms_service.services.previews import Previewed, PreviewService
from cms_service.services.readiness import Readiness
from cms_service.services.recognition import RecognisedCallers
from cms_service.services.revocation import RevocationService
from cms_service.services.roles import RoleService
from cms_service.services.server_checks import check_servers
from cms_service.services.service_account_roles import ServiceAccountRoleService
from cms_service.services.service_accounts import ServiceAccountService
from cms_service.services.sessions import SessionService
from cms_service.services.settings_checks import check_settings
from cms_service.services.sign_in import SignInService
from cms_service.services.sign_in_throttle import SignInThrottle
from cms_service.services.signing_keys import KeySchedule, SigningKeyService
from cms_service.services.throttles import ThrottleService
from cms_service.services.token_issuer import TokenIssuer
from cms_service.services.tokens import RefreshService, TokenService
from cms_service.services.users import UserService

__all__ = [
    "AccessMemory",
    "AccessReader",
    "AccessSearchService",
    "AccessTokenReader",
    "AdministratorService",
    "ApiKeyService",
    "AssignmentService",
    "AuditEventService",
    "AuthService",
    "Authenticator",
    "CacheKeeper",
    "ClientService",
    "CredentialAuthenticator",
    "DecisionPoint",
    "Doctor",
    "EnrolledMachine",
    "EvaluationService",
    "ExplanationService",
    "Hearing",
    "HolderService",
    "Housekeeper",
    "IdempotencyService",
    "InheritanceService",
    "IntrospectionService",
    "Introspector",
    "KeptAnswer",
    "KeyRing",
    "KeySchedule",
    "KeyUsage",
    "MachineEnrolment",
    "PasswordReset",
    "PasswordResetService",
    "PermissionService",
    "Precondition",
    "PresentedClient",
    "PreviewService",
    "Previewed",
    "PublishedKeys",
    "PublishedMetadata",
    "Question",
    "Readiness",
    "RecognisedCallers",
    "RefreshService",
    "RefusalRecorder",
    "RevocationService",
    "RoleService",
    "ServiceAccountRoleService",
    "ServiceAccountService",
    "SessionService",
    "SignInService",
    "SignInThrottle",
    "SigningKeyService",
    "ThrottleService",
    "TimedPropagation",
    "TokenIssuer",
    "TokenService",
    "UserDirectory",
    "UserService",
    "Versioned",
    "check_servers",
    "check_settings",
    "entity_tag",
    "observe_state",
    "publish_metadata",
]
