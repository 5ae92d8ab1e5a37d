"""A service account that acts for users through the Python client of `just sdk`."""

import inspect
import json
import re
from importlib import import_module

import pytest
from cms_service_client import AuthenticatedClient
from cms_service_client.api.permissions import list_permissions
from cms_service_client.api.roles import create_role
from cms_service_client.api.service_accounts import (
    assign_service_account_role,
    create_api_key,
    create_service_account,
)
from cms_service_client.api.users import get_me, list_users
from cms_service_client.models import ApiKeyCreate, Role, RoleCreate, ServiceAccountCreate
from sdk_answers import accepted
from sdk_on_behalf_of import rename

from tests.factories import unique
from tests.fixtures import Service
from tests.sdk.callers import administrator, refusal, registered, tokens_of
from tests.sdk.conftest import ROOT

DOCUMENT = json.loads((ROOT / "openapi.json").read_text())
OPERATIONS = [operation for item in DOCUMENT["paths"].values() for operation in item.values()]
HEADER = "X-On-Behalf-Of"


@pytest.fixture
def machine(service: Service) -> AuthenticatedClient:
    """A service account that may list users."""
    admin = administrator(service).client
    (read,) = accepted(list_permissions.sync(client=admin, q="users:read")).items
    body = RoleCreate(name=unique("role"), title="Reads users", permission_ids=[read.id])
    role = accepted(create_role.sync(client=admin, body=body))
    assert isinstance(role, Role)
    account = accepted(create_service_account.sync(client=admin, body=ServiceAccountCreate(name=unique("robot"))))
    assign_service_account_role.sync(account.id, role.id, client=admin)
    key = accepted(create_api_key.sync(account.id, client=admin, body=ApiKeyCreate(name="first")))
    return AuthenticatedClient(service.url, key.key)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["operationId"])
def test_operation_takes_the_token_of_a_user_as_the_document_says(operation: dict[str, object]) -> None:
    assert isinstance(operation["tags"], list)
    package = operation["tags"][0].replace("-", "_")
    module = re.sub(r"(?=[A-Z])", "_", str(operation["operationId"])).lower()
    call = import_module(f"cms_service_client.api.{package}.{module}").sync_detailed

    parameters = operation.get("parameters", [])
    assert isinstance(parameters, list)
    is_declared = {"$ref": "#/components/parameters/OnBehalfOf"} in parameters
    assert ("x_on_behalf_of" in inspect.signature(call).parameters) is is_declared


def test_call_after_one_on_behalf_of_a_user_is_of_the_service_account_again(
    service: Service, machine: AuthenticatedClient
) -> None:
    ada, grace = registered(service), registered(service)
    of_ada, of_grace = (tokens_of(service, user.email).access_token for user in (ada, grace))

    renamed = rename(machine, of_ada, "Ada Byron")

    assert (renamed.id, renamed.display_name) == (ada.id, "Ada Byron")
    assert refusal(get_me.sync(client=machine)).code == "permission_denied"
    assert accepted(list_users.sync(client=machine, email=ada.email)).items == [renamed]
    assert refusal(list_users.sync(client=machine, x_on_behalf_of=of_ada)).code == "permission_denied"
    assert accepted(get_me.sync(client=machine, x_on_behalf_of=of_grace)).id == grace.id
    assert accepted(list_users.sync(client=machine, email=grace.email)).items == [grace]
    assert refusal(get_me.sync(client=machine, x_on_behalf_of="no token")).code == "token_invalid"


def test_with_headers_changes_the_client_that_it_is_called_on(service: Service, machine: AuthenticatedClient) -> None:
    """Why the guide warns of it: when this fails, the warning can go."""
    ada = registered(service)
    assert refusal(get_me.sync(client=machine)).code == "permission_denied"

    machine.with_headers({HEADER: tokens_of(service, ada.email).access_token})

    assert accepted(get_me.sync(client=machine)).id == ada.id
