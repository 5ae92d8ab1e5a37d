"""Who uses the Python client."""

import pytest
from cms_service_client import Client
from cms_service_client.api.auth import login, register
from cms_service_client.models import LoginRequest, LoginResponse, Problem, RegisterRequest, User, ValidationProblem
from sdk_answers import Refused, accepted
from sdk_session import Session, sign_in

from tests.factories import unique
from tests.fixtures import ADMIN_EMAIL, ADMIN_PASSWORD, Service

PASSWORD = "seven green owls on a wire"


def refusal(answer: object) -> Refused:
    """The refusal that the answer is, typed as the document says."""
    assert isinstance(answer, Problem | ValidationProblem), answer
    with pytest.raises(Refused) as caught:
        accepted(answer)
    assert caught.value.status == answer.status
    return caught.value


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
