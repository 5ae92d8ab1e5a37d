"""Which tables say what roles an account of each kind has."""

from cms_service.core.security import SubjectType
from cms_service.repositories import SERVICES, USERS

HOLDINGS = {SubjectType.user: USERS, SubjectType.service: SERVICES}
