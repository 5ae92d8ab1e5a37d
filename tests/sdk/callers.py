"""Who uses the Python client."""

from uuid import uuid4

from cms_service_client import Client
from cms_service_client.api.auth import login, register
from cms_service_client.models import LoginRequest, LoginResponse, RegisterRequest, User
from sdk_answers import accepted
from sdk_session import Session, sign_in

from tests.fixtures import ADMIN_EMAIL, ADMIN_PASSWORD, Service

PASSWORD = "seven green owls on a wire"


def unique(stem: str) -> str:
    return f"{stem}-{uuid4().hex[:12]}"


def nobody(service: Service) -> Client:
    return Client(base_url=service.url, raise_on_unexpected_status=True)


def registered(service: Service) -> User:
    body = RegisterRequest(email=f"{unique('user')}@example.org", password=PASSWORD, display_name="Ada Lovelace")
    return accepted(register.sync(client=nobody(service), body=body))


def tokens_of(service: Service, email: str, password: str = PASSWORD) -> LoginResponse:
    return accepted(login.sync(client=nobody(service), body=LoginRequest(email=email, password=password)))


def signed_in(service: Service, email: str, password: str = PASSWORD) -> Session:
    return sign_in(service.url, email, password)


def administrator(service: Service) -> Session:
    return signed_in(service, ADMIN_EMAIL, ADMIN_PASSWORD)
